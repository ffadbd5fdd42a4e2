//! Which slot of a cluster a key is in.

use crc16::{State, XMODEM};

/// How many slots a cluster has.
const SLOTS: u16 = 16_384;

/// Of the text between the first `{` and the next `}` if there is any, else of the whole key.
pub(crate) fn slot(key: &str) -> u16 {
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
    let hashed = tag.filter(|tag| !tag.is_empty()).unwrap_or(key);
    State::<XMODEM>::calculate(hashed.as_bytes()) % SLOTS
}

/// Of a key that is sent behind this namespace.
pub(crate) fn slot_within(namespace: &str, key: &str) -> u16 {
    if namespace.is_empty() { slot(key) } else { slot(&format!("{namespace}{key}")) }
}

#[cfg(test)]
mod tests {
    use super::slot;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(slot("123456789"), 0x31c3);
        assert_eq!(slot("foo"), 12_182);
        assert_eq!(slot("{user1000}.following"), slot("{user1000}.followers"));
        assert_eq!(slot("foo{bar}{zap}"), slot("bar"));
        assert_eq!(slot("foo{{bar}}zap"), slot("{bar"));
        assert_ne!(slot("foo{}{bar}"), slot("bar"), "an empty tag is none");
        assert_eq!(slot(""), 0);
    }
}
