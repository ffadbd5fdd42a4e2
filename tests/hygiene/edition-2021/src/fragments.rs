//! Fragments of a `macro_rules!` keep their precedence.

use redis_keyspace::{Counter, Key, Keyspace, Record, Script, Text};

macro_rules! declare {
    ($base:expr, $length:expr, $path:path, $ttl:meta) => {
        /// Keys with computed lifetimes.
        #[derive(Debug, Keyspace)]
        #[keyspace(prefix = "fragments", ttl = $base * 2)]
        pub struct FragmentKeys {
            inherited: fn(digest: [u8; $length * 2]) -> Text,
            #[key(ttl = (2 * $base))]
            inside: Text,
            #[key(ttl = $base)]
            whole: Text,
            #[key(ttl = seconds::<u8, u16>($base, $base * 2))]
            called: Text,
            #[key($ttl)]
            attribute: Text,
        }

        /// A record with computed defaults.
        #[derive(Debug, PartialEq, Eq, Record)]
        pub struct Computed {
            name: String,
            #[record(default = $base * 2)]
            twice: u64,
            #[record(default = $path { number: $base }.number * 2)]
            of_a_struct: u64,
        }

        /// A script with several keys.
        #[derive(Debug, Script)]
        #[script(source = "return KEYS[4]", returns = Text)]
        pub struct Fourth {
            /// The keys.
            pub keys: [Key<FragmentKeys, Counter>; $length * 2],
        }
    };
}

/// Returns the second number.
const fn seconds<A, B>(_: u64, second: u64) -> u64 {
    second + size_of::<A>() as u64 + size_of::<B>() as u64
}

mod numbers {
    /// For struct literals.
    #[derive(Debug)]
    pub(super) struct Number {
        pub(super) number: u64,
    }
}

declare!(30 + 30, 1 + 1, numbers::Number, ttl = 30 * 2);

#[cfg(test)]
mod tests {
    use redis_keyspace::catalog::Lifetime;

    use super::*;

    #[test]
    fn lifetimes_are_computed_as_written() {
        let seconds = |field: &str| {
            let mut templates = FragmentKeys::META.templates().iter();
            match templates.find(|template| template.field() == field).unwrap().lifetime() {
                Lifetime::Expires(ttl) => ttl.as_secs(),
                _ => 0,
            }
        };
        assert_eq!(seconds("inherited"), 120);
        assert_eq!(seconds("inside"), 120);
        assert_eq!(seconds("whole"), 60);
        assert_eq!(seconds("called"), 123);
        assert_eq!(seconds("attribute"), 60);
        assert_eq!(FragmentKeys::inherited([1; 4]).as_str(), "fragments:inherited:01010101");
    }
}
