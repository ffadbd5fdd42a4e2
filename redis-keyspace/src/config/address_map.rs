//! Translates the addresses that connections are made to.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::endpoint::unique_id;

type Translation = dyn Fn(&str, u16) -> (String, u16) + Send + Sync;

/// Translates each address before a connection to it is made. A number identifies it, because
/// closures can't be compared.
#[derive(Clone)]
pub(crate) struct AddressMap {
    id: u64,
    translation: Arc<Translation>,
}

impl AddressMap {
    pub(crate) fn new(translation: impl Fn(&str, u16) -> (String, u16) + Send + Sync + 'static) -> Self {
        Self { id: unique_id(), translation: Arc::new(translation) }
    }

    /// Returns the address to connect to.
    pub(crate) fn translate(&self, host: &str, port: u16) -> (String, u16) {
        (self.translation)(host, port)
    }
}

impl PartialEq for AddressMap {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for AddressMap {}

impl Hash for AddressMap {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl fmt::Debug for AddressMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AddressMap({})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_translates_and_equals_only_its_copies() {
        let outside = |host: &str, port| (format!("{host}.example.org"), port + 1);
        let map = AddressMap::new(outside);
        assert_eq!(map.translate("a", 1), ("a.example.org".to_owned(), 2));
        assert_eq!(map, map.clone());
        assert_ne!(map, AddressMap::new(outside));
    }
}
