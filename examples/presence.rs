//! Who is online, and who was active on a day: presence on a sorted set, activity on bitmaps, and
//! visitors on HyperLogLogs.
//!
//! `cargo run --example presence` runs on the embedded server. With `REDIS_URL` set, it runs on
//! that server, in a separate namespace.

use std::time::{SystemTime, UNIX_EPOCH};

use redis_keyspace::{Bitmap, HyperLogLog, Key, Keyspace, Redis, SortedSet, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "presence")]
struct PresenceKeys {
    /// When each user of a room was last seen, in seconds since 1970. Expires five minutes after
    /// the last user was seen.
    #[key("{room}:seen", ttl = "5m", renew = "write")]
    seen: fn(room: u32) -> SortedSet<u32>,

    /// Who was active on a day: one bit for each user.
    #[key("active:{day}", ttl = "90d")]
    active: fn(day: u64) -> Bitmap,

    /// About how many visitors without an account a day had.
    #[key("visitors:{day}", ttl = "90d")]
    visitors: fn(day: u64) -> HyperLogLog<Text>,
}

/// A user counts as online for this long after it was seen.
const ONLINE_SECONDS: f64 = 60.0;

fn seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |now| now.as_secs_f64())
}

/// Records that a user is there. The three commands share one round trip.
async fn see(redis: &Redis, room: u32, user: u32, now: f64, day: u64) -> redis_keyspace::Result<bool> {
    let seen = PresenceKeys::seen(room);
    let forgotten = seen.zrem_range_by_score(..now - ONLINE_SECONDS);
    let (is_new, _, was_active) = redis
        .batch((seen.zadd(&user, now), forgotten, PresenceKeys::active(day).set_bit(user, true)))
        .await?;
    if !was_active {
        println!("user {user} is active for the first time on day {day}");
    }
    Ok(is_new)
}

#[tokio::main]
async fn main() -> redis_keyspace::Result<()> {
    let builder = Redis::builder().namespace("presence-example")?;
    let redis = match std::env::var_os("REDIS_URL") {
        Some(_) => builder.env()?.build()?,
        None => builder.embedded(redis_keyspace::embedded::Server::new()).build()?,
    };
    redis.clone().install();

    let now = seconds();
    let (monday, tuesday) = (20_400, 20_401);
    for (user, day) in [(7, monday), (8, monday), (7, monday), (7, tuesday), (9, tuesday)] {
        see(&redis, 1, user, now, day).await?;
    }
    let online = PresenceKeys::seen(1).zrange_by_score(now - ONLINE_SECONDS..).await?;
    println!("online: {online:?}");

    let (first, second) = (PresenceKeys::active(monday), PresenceKeys::active(tuesday));
    println!("active on Monday: {}, on Tuesday: {}", first.bit_count(..).await?, second.bit_count(..).await?);
    println!("the first active user on Tuesday: {:?}", second.bit_pos(true, ..).await?);

    PresenceKeys::visitors(monday).pf_add(["198.51.100.1", "198.51.100.2"]).await?;
    PresenceKeys::visitors(tuesday).pf_add(["198.51.100.2", "198.51.100.3"]).await?;
    let visitors = Key::pf_count_of([monday, tuesday].map(PresenceKeys::visitors)).await?;
    println!("about {visitors} visitors on both days");

    Key::del_many([first, second]).await?;
    Key::del_many([monday, tuesday].map(PresenceKeys::visitors)).await?;
    PresenceKeys::seen(1).del().await?;
    redis.close().await;
    Ok(())
}
