//! Arguments to keys and back.

use redis_keyspace::Keyspace;

use crate::input::Input;
use crate::keyspace::{Keys, ParsedKeys, arguments, key};

/// Two lots of arguments: each key reads back to its own, and two keys are equal only if the arguments are.
pub fn keys(data: &[u8]) {
    let mut input = Input::new(data);
    let (one, other) = (arguments(&mut input), arguments(&mut input));
    for arguments in [&one, &other] {
        let key = key(arguments);
        assert_eq!(Keys::parse(&key).as_ref(), Ok(arguments), "{key:?}");
        if !matches!(arguments, ParsedKeys::Raw { .. }) {
            let taken = |c: char| matches!(c, '*' | '?' | '[' | ']' | '\\') || c.is_ascii_control();
            assert!(!key.contains(taken), "{key:?} is more than one key to a glob, or to a terminal");
        }
    }
    assert_eq!(one == other, key(&one) == key(&other), "{one:?} and {other:?}");
}
