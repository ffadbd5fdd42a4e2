//! The operations of JSON values under the names that users of other Redis modules know.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::base::Command;
use super::set::Set;
use crate::kind::Json;
use crate::schema::{Key, Keyspace};

/// Operations of JSON values, under their familiar names.
impl<S: Keyspace, T: Serialize + DeserializeOwned + Send + 'static> Key<S, Json<T>> {
    /// An alias of [`get`](Self::get).
    pub fn get_json(&self) -> Command<Option<T>> {
        self.get()
    }

    /// An alias of [`set`](Self::set).
    pub fn set_json(&self, value: &T) -> Set<S, Json<T>, ()> {
        self.set(value)
    }
}
