//! The verbs of JSON values under the names that users of other Redis modules know.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cache::{Always, GetOrSet};
use crate::command::{Command, Set};
use crate::key::Key;
use crate::keyspace::Keyspace;
use crate::kind::Json;

/// JSON values under their familiar names.
impl<S: Keyspace, T: Serialize + DeserializeOwned + Send + 'static> Key<S, Json<T>> {
    /// [`get`](Self::get) under another name.
    pub fn get_json(&self) -> Command<Option<T>> {
        self.get()
    }

    /// [`set`](Self::set) under another name.
    pub fn set_json(&self, value: &T) -> Set<S, Json<T>, ()> {
        self.set(value)
    }

    /// [`get_or_set`](Self::get_or_set) under another name.
    pub fn get_or_set_json<'l, F, Fut>(&self, loader: F) -> GetOrSet<'l, S, Json<T>, Always<F>>
    where
        F: FnOnce() -> Fut + Send + 'l,
        Fut: Future<Output = T> + Send + 'l,
    {
        self.get_or_set(loader)
    }
}
