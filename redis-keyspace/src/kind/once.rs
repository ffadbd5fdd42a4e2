//! The kind of work that runs once.

use std::fmt;
use std::marker::PhantomData;

use super::role::Role;
use super::traits::{Kind, SingleValue};

/// An idempotency key: marks work as done and stores its result, a value of the kind `V`.
///
/// Use it as the return type of a field. The TTL of the template is how long the result is kept.
/// After that, the work can run again.
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
/// // The client did not receive the response and retries.
/// let again = PaymentKeys::request("r-17").run(|| async { unreachable!("already paid") }).await?;
/// assert_eq!(again, receipt);
/// # Ok(()) }).await }
/// ```
///
/// # Limitations
///
/// This is not exactly-once execution. The work runs again if:
///
/// - its process dies before the result is stored; the next call runs it again after half a minute;
/// - its process is suspended for longer than that;
/// - a failover of the server loses the key.
///
/// If the work must never happen twice, the work itself must detect a repetition.
///
/// # Operations
///
/// | | |
/// | --- | --- |
/// | run the work | [`run`], [`try_run`] |
/// | read | [`result`] |
///
/// [`run`]: crate::Key::run
/// [`try_run`]: crate::Key::try_run
/// [`result`]: crate::Key::result
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
