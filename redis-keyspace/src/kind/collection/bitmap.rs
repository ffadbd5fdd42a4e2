//! The kind of bitmaps.

use crate::kind::{Kind, Layout, Stored};

/// A Redis string used as an array of bits, all of which are 0 at first.
///
/// Bits are numbered from 0. A bitmap is as long as its highest bit that was written, so it suits
/// numbers without large gaps: one bit for each user of a day takes 125 kB per million users.
///
/// ```
/// use redis_keyspace::{Bitmap, Key, Keyspace, Redis};
///
/// #[derive(Keyspace)]
/// #[keyspace(prefix = "active", ttl = "90d")]
/// struct ActiveKeys {
///     /// Who used the program on this day. The bit is the number of the user.
///     #[key("{day}")]
///     day: fn(day: u32) -> Bitmap,
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
/// # Redis::embedded().scope(async {
/// let today = ActiveKeys::day(20_400);
/// assert!(!today.set_bit(7, true).await?, "the bit was 0");
/// today.set_bit(100, true).await?;
/// assert!(today.get_bit(7).await?);
/// assert_eq!(today.bit_count(..).await?, 2);
/// assert_eq!(today.bit_pos(true, 8..).await?, Some(100));
/// # Ok(()) }).await }
/// ```
///
/// # Operations
///
/// | | |
/// | --- | --- |
/// | single bits | [`set_bit`], [`get_bit`] |
/// | read | [`bit_count`], [`bit_count_in_bytes`], [`bit_pos`], [`bit_pos_in_bytes`] |
/// | integers | [`bit_field`] |
/// | combine | [`bit_and`], [`bit_or`], [`bit_xor`], [`bit_not`], each with [`.store(&key)`](crate::command::BitOp::store) |
///
/// [`set_bit`]: crate::Key::set_bit
/// [`get_bit`]: crate::Key::get_bit
/// [`bit_count`]: crate::Key::bit_count
/// [`bit_count_in_bytes`]: crate::Key::bit_count_in_bytes
/// [`bit_pos`]: crate::Key::bit_pos
/// [`bit_pos_in_bytes`]: crate::Key::bit_pos_in_bytes
/// [`bit_field`]: crate::Key::bit_field
/// [`bit_and`]: crate::Key::bit_and
/// [`bit_or`]: crate::Key::bit_or
/// [`bit_xor`]: crate::Key::bit_xor
/// [`bit_not`]: crate::Key::bit_not
///
/// # Type
///
/// To the server, a bitmap is a string. So the type of a key does not show whether it is one: a
/// command on the key of a [`Text`](crate::Text) works, and changes its bits.
///
/// # TTL
///
/// The write that creates the bitmap sets the TTL of the template, and later writes keep it. Write
/// `renew = "write"` if every write should set it, and `ttl = none` for a bitmap without end. A
/// bitmap whose bits are all 0 still exists.
#[derive(Debug)]
pub struct Bitmap(());

impl Kind for Bitmap {
    const WIRE_FORMAT: &'static str = "bits, the highest bit of each byte first";
    const IS_FILLED: bool = false;
    const IS_COLLECTION: bool = true;
    const LAYOUT: Layout = Layout::Bitmap;
}

impl Stored for Bitmap {}
