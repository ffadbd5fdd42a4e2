//! Parses arbitrary text as a key.

use redis_keyspace::Keyspace;

use crate::keyspace::{Keys, key};

/// Checks that text that parses is the key of its arguments, and that `identify` finds the same
/// template.
pub fn parse(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for text in [text.to_string(), format!("f:{text}")] {
        let identified = Keys::identify(&text);
        match Keys::parse(&text) {
            Ok(arguments) => {
                assert_eq!(key(&arguments), text, "{arguments:?}");
                let identified = identified.expect("a key that parses has a template");
                let again = format!("{arguments:?}").to_lowercase();
                assert!(again.starts_with(identified.template().field()), "{again}");
            }
            Err(error) => {
                assert!(identified.is_none(), "identified {text:?}, which does not parse: {error}");
            }
        }
    }
}
