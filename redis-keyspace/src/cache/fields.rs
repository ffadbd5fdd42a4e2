//! `get_or_set` of fields of a hash.

use std::fmt::Debug;
use std::hash::Hash as StdHash;
use std::marker::PhantomData;

use bytes::Bytes;

use super::form::FillForm;
use super::kind::{FilledKind, sealed};
use super::loader::{Always, Fallible, LoadedValues, TryLoadedValues};
use super::many::{AlwaysMany, FallibleMany, GetOrSetMany, WantedValue};
use crate::client::WriteChecks;
use crate::error::Result;
use crate::kind::{DecodeError, Hash, Kind, SingleValue};
use crate::schema::{FilledKeyspace, Key, Keyspace};

/// The value of one field of a [`Hash`](struct@crate::Hash), in the type of the builder that
/// [`hget_or_set_many`](Key::hget_or_set_many) returns. It is not the kind of a key.
#[derive(Debug)]
pub struct HashField<V>(PhantomData<fn() -> V>);

impl<V: SingleValue> Kind for HashField<V> {
    const WIRE_FORMAT: &'static str = V::WIRE_FORMAT;
    const REDIS_TYPE: &'static str = "hash";
    const IS_FILLED: bool = false;
}

impl<V: SingleValue> sealed::SealedKind for HashField<V> {}

impl<V: SingleValue> FilledKind for HashField<V> {
    type Value = V::Owned;
    const FORM: FillForm = FillForm::Field;

    fn encode_whole(value: &V::Owned, most: usize, verifies: bool, out: &mut Vec<u8>) -> Result<()> {
        V::encode_whole(value, most, verifies, out)
    }

    fn decode_whole(bytes: &[u8]) -> Result<V::Owned, DecodeError> {
        V::decode(bytes)
    }
}

/// The builder for fields of kind `F` with values of kind `V`.
type FieldsToFill<'l, S, F, V, L> = GetOrSetMany<'l, S, HashField<V>, <F as SingleValue>::Owned, L>;

