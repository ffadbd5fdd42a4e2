//! The operation of JSON values that fills, under the name that users of other Redis modules know.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::builder::GetOrSet;
use super::loader::Always;
use crate::kind::Json;
use crate::schema::{Key, Keyspace};

/// Operations of JSON values, under their familiar names.
impl<S: Keyspace, T: Serialize + DeserializeOwned + Send + 'static> Key<S, Json<T>> {
    /// An alias of [`get_or_set`](Self::get_or_set).
    pub fn get_or_set_json<'l, F, Fut>(&self, loader: F) -> GetOrSet<'l, S, Json<T>, Always<F>>
    where
        F: FnOnce() -> Fut + Send + 'l,
        Fut: Future<Output = T> + Send + 'l,
    {
        self.get_or_set(loader)
    }
}
