//! Companion keys: what the library stores about a key, in the same cluster slot.

use super::slot::{slot, slot_within};

/// What is stored in a companion key.
///
/// Its name starts with the name of the key, so tools that match prefixes treat both alike. A
/// marker follows. The `%` of the marker is not an escape, so no argument of a template can produce
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Companion {
    /// The lease of the fill, the negative entry or the stale copy.
    Fill,
    /// The fencing token of the last lock holder.
    Fence,
    /// The payload of an idempotency key.
    Payload,
}

impl Companion {
    pub(crate) const ALL: [Self; 3] = [Self::Fill, Self::Fence, Self::Payload];

    pub(crate) const fn marker(self) -> &'static str {
        match self {
            Self::Fill => "%fill",
            Self::Fence => "%fence",
            Self::Payload => "%payload",
        }
    }

    /// Passes the parts of the name to `each`. If the key has a hash tag, the marker follows it.
    /// Otherwise the key is repeated as a hash tag, so both are in the same slot; see
    /// [`shares_slot`](Self::shares_slot).
    pub(crate) fn name(self, namespace: &str, key: &str, each: &mut dyn FnMut(&[&str])) {
        let marker = self.marker();
        if has_tag(key) {
            each(&[namespace, key, marker]);
        } else {
            each(&[namespace, key, marker, "{", namespace, key, "}"]);
        }
    }

    /// Whether the companions of a key are in its slot. Those of a key whose braces form no hash
    /// tag are not: its braces would be a part of the repeated key.
    pub(crate) fn shares_slot(key: &str) -> bool {
        has_tag(key) || !key.contains(['{', '}'])
    }

    /// Returns the cluster slot of the companion of a key.
    pub(crate) fn slot(self, namespace: &str, key: &str) -> u16 {
        if Self::shares_slot(key) {
            return slot_within(namespace, key);
        }
        let mut found = 0;
        self.name(namespace, key, &mut |parts| found = slot(&parts.concat()));
        found
    }

    /// Whether a name looks like that of a companion key, in any namespace.
    pub(crate) fn is_companion(name: &str) -> bool {
        Self::ALL.iter().any(|companion| {
            let rest = name.split_once(companion.marker()).map(|(_, rest)| rest);
            rest.is_some_and(|rest| rest.is_empty() || (rest.starts_with('{') && rest.ends_with('}')))
        })
    }

    /// Returns the key that the companion key belongs to.
    pub(crate) fn owner<'n>(self, name: &'n str, namespace: &str) -> Option<&'n str> {
        let (key, rest) = name.split_once(self.marker())?;
        let repeated = rest.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let repeats = |repeated: &str| repeated.strip_prefix(namespace) == Some(key);
        (rest.is_empty() || repeated.is_some_and(repeats)).then_some(key)
    }
}

/// Whether the key has a hash tag. A namespace has no braces.
fn has_tag(key: &str) -> bool {
    // Keys are short, so a simple loop is faster than a search for a character.
    let key = key.as_bytes();
    let Some(open) = key.iter().position(|&byte| byte == b'{') else { return false };
    let close = key.iter().skip(open).position(|&byte| byte == b'}');
    close.is_some_and(|close| close > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(namespace: &str, key: &str) -> String {
        let mut name = String::new();
        Companion::Fill.name(namespace, key, &mut |parts| name = parts.concat());
        name
    }

    #[test]
    fn it_has_the_slot_of_its_key_and_parses_back_to_it() {
        for namespace in ["", "staging:"] {
            let member = "cart:user:7%g00000000000000ff";
            for key in ["cart:user:7", "cart:user:{7}", "cart:{a}:{b}", "{{a}", "a", "cart:\u{e9}", member] {
                let name = name(namespace, key);
                assert_eq!(slot(&name), slot(&format!("{namespace}{key}")), "{name}");
                assert!(Companion::shares_slot(key), "{key}");
                assert!(name.starts_with(&format!("{namespace}{key}%fill")));
                let without_namespace = &name[namespace.len()..];
                assert_eq!(Companion::Fill.owner(without_namespace, namespace), Some(key), "{name}");
            }
        }
        for namespace in ["", "staging:"] {
            for key in ["a{b", "a}b", "a{}b", "{}{a}", "a}b{c"] {
                let name = name(namespace, key);
                assert!(!Companion::shares_slot(key), "{key}");
                assert_eq!(Companion::Fill.slot(namespace, key), slot(&name), "{name}");
                assert_ne!(slot(&name), slot_within(namespace, key), "{name}");
            }
            assert_eq!(Companion::Fill.slot(namespace, "a{b}"), slot("b"));
        }
        assert_eq!(name("", "cart:user:7"), "cart:user:7%fill{cart:user:7}");
        assert_eq!(name("s:", "cart:{7}"), "s:cart:{7}%fill");
        assert_eq!(name("", "a}b{c}"), "a}b{c}%fill");
        assert_eq!(Companion::Fill.owner("cart:user:7", ""), None);
        assert_eq!(Companion::Fill.owner("cart:user:7%fill{other}", ""), None);
        assert_eq!(Companion::Fence.owner("cart:user:7%fill{cart:user:7}", ""), None);
    }
}
