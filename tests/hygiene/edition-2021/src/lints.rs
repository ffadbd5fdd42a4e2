//! What a user says of lints and of visibility holds for what is generated, too.

/// Names of another system, in a struct that has one too.
#[derive(Debug, redis_keyspace::Keyspace)]
#[keyspace(prefix = "lints", ttl = none)]
#[expect(non_camel_case_types, non_snake_case, reason = "the names of another system")]
pub struct lint_keys {
    userName: fn(id: u64) -> redis_keyspace::Text,
    /// Here only the parameter is named so.
    #[allow(non_snake_case)]
    user: fn(userId: u64) -> redis_keyspace::Text,
    user_by_id: fn(id: u64) -> redis_keyspace::Text,
    user_by_name: fn(name: &str) -> redis_keyspace::Text,
}

/// Says everything that concerns the enum of parsed keys as well.
#[derive(Debug, redis_keyspace::Keyspace)]
#[keyspace(prefix = "old", ttl = none)]
#[non_exhaustive]
#[doc(hidden)]
#[deprecated = "use `lint_keys`"]
pub struct OldKeys {
    user: fn(id: u64) -> redis_keyspace::Text,
    motd: redis_keyspace::Text,
}

#[cfg(test)]
mod tests {
    use redis_keyspace::Keyspace;

    use super::*;

    #[test]
    fn keys_are_as_declared() {
        assert_eq!(lint_keys::userName(7).as_str(), "lints:userName:7");
        assert_eq!(lint_keys::parse("lints:user:7").unwrap(), Parsedlint_keys::User { userId: 7 });
    }

    #[test]
    #[expect(deprecated)]
    fn the_enum_is_as_deprecated_as_the_struct() {
        assert_eq!(OldKeys::parse("old:user:7").unwrap(), ParsedOldKeys::User { id: 7 });
    }
}
