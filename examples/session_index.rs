//! An index of the sessions of each user: who is logged in where, log out everywhere, and who in a
//! team is online.
//!
//! `cargo run --example session_index` runs on the embedded server. With `REDIS_URL` set, it runs
//! on that server, in a separate namespace.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis_keyspace::{Json, Key, Keyspace, Redis, SortedSet, Text};
use serde::{Deserialize, Serialize};

const LIFETIME: Duration = Duration::from_secs(3600);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Session {
    user: u64,
    device: String,
}

/// All keys of a team are in one slot of a cluster.
#[derive(Keyspace)]
#[keyspace(prefix = "session", ttl = "1h", fills = false)]
struct SessionKeys {
    #[key("{team}:of:{id}", hash_tag = team)]
    session: fn(team: u64, id: &str) -> Json<Session>,
    /// The ids of the sessions of a user, each with the time at which it ends. The index lives as
    /// long as the last session that was added.
    #[key("{team}:user:{user}", hash_tag = team, renew = "write")]
    of_user: fn(team: u64, user: u64) -> SortedSet<Text>,
    /// The sessions of several users, for one page of the administration.
    #[key("{team}:online", hash_tag = team, ttl = "10s")]
    online: fn(team: u64) -> SortedSet<Text>,
}

/// Seconds since 1970, which fit into a score exactly.
fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs() as f64)
}

/// Stores a session, adds it to the index, and removes ended sessions from the index. All of it is
/// one round trip.
async fn log_in(redis: &Redis, team: u64, id: &str, session: &Session) -> redis_keyspace::Result<()> {
    let index = SessionKeys::of_user(team, session.user);
    let now = SystemTime::now();
    redis
        .transaction((
            SessionKeys::session(team, id).set(session).ttl(LIFETIME),
            index.zadd(id, seconds(now + LIFETIME)),
            index.zrem_range_by_score(..seconds(now)),
        ))
        .await?;
    Ok(())
}

/// Ends all sessions of a user. Returns how many there were.
async fn log_out_everywhere(team: u64, user: u64) -> redis_keyspace::Result<u64> {
    let index = SessionKeys::of_user(team, user);
    let ids = index.zrange(..).await?;
    let ended = Key::del_many(ids.iter().map(|id| SessionKeys::session(team, id))).await?;
    // Only what was ended: a session may have been added since.
    index.zrem_many(ids.iter().map(String::as_str)).await?;
    Ok(ended)
}

#[tokio::main]
async fn main() -> redis_keyspace::Result<()> {
    let builder = Redis::builder().namespace("session-index-example")?;
    let redis = match std::env::var_os("REDIS_URL") {
        Some(_) => builder.env()?.build()?,
        None => builder.embedded(redis_keyspace::embedded::Server::new()).build()?,
    };
    redis.clone().install();

    for (id, user, device) in [("s1", 7, "phone"), ("s2", 7, "laptop"), ("s3", 8, "tablet")] {
        log_in(&redis, 1, id, &Session { user, device: device.to_owned() }).await?;
    }
    println!("sessions of 7: {:?}", SessionKeys::of_user(1, 7).zrange(..).await?);

    // The union of the indexes is another key, which expires after ten seconds.
    let users = [7, 8].map(|user| SessionKeys::of_user(1, user));
    let online = SessionKeys::online(1);
    let count = Key::zunion(users).store(&online).await?;
    let page = online.zpage(0, 2).await?;
    let ids: Vec<_> = page.members.into_iter().map(|(id, _)| id).collect();
    println!("{count} sessions are online, the first two are {ids:?}");
    println!(
        "they are kept for {} seconds",
        online.ttl().await?.remaining().map_or(0, |left| left.as_millis().div_ceil(1000))
    );

    println!("ended {} sessions of 7", log_out_everywhere(1, 7).await?);
    println!("the index of 7 exists: {}", SessionKeys::of_user(1, 7).exists().await?);
    println!("s3 is still {:?}", SessionKeys::session(1, "s3").get().await?);

    log_out_everywhere(1, 8).await?;
    online.del().await?;
    redis.close().await;
    Ok(())
}
