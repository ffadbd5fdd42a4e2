//! The operations of bitmaps.

use std::ops::RangeBounds;

use super::base::{self, KeyOptions};
use super::bit_field::{BitField, BitFieldOptions};
use super::bit_range::{BitRange, BitUnit, MOST_BITS};
use super::docs::{reading, writing};
use crate::command::base::Command;
use crate::command::builder::Deferred;
use crate::error::{Error, Result};
use crate::kind::Bitmap;
use crate::protocol::{Args, Decode, Keys, Packet, Replies, Reply, Request, read};
use crate::schema::{Key, Keyspace};

/// Operations of bitmaps; see [`Bitmap`].
impl<S: Keyspace> Key<S, Bitmap> {
    /// Sets a bit. Returns its previous value.
    ///
    /// The server allocates all bytes up to that bit, at most 512 MiB.
    ///
    /// ```
    /// # use redis_keyspace::{Bitmap, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "active", ttl = "90d")]
    /// # struct ActiveKeys { day: fn(day: u32) -> Bitmap }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert!(!ActiveKeys::day(1).set_bit(7, true).await?);
    /// assert!(ActiveKeys::day(1).set_bit(7, false).await?);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// Not retried after a lost connection: a second attempt would return the new value as the
    /// previous one.
    #[doc = writing!()]
    #[doc(alias = "SETBIT")]
    pub fn set_bit(&self, bit: u32, value: bool) -> Command<bool> {
        let mut args = Args::default();
        args.push_int(bit);
        args.push(digit(value));
        Command::write_of(self, "SETBIT", Ok(args), base::flag)
    }

    /// Returns a bit. Bits after the end of the bitmap are 0.
    ///
    /// ```
    /// # use redis_keyspace::{Bitmap, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "active", ttl = "90d")]
    /// # struct ActiveKeys { day: fn(day: u32) -> Bitmap }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert!(!ActiveKeys::day(1).get_bit(7).await?);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "GETBIT")]
    pub fn get_bit(&self, bit: u32) -> Command<bool> {
        let fill = |args: &mut Args| {
            args.push_int(bit);
            Ok(())
        };
        Command::read_of(self, "GETBIT", fill, base::flag)
    }

    /// Returns how many bits of a range are 1. Negative numbers count from the end: `-8..` are the
    /// last 8 bits.
    ///
    /// Servers before Redis 7.0 know only whole bytes: there, a range must start and end at a
    /// multiple of 8, or be `..`. For others, the command fails with
    /// [`MissingCommand`](crate::ErrorKind::MissingCommand).
    ///
    /// ```
    /// # use redis_keyspace::{Bitmap, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "active", ttl = "90d")]
    /// # struct ActiveKeys { day: fn(day: u32) -> Bitmap }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let day = ActiveKeys::day(1);
    /// day.set_bit(7, true).await?;
    /// day.set_bit(100, true).await?;
    /// assert_eq!(day.bit_count(..).await?, 2);
    /// assert_eq!(day.bit_count(8..1000).await?, 1);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "BITCOUNT")]
    pub fn bit_count(&self, bits: impl RangeBounds<i64>) -> Command<u64> {
        self.count_within(BitRange::new(&bits, BitUnit::Bit))
    }

    /// Returns how many bits of a range of bytes are 1. Works on all servers; see
    /// [`bit_count`](Self::bit_count).
    ///
    /// ```
    /// # use redis_keyspace::{Bitmap, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "active", ttl = "90d")]
    /// # struct ActiveKeys { day: fn(day: u32) -> Bitmap }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// ActiveKeys::day(1).set_bit(7, true).await?;
    /// assert_eq!(ActiveKeys::day(1).bit_count_in_bytes(..1).await?, 1);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "BITCOUNT")]
    pub fn bit_count_in_bytes(&self, bytes: impl RangeBounds<i64>) -> Command<u64> {
        self.count_within(BitRange::new(&bytes, BitUnit::Byte))
    }

    fn count_within(&self, range: BitRange) -> Command<u64> {
        let fill = |args: &mut Args| {
            range.push_for_count(args);
            Ok(())
        };
        if range.may_end_before_start(-1) {
            return self.with_length("BITCOUNT", fill, size_within);
        }
        Command::read_of(self, "BITCOUNT", fill, base::size).unless(range == BitRange::Empty)
    }

