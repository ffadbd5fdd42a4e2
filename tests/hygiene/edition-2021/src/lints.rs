//! Lint and visibility attributes of the user also apply to generated code.

/// Names of another system, in a struct with such a name.
#[derive(Debug, redis_keyspace::Keyspace)]
#[keyspace(prefix = "lints", ttl = none)]
#[expect(non_camel_case_types, non_snake_case, reason = "the names of another system")]
pub struct lint_keys {
    userName: fn(id: u64) -> redis_keyspace::Text,
    /// Here, only the parameter has such a name.
    #[allow(non_snake_case)]
    user: fn(userId: u64) -> redis_keyspace::Text,
    user_by_id: fn(id: u64) -> redis_keyspace::Text,
    user_by_name: fn(name: &str) -> redis_keyspace::Text,
}

/// Has every attribute that also applies to the enum of parsed keys.
#[derive(Debug, redis_keyspace::Keyspace)]
#[keyspace(prefix = "old", ttl = none)]
#[non_exhaustive]
#[doc(hidden)]
#[deprecated = "use `lint_keys`"]
pub struct OldKeys {
    user: fn(id: u64) -> redis_keyspace::Text,
    motd: redis_keyspace::Text,
}

/// A deprecated script.
#[derive(Debug, redis_keyspace::Script)]
#[script(source = "return ARGV[1]", returns = u64)]
#[deprecated = "use no script"]
pub struct OldScript {
    /// The argument.
    #[script(arg)]
    pub number: u64,
}

mod private {
    /// The method `run` is as public as the struct.
    #[derive(Debug, redis_keyspace::Script)]
    #[script(source = "return 1")]
    #[expect(unreachable_pub, reason = "the module is private")]
    pub struct Private;
}

/// Returns the command of a script that is not public.
pub fn private_command() -> redis_keyspace::Command<()> {
    private::Private.run()
}

#[cfg(test)]
mod tests {
    use redis_keyspace::Keyspace;

    use super::*;

    #[test]
    fn keys_match_their_declarations() {
        assert_eq!(lint_keys::userName(7).as_str(), "lints:userName:7");
        assert_eq!(lint_keys::parse("lints:user:7").unwrap(), Parsedlint_keys::User { userId: 7 });
    }

    #[test]
    #[expect(deprecated)]
    fn the_generated_enum_inherits_deprecation() {
        assert_eq!(OldKeys::parse("old:user:7").unwrap(), ParsedOldKeys::User { id: 7 });
    }
}
