//! Texts that may be keys.

use redis_keyspace::Keyspace;

use crate::keyspace::{Keys, key};

/// What reads as a key is the one key of its arguments, and `identify` finds the same template.
pub fn parse(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for text in [text.to_string(), format!("f:{text}")] {
        let identified = Keys::identify(&text);
        match Keys::parse(&text) {
            Ok(arguments) => {
                assert_eq!(key(&arguments), text, "{arguments:?}");
                let identified = identified.expect("what reads as a key is one");
                let again = format!("{arguments:?}").to_lowercase();
                assert!(again.starts_with(identified.template().field()), "{again}");
            }
            Err(error) => {
                assert!(identified.is_none(), "{text:?} is no key: {error}");
            }
        }
    }
}
