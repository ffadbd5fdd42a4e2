//! The kind of work that runs once.

use std::fmt;
use std::marker::PhantomData;

use super::role::Role;
use super::traits::{Kind, SingleValue};

/// An idempotency key: work that is done once, and its result, a value of the kind `V`.
///
/// Declared as the return type of a field; the template's lifetime is how long the work is known to be done.
///
/// ```
/// use redis_keyspace::{Json, Keyspace, Once, Redis};
///
/// #[derive(serde::Serialize, serde::Deserialize, Debug, PartialEq)]
/// pub struct Receipt { number: u32 }
///
/// #[derive(Keyspace)]
/// #[keyspace(prefix = "payment", ttl = "1d")]
/// pub struct PaymentKeys {
///     request: fn(id: &str) -> Once<Json<Receipt>>,
/// }
///
/// # async fn charge_the_card() -> Receipt { Receipt { number: 1 } }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
/// # Redis::embedded().scope(async {
/// let receipt = PaymentKeys::request("r-17").run(|| charge_the_card()).await?;
/// // The client has not got the answer, and asks again.
/// let again = PaymentKeys::request("r-17").run(|| async { unreachable!("it is paid") }).await?;
/// assert_eq!(again, receipt);
/// # Ok(()) }).await }
/// ```
///
/// # What it is not
///
/// Exactly once, whatever happens: work whose process ends before its result is kept is done again by who asks next, after half
/// a minute, and so is work whose process stands still for longer than that, or whose key a failover of the server forgets.
/// Make the work itself recognise what must never be done twice.
pub struct Once<V>(PhantomData<fn() -> V>);

impl<V> fmt::Debug for Once<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Once")
    }
}

impl<V: SingleValue> Kind for Once<V> {
    const WIRE_FORMAT: &'static str = V::WIRE_FORMAT;
    const ROLE: Role = Role::Once;
}
