//! A user's profile as a record: saved as a whole, changed field by field.
//!
//! `cargo run --example profile` runs on the embedded server. With `REDIS_URL` set, it runs on that
//! server, in a separate namespace.

use redis_keyspace::{Keyspace, Record, Redis};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Prefs {
    language: String,
    dark: bool,
}

#[derive(Debug, Record)]
struct Profile {
    name: String,
    visits: u64,
    /// The average of all ratings.
    rating: f64,
    ratings: u32,
    email: Option<String>,
    #[record(json)]
    prefs: Prefs,
    /// Added later: profiles that were stored before have none.
    #[record(default = "UTC".to_owned())]
    time_zone: String,
}

#[derive(Keyspace)]
#[keyspace(prefix = "user", ttl = "90d")]
struct UserKeys {
    #[key("{id}:profile")]
    profile: fn(id: u64) -> Record<Profile>,
}

/// Counts a visit and reads what the page shows, in one round trip. The rest of the profile is not
/// read.
async fn visit(redis: &Redis, id: u64) -> redis_keyspace::Result<Option<String>> {
    let profile = UserKeys::profile(id);
    let visited = profile.incr(Profile::VISITS, 1).only_if_present();
    let (visits, (name, prefs)) =
        redis.batch((visited, profile.get((Profile::NAME, Profile::PREFS)))).await?;
    let (Some(visits), Some(name), Some(prefs)) = (visits, name, prefs) else { return Ok(None) };
    let style = if prefs.dark { "dark" } else { "light" };
    Ok(Some(format!("{name}, visit {visits}, {} in {style}", prefs.language)))
}

/// Adds a rating. The average depends on two fields, so it is an atomic update.
async fn rate(id: u64, stars: u8) -> redis_keyspace::Result<Option<f64>> {
    let rated = UserKeys::profile(id).update(|profile| {
        let sum = profile.rating * f64::from(profile.ratings) + f64::from(stars);
        profile.ratings += 1;
        profile.rating = sum / f64::from(profile.ratings);
    });
    Ok(rated.await?.map(|profile| profile.rating))
}

#[tokio::main]
async fn main() -> redis_keyspace::Result<()> {
    let builder = Redis::builder().namespace("profile-example")?;
    let redis = match std::env::var_os("REDIS_URL") {
        Some(_) => builder.env()?.build()?,
        None => builder.embedded(redis_keyspace::embedded::Server::new()).build()?,
    };
    redis.clone().install();

    println!("before: {:?}", visit(&redis, 7).await?);
    let prefs = Prefs { language: "German".to_owned(), dark: true };
    let ann = Profile {
        name: "Ann".to_owned(),
        visits: 0,
        rating: 0.0,
        ratings: 0,
        email: None,
        prefs,
        time_zone: "CET".to_owned(),
    };
    UserKeys::profile(7).save(&ann).await?;
    for _ in 0..3 {
        println!("page: {:?}", visit(&redis, 7).await?);
    }

    // Many raters at once: none is lost.
    let raters = [5, 4, 3, 5, 3].map(|stars| tokio::spawn(rate(7, stars)));
    for rater in raters {
        let _ = rater.await.map_err(std::io::Error::other).expect("no rater panics")?;
    }
    let profile = UserKeys::profile(7);
    println!("rating: {:?}", profile.get((Profile::RATING, Profile::RATINGS)).await?);

    profile.set(Profile::EMAIL, "ann@example.com").await?;
    println!("has an address: {}", profile.exists_field(Profile::EMAIL).await?);
    profile.remove(Profile::EMAIL).await?;
    println!("{:#?}", profile.load().await?);

    profile.del().await?;
    redis.close().await;
    Ok(())
}
