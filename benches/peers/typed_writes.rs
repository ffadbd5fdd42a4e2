//! Writes to collections with this library.

use std::hint::black_box;

use redis_keyspace::{Hash, Keyspace, List, Redis, SortedSet, Stream};
use redis_keyspace_benches::Error;

use crate::write::{Target, Write};

/// Declares the collections, and writes to them.
macro_rules! collections {
    ($keys:ident, $module:ident, $prefix:literal, ttl = $ttl:tt) => {
        #[derive(Keyspace)]
        #[keyspace(prefix = $prefix, ttl = $ttl)]
        struct $keys {
            scores: fn(user: u64) -> SortedSet<u64>,
            fields: fn(user: u64) -> Hash<u64, u64>,
            events: fn(user: u64) -> List<u64>,
            #[key("log:{user}", trim = "~1000")]
            log: fn(user: u64) -> Stream<u64>,
        }

        mod $module {
            use super::*;

            pub(super) async fn write(
                redis: &Redis,
                target: Target,
                user: u64,
                element: u64,
            ) -> Result<(), Error> {
                match target {
                    Target::SortedSet => {
                        $keys::scores(user).zadd(&element, element as f64).await?;
                    }
                    Target::Hash => {
                        $keys::fields(user).hset(&element, &element).await?;
                    }
                    Target::List => {
                        $keys::events(user).lpush(&element).await?;
                    }
                    Target::Stream => {
                        black_box($keys::log(user).xadd(&element).await?);
                    }
                    Target::Several => {
                        let (scores, fields) = ($keys::scores(user), $keys::fields(user));
                        let events = $keys::events(user);
                        let zadd = |element| scores.zadd(&element, element as f64);
                        let hset = |element| fields.hset(&element, &element);
                        let lpush = |element| events.lpush(&element);
                        let batch = redis.batch((
                            zadd(0),
                            zadd(1),
                            zadd(2),
                            zadd(3),
                            hset(0),
                            hset(1),
                            hset(2),
                            hset(3),
                            lpush(0),
                            lpush(1),
                            lpush(2),
                            lpush(3),
                        ));
                        black_box(batch.await?);
                    }
                }
                Ok(())
            }
        }
    };
}

collections!(LastingKeys, lasting, "lasting", ttl = none);
collections!(ExpiringKeys, expiring, "expiring", ttl = 3600);

pub async fn write(redis: &Redis, write: Write, user: u64, element: u64) -> Result<(), Error> {
    if write.expires {
        expiring::write(redis, write.target, user, element).await
    } else {
        lasting::write(redis, write.target, user, element).await
    }
}