/// Read-through caching of the fields of a hash.
impl<S: Keyspace, F: SingleValue, V: SingleValue> Key<S, Hash<F, V>>
where
    F::Owned: Clone + Eq + StdHash + Send + Sync,
{
    /// Returns the values of several fields, and loads the missing ones together. The loader
    /// receives each missing field once, and returns the values that it finds. The result has the
    /// order of the fields, with `None` for each field that the loader did not find.
    ///
    /// The template must declare `fills = true`. Use it for a hash that holds the entries that were
    /// asked for, such as the prices of some products. A hash that is loaded as a whole uses
    /// [`get_or_set`](Self::get_or_set) instead: use only one of the two on a template, because
    /// `get_or_set` returns the fields that exist.
    ///
    /// Callers in this process that miss the same field at the same time share one load. Loaded
    /// values are stored only if the hash is not written while the loader runs, in any process:
    /// every write of the template ends the loads of all its fields. A field that another program
    /// has set meanwhile keeps that value. A new hash gets the TTL of the template, and later
    /// fields do not change it, unless the template declares `renew = "write"`. `ttl_jitter`,
    /// `hard_timeout`, `wait_timeout` and `on_unavailable` apply; the other declared options do
    /// not.
    ///
    /// ```
    /// # use std::collections::HashMap;
    /// # use redis_keyspace::{Hash, Keyspace, Redis};
    /// #[derive(Keyspace)]
    /// #[keyspace(prefix = "shop", ttl = "10m")]
    /// struct ShopKeys {
    ///     #[key("{shop}:prices", fills = true)]
    ///     prices: fn(shop: u32) -> Hash<u64, u32>,
    /// }
    ///
    /// # async fn query_prices(products: Vec<u64>) -> HashMap<u64, u32> {
    /// #     products.into_iter().filter(|&id| id != 9).map(|id| (id, 100)).collect()
    /// # }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let prices = ShopKeys::prices(1);
    /// assert_eq!(prices.hget_or_set_many([7, 8, 9], query_prices).await?, [Some(100), Some(100), None]);
    /// // After a change of one price.
    /// prices.hdel(&7).await?;
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`get_or_set`](Self::get_or_set). Also
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for more than 3992 fields, or if a field
    /// can't be encoded. If a loaded value is invalid, the other values are stored, and the call
    /// fails.
    ///
    /// # Cancellation
    ///
    /// As for [`get_or_set`](Self::get_or_set).
    ///
    /// # Round trips
    ///
    /// One if all fields exist, else two or three. Waiting for other callers' loads may take one
    /// more. If such a load fails, up to three more.
    #[doc(alias = "HMGET")]
    #[expect(clippy::type_complexity, reason = "it is the type of the loader")]
    pub fn hget_or_set_many<'l, L, Fut>(
        &self,
        fields: impl IntoIterator<Item = F::Owned>,
        loader: L,
    ) -> FieldsToFill<'l, S, F, V, AlwaysMany<'l, L, F::Owned, V::Owned>>
    where
        S: FilledKeyspace,
        L: FnMut(Vec<F::Owned>) -> Fut + Send + 'l,
        Fut: LoadedValues<F::Owned, V::Owned> + Send + 'l,
    {
        GetOrSetMany::new(
            wanted(self, fields),
            Always {
                closure: loader,
                call: |load, fields| {
                    let loading = load(fields);
                    Box::pin(async { loading.await.into_iter().collect() })
                },
            },
        )
    }

    /// Like [`hget_or_set_many`](Self::hget_or_set_many), with a loader that can fail. If it fails,
    /// nothing is stored.
    ///
    /// ```
    /// # use redis_keyspace::{Hash, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "shop", ttl = "10m")]
    /// # struct ShopKeys { #[key("{shop}:prices", fills = true)] prices: fn(shop: u32) -> Hash<u64, u32> }
    /// # async fn query_prices(products: Vec<u64>) -> Result<Vec<(u64, u32)>, redis_keyspace::Error> {
    /// #     Ok(products.into_iter().map(|id| (id, 100)).collect())
    /// # }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let prices = ShopKeys::prices(1).try_hget_or_set_many([7, 8], query_prices).await?;
    /// assert_eq!(prices, [Some(100), Some(100)]);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// The loader's error as [`FillError::Loader`](super::FillError::Loader), and the errors of
    /// [`hget_or_set_many`](Self::hget_or_set_many) as the other variants.
    ///
    /// # Cancellation
    ///
    /// As for [`get_or_set`](Self::get_or_set).
    ///
    /// # Round trips
    ///
    /// As for [`hget_or_set_many`](Self::hget_or_set_many).
    #[doc(alias = "HMGET")]
    #[expect(clippy::type_complexity, reason = "it is the type of the loader")]
    pub fn try_hget_or_set_many<'l, L, Fut, R, E>(
        &self,
        fields: impl IntoIterator<Item = F::Owned>,
        loader: L,
    ) -> FieldsToFill<'l, S, F, V, FallibleMany<'l, L, F::Owned, V::Owned, E>>
    where
        S: FilledKeyspace,
        L: FnMut(Vec<F::Owned>) -> Fut + Send + 'l,
        Fut: TryLoadedValues<R, E> + Send + 'l,
        R: IntoIterator<Item = (F::Owned, V::Owned)>,
        E: Debug + Send,
    {
        GetOrSetMany::new(
            wanted(self, fields),
            Fallible {
                closure: loader,
                call: |load, fields| {
                    let loading = load(fields);
                    Box::pin(async { Ok(loading.await?.into_iter().collect()) })
                },
            },
        )
    }
}

fn wanted<S: Keyspace, F: SingleValue, V: SingleValue>(
    key: &Key<S, Hash<F, V>>,
    fields: impl IntoIterator<Item = F::Owned>,
) -> Vec<WantedValue<S, HashField<V>, F::Owned>> {
    let key: Key<S, HashField<V>> = key.of_kind();
    let WriteChecks { most, verifies } = key.checks();
    let wanted = |id: F::Owned| {
        let mut encoded = Vec::new();
        let field = F::encode_whole(&id, most, verifies, &mut encoded);
        WantedValue { key: key.clone(), id, field: field.map(|()| Some(Bytes::from(encoded))) }
    };
    fields.into_iter().map(wanted).collect()
}
