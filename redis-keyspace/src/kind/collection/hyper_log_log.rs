//! The kind of HyperLogLogs.

use std::marker::PhantomData;

use crate::kind::{Kind, Layout, SingleValue, Stored};

/// A Redis HyperLogLog: counts different elements in at most 12 kB, with a standard error of 0.81%.
///
/// It stores no elements, so it can't return or remove one. `T` is a single-value kind:
/// `HyperLogLog<u64>`, `HyperLogLog<Text>`. Elements are compared as bytes, as the members of a
/// [`Set`](super::Set).
///
/// ```
/// use redis_keyspace::{HyperLogLog, Key, Keyspace, Redis, Text};
///
/// #[derive(Keyspace)]
/// #[keyspace(prefix = "visitors", ttl = "90d")]
/// struct VisitorKeys {
///     #[key("{day}")]
///     day: fn(day: u32) -> HyperLogLog<Text>,
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
/// # Redis::embedded().scope(async {
/// let (monday, tuesday) = (VisitorKeys::day(1), VisitorKeys::day(2));
/// monday.pf_add(["ada", "bob", "ada"]).await?;
/// tuesday.pf_add(["bob", "eve"]).await?;
/// assert_eq!(monday.pf_count().await?, 2);
/// // Both days together.
/// assert_eq!(Key::pf_count_of([monday, tuesday]).await?, 3);
/// # Ok(()) }).await }
/// ```
///
/// # Operations
///
/// | | |
/// | --- | --- |
/// | add | [`pf_add`], [`pf_merge`] |
/// | count | [`pf_count`], [`pf_count_of`] |
///
/// [`pf_add`]: crate::Key::pf_add
/// [`pf_merge`]: crate::Key::pf_merge
/// [`pf_count`]: crate::Key::pf_count
/// [`pf_count_of`]: crate::Key::pf_count_of
///
/// # Type
///
/// To the server, a HyperLogLog is a string in a special format. A command on a string of another
/// format fails with [`WrongType`](crate::ErrorKind::WrongType): `expected HyperLogLog<u64>, found
/// another string`.
///
/// # TTL
///
/// The write that creates the HyperLogLog sets the TTL of the template, and later writes keep it.
/// Write `renew = "write"` if every write should set it, and `ttl = none` for one without end.
#[derive(Debug)]
pub struct HyperLogLog<T>(PhantomData<fn() -> T>);

impl<T: SingleValue> Kind for HyperLogLog<T> {
    const WIRE_FORMAT: &'static str = "a HyperLogLog";
    const IS_FILLED: bool = false;
    const IS_COLLECTION: bool = true;
    const LAYOUT: Layout = Layout::HyperLogLog;
}

impl<T: SingleValue> Stored for HyperLogLog<T> {}