    /// Creates a command that also reads the length of the bitmap, in the same atomic step. The
    /// server takes an end before the first bit for the first bit or byte.
    fn with_length<T: 'static>(
        &self,
        command: &'static str,
        fill: impl FnOnce(&mut Args) -> Result<()>,
        decode: Decode<T>,
    ) -> Command<T> {
        let packet = |name| Packet::new(name, Keys::One(self.text()));
        let mut read = packet(command);
        let reads = fill(&mut read.args).map(|()| [packet("STRLEN"), read]);
        Command::reads_of(self, command, reads, decode)
    }

    /// Returns the number of the first bit in a range that has this value; `None` if no bit has it.
    ///
    /// Bits are counted from the start of the bitmap, not of the range. A range without an end goes
    /// on after the bitmap, with zeros, so a search for `false` always finds a bit there. If such a
    /// range counts from the end, as `-8..`, it ends with the bitmap.
    ///
    /// Servers before Redis 7.0 know only whole bytes: there, a range must start and end at a
    /// multiple of 8, or have no end.
    ///
    /// ```
    /// # use redis_keyspace::{Bitmap, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "seats", ttl = "1d")]
    /// # struct SeatKeys { show: fn(id: u64) -> Bitmap }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let taken = SeatKeys::show(1);
    /// taken.set_bit(0, true).await?;
    /// assert_eq!(taken.bit_pos(false, ..).await?, Some(1));
    /// assert_eq!(taken.bit_pos(true, 1..).await?, None);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "BITPOS")]
    pub fn bit_pos(&self, value: bool, bits: impl RangeBounds<i64>) -> Command<Option<u64>> {
        self.first_within(value, BitRange::new(&bits, BitUnit::Bit))
    }

    /// Returns the number of the first bit in a range of bytes that has this value. Works on all
    /// servers; see [`bit_pos`](Self::bit_pos).
    ///
    /// ```
    /// # use redis_keyspace::{Bitmap, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "seats", ttl = "1d")]
    /// # struct SeatKeys { show: fn(id: u64) -> Bitmap }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// SeatKeys::show(1).set_bit(9, true).await?;
    /// assert_eq!(SeatKeys::show(1).bit_pos_in_bytes(true, 1..).await?, Some(9));
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "BITPOS")]
    pub fn bit_pos_in_bytes(&self, value: bool, bytes: impl RangeBounds<i64>) -> Command<Option<u64>> {
        self.first_within(value, BitRange::new(&bytes, BitUnit::Byte))
    }

    fn first_within(&self, value: bool, range: BitRange) -> Command<Option<u64>> {
        if let (BitRange::BitsFrom(first), false) = (range, value) {
            return self.first_zero_from(first);
        }
        let fill = |args: &mut Args| {
            args.push(digit(value));
            range.push_for_search(args);
            Ok(())
        };
        // Without a bitmap, the server finds a zero in any range.
        if range.may_end_before_start(if value { -1 } else { 0 }) {
            return self.with_length("BITPOS", fill, position_within);
        }
        Command::read_of(self, "BITPOS", fill, position).unless(range == BitRange::Empty)
    }

    /// Finds a zero from a bit on that begins no byte. The server has no such range that goes on
    /// after the bitmap. So the rest of that byte is read, and the bytes after it are searched.
    fn first_zero_from(&self, first: i64) -> Command<Option<u64>> {
        let mut rest_of_byte = Packet::new("BITFIELD_RO", Keys::One(self.text()));
        rest_of_byte.args.push(b"GET");
        rest_of_byte.args.push(format!("u{}", 8 - first % 8).as_bytes());
        rest_of_byte.args.push_int(first);
        let mut bytes_after = Packet::new("BITPOS", Keys::One(self.text()));
        bytes_after.args.push(digit(false));
        bytes_after.args.push_int(first / 8 + 1);
        let request = check_bit(first).map(|()| Request::Pipeline(vec![rest_of_byte, bytes_after]));
        let request = request.map_err(|error| self.explain("BITPOS", error));
        Command::new::<S>("BITPOS", Some(self.template()), request, zero_from)
            .repeatable()
            .reading()
            .on_replica()
            .on_target(self.redis().into())
    }

    /// Reads and writes integers of any width within the bitmap, in one atomic step. Returns one
    /// result for each operation of the returned builder.
    ///
    /// The operations are [`get`](BitField::get), [`set`](BitField::set) and
    /// [`incr_by`](BitField::incr_by). A builder that only reads sends `BITFIELD_RO`, and replicas
    /// may answer it.
    ///
    /// ```
    /// # use redis_keyspace::{Bitmap, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "player", ttl = none)]
    /// # struct PlayerKeys { stats: fn(id: u64) -> Bitmap }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// use redis_keyspace::command::{BitOffset, Overflow, U};
    ///
    /// // A level of 4 bits, then a number of coins of 28 bits.
    /// let (level, coins) = (U::<4>, U::<28>);
    /// let stats = PlayerKeys::stats(7);
    /// stats.bit_field().set(level, 0, 3).incr_by(coins, 4, 50).await?;
    /// assert_eq!(stats.bit_field().get(level, 0).get(coins, 4).await?, [Some(3), Some(50)]);
    ///
    /// // A level above 15 does not fit.
    /// let raised = stats.bit_field().overflow(Overflow::Fail).incr_by(level, 0, 20).await?;
    /// assert_eq!(raised, [None]);
    ///
    /// // Counters of one byte each, by their number.
    /// let counters = PlayerKeys::stats(8);
    /// counters.bit_field().incr_by(U::<8>, BitOffset::Nth(2), 1).await?;
    /// assert_eq!(counters.bit_count_in_bytes(2..3).await?, 1);
    /// # Ok(()) }).await }
    /// ```
    #[doc = writing!()]
    #[doc(alias = "BITFIELD")]
    #[doc(alias = "BITFIELD_RO")]
    pub fn bit_field(&self) -> BitField<S> {
        BitField(Deferred::Building(KeyOptions::new(self, BitFieldOptions::default())))
    }
}

