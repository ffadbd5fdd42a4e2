//! Builds keys from arguments and parses them back.

use redis_keyspace::Keyspace;

use crate::input::Input;
use crate::keyspace::{Keys, ParsedKeys, arguments, key};

/// Checks that keys parse back to their arguments, and that two keys are equal only if their
/// arguments are.
pub fn keys(data: &[u8]) {
    let mut input = Input::new(data);
    let (one, other) = (arguments(&mut input), arguments(&mut input));
    for arguments in [&one, &other] {
        let key = key(arguments);
        assert_eq!(Keys::parse(&key).as_ref(), Ok(arguments), "{key:?}");
        if !matches!(arguments, ParsedKeys::Raw { .. }) {
            let taken = |c: char| matches!(c, '*' | '?' | '[' | ']' | '\\') || c.is_ascii_control();
            assert!(!key.contains(taken), "{key:?} contains glob or control characters");
        }
    }
    assert_eq!(one == other, key(&one) == key(&other), "{one:?} and {other:?}");
}
