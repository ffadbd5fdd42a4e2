//! A leaderboard on a sorted set, with presence on a set and counters on a hash.
//!
//! `cargo run --example leaderboard` runs on the embedded server. With `REDIS_URL` set, it runs on
//! that server, in a separate namespace.

use redis_keyspace::{Hash, Keyspace, Redis, Set, SortedSet, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "game", ttl = "90d")]
struct GameKeys {
    #[key("{game}:scores")]
    scores: fn(game: u32) -> SortedSet<Text>,
    /// Expires two minutes after the last player joined.
    #[key("{game}:online", ttl = "2m", renew = "write")]
    online: fn(game: u32) -> Set<Text>,
    #[key("{game}:rounds")]
    rounds: fn(game: u32) -> Hash<Text, i64>,
}

/// Records a round. The three writes share one round trip.
async fn play(redis: &Redis, player: &str, points: f64) -> redis_keyspace::Result<f64> {
    let total = GameKeys::scores(1).zincr_by(player, points);
    let (total, _, _) = redis
        .batch((total, GameKeys::online(1).sadd(player), GameKeys::rounds(1).hincr_by(player, 1)))
        .await?;
    Ok(total)
}

#[tokio::main]
async fn main() -> redis_keyspace::Result<()> {
    let builder = Redis::builder().namespace("leaderboard-example")?;
    let redis = match std::env::var_os("REDIS_URL") {
        Some(_) => builder.env()?.build()?,
        None => builder.embedded(redis_keyspace::embedded::Server::new()).build()?,
    };
    redis.clone().install();

    for (player, points) in [("ann", 30.0), ("bob", 50.0), ("cyd", 10.0), ("ann", 25.0), ("dan", 5.0)] {
        println!("{player}: {}", play(&redis, player, points).await?);
    }

    let scores = GameKeys::scores(1);
    println!("\nthe best three:");
    for (place, (player, points)) in (1..).zip(scores.zrange(..3).rev().with_scores().await?) {
        println!("{place}. {player} {points}");
    }

    // The players around one of them, in one round trip.
    if let Some(around) = scores.zaround("cyd", 1).rev().await? {
        println!("\ncyd has place {}:", around.rank + 1);
        for (place, (player, points)) in (around.first_rank + 1..).zip(around.members) {
            println!("{place}. {player} {points}");
        }
    }

    let page = scores.zpage(0, 2).rev().await?;
    println!("\nthe first page shows {} of {} players", page.members.len(), page.total);

    println!("\nonline: {}", GameKeys::online(1).scard().await?);
    println!("rounds of ann: {:?}", GameKeys::rounds(1).hget("ann").await?);

    redis.batch((scores.del(), GameKeys::online(1).del(), GameKeys::rounds(1).del())).await?;
    redis.close().await;
    Ok(())
}
