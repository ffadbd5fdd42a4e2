//! Translates the addresses that connections are made to.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::endpoint::unique_id;
use crate::error::{Error, Result};

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

    /// Returns the address to connect to. Fails if the function of the application panics: a panic
    /// must not end the tasks that connect.
    pub(crate) fn translate(&self, host: &str, port: u16) -> Result<(String, u16)> {
        catch_unwind(AssertUnwindSafe(|| (self.translation)(host, port)))
            .map_err(|_| Error::configuration(format!("`address_map` panicked for {host}:{port}")))
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
        assert_eq!(map.translate("a", 1).unwrap(), ("a.example.org".to_owned(), 2));
        assert_eq!(map, map.clone());
        assert_ne!(map, AddressMap::new(outside));
    }

    #[test]
    fn a_panic_is_an_error() {
        let error = AddressMap::new(|_, _| panic!("of the test")).translate("a", 1).unwrap_err();
        assert!(error.is_configuration() && error.to_string().contains("`address_map` panicked for a:1"));
    }
}
