//! Computes the cluster slot of a key.

use crc16::{State, XMODEM};

/// The number of slots of a cluster.
pub(crate) const SLOTS: u16 = 16_384;

/// Returns the slot of a key. If the key has a hash tag, the text between the first `{` and the
/// next `}`, only that text is hashed.
pub(crate) fn slot(key: &str) -> u16 {
    hash(&[tag(key).unwrap_or(key)])
}

/// Returns the slot of a key that is sent with this namespace.
#[inline]
pub(crate) fn slot_within(namespace: &str, key: &str) -> u16 {
    match tag(key) {
        // A hash tag may begin in the namespace.
        _ if namespace.contains('{') => slot(&format!("{namespace}{key}")),
        Some(tag) => hash(&[tag]),
        None => hash(&[namespace, key]),
    }
}

/// Returns the hash tag of a key.
fn tag(key: &str) -> Option<&str> {
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
    tag.filter(|tag| !tag.is_empty())
}

fn hash(parts: &[&str]) -> u16 {
    let mut state = State::<XMODEM>::new();
    parts.iter().for_each(|part| state.update(part.as_bytes()));
    state.get() % SLOTS
}

#[cfg(test)]
mod tests {
    use super::{slot, slot_within};

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

    #[test]
    fn a_namespace_is_part_of_the_key() {
        for key in ["", "7", "user:{7}", "user:{7}:views", "{}", "a{b"] {
            for namespace in ["", "shop:", "{shop}:", "{", "sh}op:"] {
                assert_eq!(
                    slot_within(namespace, key),
                    slot(&format!("{namespace}{key}")),
                    "{namespace} {key}"
                );
            }
        }
    }
}