fn digit(value: bool) -> &'static [u8] {
    if value { b"1" } else { b"0" }
}

fn check_bit(bit: i64) -> Result<()> {
    if u64::try_from(bit).is_ok_and(|bit| bit < MOST_BITS) {
        return Ok(());
    }
    Err(Error::invalid_input(format!(
        "the range starts at bit {bit}, but a bitmap has at most {MOST_BITS} bits"
    )))
}

/// Returns the answer to a read of a range, unless the range ends before the bitmap starts. The
/// other reply is the length of the bitmap.
fn within(request: &Request, replies: Replies) -> Result<Option<(&Packet, Reply)>> {
    let [_, packet] = request.packets() else { return Ok(None) };
    let [length, answer] = base::both(replies)?;
    let length = match read::checked(length)? {
        // The answer to a read that returns a miss when Redis is unavailable.
        Reply::Nil => 0,
        length => read::to_int(length)?,
    };
    let args: Vec<&[u8]> = packet.args.iter().collect();
    let (unit, numbers) = match args.as_slice() {
        [numbers @ .., b"BIT"] => (8, numbers),
        numbers => (1, numbers),
    };
    let last = numbers.last().and_then(|last| str::from_utf8(last).ok()?.parse::<i64>().ok());
    let is_before = last.is_some_and(|last| last.saturating_add(length.saturating_mul(unit)) < 0);
    Ok((!is_before).then_some((packet, answer)))
}

fn size_within(request: &Request, replies: Replies) -> Result<u64> {
    match within(request, replies)? {
        Some((_, answer)) => base::size(request, Replies::One(answer)),
        None => Ok(0),
    }
}

fn position_within(request: &Request, replies: Replies) -> Result<Option<u64>> {
    match within(request, replies)? {
        Some((packet, answer)) => position_of(packet, answer),
        None => Ok(None),
    }
}

/// Decodes the position of a bit.
fn position(request: &Request, replies: Replies) -> Result<Option<u64>> {
    let [packet] = request.packets() else { return Ok(None) };
    position_of(packet, base::answer(request, replies)?)
}

fn position_of(packet: &Packet, reply: Reply) -> Result<Option<u64>> {
    let args: Vec<&[u8]> = packet.args.iter().collect();
    let seeks_zero = args.first() == Some(&digit(false));
    let start = match args.get(1) {
        // A start that counts from the end has a sign.
        Some(start) => {
            number(start).map(|start| if args.len() > 3 { start } else { start.saturating_mul(8) })
        }
        None => Some(0),
    };
    let is_open = args.len() <= 2;
    let found = match read::checked(reply)? {
        Reply::Nil => None,
        reply => u64::try_from(read::to_int(reply)?).ok(),
    };
    Ok(match (seeks_zero, found) {
        (false, found) => found,
        // If there is no bitmap, the server answers 0 whatever the range is.
        (true, Some(found)) => Some(found.max(start.unwrap_or_default())),
        // The range starts after the end of the bitmap.
        (true, None) => start.filter(|_| is_open),
    })
}

/// Decodes the first zero, from the rest of the byte in which the range starts, and from the
/// position of the first zero in the bytes after it.
fn zero_from(request: &Request, replies: Replies) -> Result<Option<u64>> {
    let [rest_of_byte, bytes_after] = request.packets() else { return Ok(None) };
    let mut replies = read::many(replies).into_iter();
    let mut next = || replies.next().ok_or_else(|| base::unexpected("a reply is missing"));
    let (rest, after) = (next()?, next()?);
    let words: Vec<&[u8]> = rest_of_byte.args.iter().collect();
    let [_, [b'u', width], start] = words.as_slice() else { return Ok(None) };
    let (width, start) = (u64::from(width.saturating_sub(b'0')), number(start).unwrap_or_default());
    let bits = match base::list(rest)?.pop() {
        Some(bits) => read::to_count(bits)?,
        None => 0,
    };
    match (0..width).find(|nth| bits >> (width - 1 - nth) & 1 == 0) {
        Some(nth) => {
            read::checked(after)?;
            Ok(Some(start + nth))
        }
        None => position_of(bytes_after, after),
    }
}

fn number(text: &[u8]) -> Option<u64> {
    str::from_utf8(text).ok()?.parse().ok()
}
