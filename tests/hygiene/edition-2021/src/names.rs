//! Names that generated code uses for its own items.

use std::time::Duration;

use redis_keyspace::{Counter, Key, KeyArgument, Keyspace, Script};

/// The types that distinguish patterns are not the enum of parsed keys.
#[derive(Debug, Keyspace)]
#[keyspace(prefix = "names", ttl = Self::TTL)]
pub struct FeedKeys {
    feed: fn(id: u64) -> Counter,
    parsed_feed: fn(id: u64) -> Counter,
    #[key(ttl = Self::seconds(2) * 2)]
    short: Counter,
    #[key(ttl = <Self as Lifetimes>::TTL)]
    of_a_trait: Counter,
}

impl FeedKeys {
    const TTL: Duration = Duration::from_secs(60);

    const fn seconds(count: u64) -> u64 {
        count
    }
}

/// A trait with a constant.
pub trait Lifetimes {
    /// In seconds.
    const TTL: u64;
}

impl Lifetimes for FeedKeys {
    const TTL: u64 = 7;
}

/// A variant with the name of an associated type.
#[derive(Debug, Clone, PartialEq, Eq, Hash, KeyArgument)]
pub enum State {
    /// Parsed.
    Parsed,
}

const DEFINITION: &str = "return KEYS[1]";

/// The text has the name of a generated static.
#[derive(Debug, Script)]
#[script(source = DEFINITION)]
pub struct Defined {
    /// The key.
    pub key: Key<FeedKeys, Counter>,
}

/// The text is a constant of the struct.
#[derive(Debug, Script)]
#[script(source = Self::TEXT)]
pub struct Own<'a> {
    /// The key.
    pub key: &'a Key<FeedKeys, Counter>,
}

impl Own<'_> {
    const TEXT: &'static str = "return KEYS[2]";
}

/// The parameter has the name of a generated one.
#[derive(Debug, Script)]
#[script(source = "return ARGV[1]", returns = u64)]
pub struct Generic<T: redis_keyspace::script::ScriptArgument> {
    /// The argument.
    #[script(arg)]
    pub argument: T,
}

/// Keys with keywords as names.
#[derive(Debug, Keyspace)]
#[keyspace(prefix = "keyword", ttl = none)]
pub struct KeywordKeys {
    #[key("{type}", hash_tag = type, into = type)]
    r#type: fn(r#type: String) -> Counter,
    #[key("{type}:match", hash_tag = r#type, into = r#type)]
    r#match: fn(r#type: String) -> Counter,
}

redis_keyspace::catalog!(
    /// A catalog of keywords.
    pub KEYWORDS = [KeywordKeys, #[cfg(any())] AbsentKeys, #[cfg(not(any()))] FeedKeys], cluster,
    together = [KeywordKeys::r#type, KeywordKeys::r#match, #[cfg(any())] AbsentKeys::user]
);

redis_keyspace::catalog!(
    #[cfg(any())]
    pub ABSENT = [AbsentKeys], cluster, together = [AbsentKeys::user]
);

#[cfg(test)]
mod tests {
    use redis_keyspace::catalog::Lifetime;

    use super::*;

    #[test]
    fn fields_may_be_named_like_generated_types() {
        let key = FeedKeys::parsed_feed(7);
        assert_eq!(FeedKeys::parse(key.as_str()).unwrap(), ParsedFeedKeys::ParsedFeed { id: 7 });
        assert_eq!(FeedKeys::parsed_feed_keys().id(7).glob(), "names:parsed_feed:7");
        assert_eq!(FeedKeys::feed_keys().id(7).glob(), "names:feed:7");
    }

    #[test]
    fn keyspaces_of_a_catalog_may_be_optional() {
        let names: Vec<_> = KEYWORDS.keyspaces().iter().map(|keyspace| keyspace.name()).collect();
        assert_eq!(names, ["KeywordKeys", "FeedKeys"]);
        assert_eq!(KeywordKeys::r#type("a").as_str(), "keyword:{a}");
    }

    #[test]
    fn lifetimes_may_be_constants_of_the_struct() {
        let ttls = FeedKeys::META.templates().iter().map(|template| match template.lifetime() {
            Lifetime::Expires(ttl) => ttl.as_secs(),
            _ => 0,
        });
        assert_eq!(ttls.collect::<Vec<_>>(), [60, 60, 4, 7]);
    }

    #[test]
    fn texts_of_scripts_may_be_constants_of_any_name() {
        assert_eq!(Defined::SOURCE, "return KEYS[1]");
        assert_eq!(Own::SOURCE, "return KEYS[2]");
        assert_eq!(Generic::<u64>::SOURCE, "return ARGV[1]");
    }
}
