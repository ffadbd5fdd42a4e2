//! Compiles expansions with a renamed runtime crate, and through the macro of a facade crate.
#![deny(warnings, missing_docs, missing_debug_implementations, unreachable_pub, unused_qualifications)]
#![deny(clippy::all, clippy::pedantic)]
#![forbid(dead_code)]

/// The re-exports of a facade crate.
pub mod facade {
    pub use renamed as redis_keyspace;
}

/// Declares a keyspace with one counter, in crates that do not depend on the library.
#[macro_export]
macro_rules! counters {
    ($(#[$attribute:meta])* $vis:vis $name:ident, $prefix:literal, $field:ident($($argument:ident: $ty:ty),*)) => {
        $(#[$attribute])*
        #[derive(Debug, $crate::facade::redis_keyspace::Keyspace)]
        #[keyspace(prefix = $prefix, ttl = none, crate = $crate::facade::redis_keyspace)]
        $vis struct $name {
            $field: fn($($argument: $ty),*) -> $crate::facade::redis_keyspace::Counter,
        }
    };
}

counters! {
    /// Views of pages.
    pub ViewKeys, "views", page(site: u64, path: &str)
}

/// A shopper.
#[derive(Debug, renamed::Record)]
#[record(crate = renamed)]
pub struct Profile {
    /// Of the shopper.
    pub name: String,
    pub(crate) visits: Option<u64>,
}

impl Profile {
    /// Whether the shopper came back.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.visits.is_some()
    }
}

/// Who is shopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, renamed::KeyArgument, renamed::SingleValue)]
#[key(crate = renamed)]
#[single_value(crate = renamed)]
pub struct ShopperId(pub u64);

/// Where they are shopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, renamed::KeyArgument, renamed::SingleValue)]
#[key(crate = ::renamed)]
#[single_value(crate = ::renamed)]
pub enum Device {
    /// In the hand.
    Phone,
    /// On the table.
    Desktop,
}

/// Shopping carts.
#[derive(Debug, renamed::Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h", db = 3, bound = BoundCartKeys, crate = renamed)]
pub struct CartKeys {
    /// The open cart of one shopper.
    user: fn(id: ShopperId, device: Device) -> renamed::Json<Vec<String>>,
    featured: renamed::Text,
}

/// The path may also go through the crate itself.
#[derive(Debug, renamed::Keyspace)]
#[keyspace(prefix = "own", ttl = "1h", crate = crate::facade::redis_keyspace)]
pub struct OwnKeys {
    entry: fn(id: u64) -> renamed::Text,
}

/// The library re-exports the crates of its public types, so this package does not depend on them.
pub mod re_exported {
    use renamed::bb8_redis::{RedisConnectionManager, bb8};
    use renamed::{Redis, bytes, redis};

    /// Files by their name.
    #[derive(Debug, renamed::Keyspace)]
    #[keyspace(prefix = "files", ttl = "1h", crate = renamed)]
    pub struct FileKeys {
        content: fn(name: &str) -> renamed::Bytes,
    }

    /// A handle on a pool of the application.
    #[must_use]
    pub fn on_pool(pool: bb8::Pool<RedisConnectionManager>) -> Redis {
        Redis::from_pool(pool)
    }

    /// Returns the content of a file.
    ///
    /// # Errors
    ///
    /// Those of any command.
    pub async fn content(name: &str) -> renamed::Result<bytes::Bytes> {
        Ok(FileKeys::content(name).get().await?.unwrap_or_default())
    }

    /// Appends to a list, through the driver.
    ///
    /// # Errors
    ///
    /// Those of any command.
    pub async fn push(redis: &Redis, job: &str) -> renamed::Result<u64> {
        let push = redis::cmd("RPUSH").arg("queue").arg(job).to_owned();
        redis.raw(|mut connection| async move { push.query_async(&mut connection).await }).await
    }
}

/// These keys are unused, but a keyspace is a declaration, so this is not dead code.
mod unused {
    #[derive(renamed::Keyspace)]
    #[keyspace(prefix = "unused", ttl = none, bound = BoundPrivateKeys, crate = renamed)]
    struct PrivateKeys {
        user: fn(id: u64, name: &str) -> renamed::Text,
        motd: renamed::Text,
    }

    #[derive(renamed::Keyspace)]
    #[keyspace(prefix = "single", ttl = none, crate = renamed)]
    struct SingleKeys {
        user: fn(id: u64) -> renamed::Text,
    }

    #[derive(renamed::Keyspace)]
    #[keyspace(prefix = "plain", ttl = none, crate = renamed)]
    pub(crate) struct PlainKeys {
        pub(self) motd: renamed::Text,
    }
}

#[cfg(test)]
mod tests {
    use renamed::Keyspace;

    use super::*;

    #[test]
    fn keys_round_trip() {
        let key = CartKeys::user(ShopperId(7), Device::Phone);
        assert_eq!(key.as_str(), "cart:user:7:phone");
        let parsed = ParsedCartKeys::User { id: ShopperId(7), device: Device::Phone };
        assert_eq!(CartKeys::parse(key.as_str()).unwrap(), parsed);
        assert_eq!(CartKeys::featured().as_str(), "cart:featured");
        assert_eq!(OwnKeys::entry(7).as_str(), "own:entry:7");
        let _ = Device::Desktop;
    }

    #[test]
    fn keyspaces_can_be_declared_by_a_facade_macro() {
        let key = ViewKeys::page(1, "/a:b");
        assert_eq!(key.as_str(), "views:page:1:/a%3Ab");
        let parsed = ParsedViewKeys::Page { site: 1, path: "/a:b".to_owned() };
        assert_eq!(ViewKeys::parse(key.as_str()).unwrap(), parsed);
    }
}

/// Counts a view.
#[derive(Debug, renamed::Script)]
#[script(source = "return redis.call('INCRBY', KEYS[1], ARGV[1])", returns = u64, crate = renamed)]
pub struct CountView<'a> {
    /// The page.
    pub page: &'a renamed::Key<ViewKeys, renamed::Counter>,
    /// How many.
    #[script(arg)]
    pub amount: u64,
}
