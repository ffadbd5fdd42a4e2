//! Computes the cluster slot of a key.

use crc16::{State, XMODEM};

/// The number of slots of a cluster.
const SLOTS: u16 = 16_384;

/// Returns the slot of a key. If the key has a hash tag, the text between the first `{` and the
/// next `}`, only that text is hashed.
pub(crate) fn slot(key: &str) -> u16 {
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
    let hashed = tag.filter(|tag| !tag.is_empty()).unwrap_or(key);
    State::<XMODEM>::calculate(hashed.as_bytes()) % SLOTS
}

/// Returns the slot of a key that is sent with this namespace.
pub(crate) fn slot_within(namespace: &str, key: &str) -> u16 {
    if namespace.is_empty() { slot(key) } else { slot(&format!("{namespace}{key}")) }
}

#[cfg(test)]
mod tests {
    use super::slot;

    #[test]
    fn slots_match_the_specification() {
        assert_eq!(slot("123456789"), 0x31c3);
        assert_eq!(slot("foo"), 12_182);
        assert_eq!(slot("{user1000}.following"), slot("{user1000}.followers"));
        assert_eq!(slot("foo{bar}{zap}"), slot("bar"));
        assert_eq!(slot("foo{{bar}}zap"), slot("{bar"));
        assert_ne!(slot("foo{}{bar}"), slot("bar"), "an empty hash tag does not count");
        assert_eq!(slot(""), 0);
    }
}
