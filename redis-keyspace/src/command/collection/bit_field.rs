//! Integers within bitmaps.

use super::base::{self, BuildOptions, KeyOptions};
use super::bit_range::MOST_BITS;
use crate::command::base::Command;
use crate::command::builder::{Deferred, command_builder};
use crate::error::{Error, Result};
use crate::kind::Bitmap;
use crate::protocol::{Args, Keys, MOST_IN_SCRIPT, Packet, PacketLifetime, Replies, Reply, Request, read};
use crate::schema::{Key, Keyspace};

/// An unsigned integer of this many bits within a bitmap: 1 to 63. Any other number does not
/// compile.
///
/// The server has no unsigned integers of 64 bits there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct U<const BITS: u32>;

/// A signed integer of this many bits within a bitmap: 1 to 64. Any other number does not compile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct I<const BITS: u32>;

/// The width of an integer within a bitmap: [`U`] or [`I`].
///
/// Other types can't implement it.
pub trait BitWidth: Copy + sealed::AnyWidth {
    /// The number of bits.
    const BITS: u32;
    /// Whether the integer has a sign.
    const IS_SIGNED: bool;
}

mod sealed {
    pub trait AnyWidth {}
    impl<const BITS: u32> AnyWidth for super::U<BITS> {}
    impl<const BITS: u32> AnyWidth for super::I<BITS> {}
}

impl<const BITS: u32> BitWidth for U<BITS> {
    const BITS: u32 = {
        assert!(BITS >= 1 && BITS <= 63, "an unsigned integer of a bitmap has 1 to 63 bits");
        BITS
    };
    const IS_SIGNED: bool = false;
}

impl<const BITS: u32> BitWidth for I<BITS> {
    const BITS: u32 = {
        assert!(BITS >= 1 && BITS <= 64, "a signed integer of a bitmap has 1 to 64 bits");
        BITS
    };
    const IS_SIGNED: bool = true;
}

/// The place of an integer within a bitmap. A plain number is that of its first bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BitOffset {
    /// The number of its first bit.
    Bit(u32),
    /// Its index, if all integers have the same width: 2 is the third one.
    Nth(u32),
}

impl From<u32> for BitOffset {
    fn from(bit: u32) -> Self {
        Self::Bit(bit)
    }
}

/// What happens to a number that does not fit the width of its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Overflow {
    /// The number wraps around: for `U::<8>`, 255 and 1 more are 0. The default.
    #[default]
    Wrap,
    /// The least or greatest number of the width is stored. Redis's `SAT`.
    Saturate,
    /// Nothing is stored, and the result is `None`.
    Fail,
}

impl Overflow {
    fn word(self) -> &'static [u8] {
        match self {
            Self::Wrap => b"WRAP",
            Self::Saturate => b"SAT",
            Self::Fail => b"FAIL",
        }
    }
}

/// `BITFIELD` with its operations, created by [`Key::bit_field`]. Await it, or pass it to
/// [`Redis::batch`](crate::Redis::batch).
///
/// Returns the result of each operation, in order. A result is `None` only if a number did not fit
/// under [`Overflow::Fail`].
///
/// The last bit of an integer must be below 2^32; otherwise the command fails with
/// [`InvalidInput`](crate::ErrorKind::InvalidInput), and nothing is sent.
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct BitField<S: Keyspace>(
    pub(super) Deferred<KeyOptions<S, Bitmap, BitFieldOptions>, Vec<Option<i64>>>,
);

#[derive(Default)]
pub(super) struct BitFieldOptions {
    args: Args,
    /// For the operations that follow.
    overflow: Overflow,
    /// The last one that was sent.
    sent_overflow: Overflow,
    writes: bool,
    /// Whether an integer may be too large for the numbers of Lua.
    is_wide: bool,
    problem: Option<Error>,
}

/// The integers that the numbers of Lua hold exactly.
const MOST_IN_LUA: u32 = 53;

impl BitFieldOptions {
    fn push<W: BitWidth>(mut self, command: &str, offset: BitOffset, number: Option<i64>) -> Self {
        let (bits, sign) = (W::BITS, if W::IS_SIGNED { 'i' } else { 'u' });
        let (first, text) = match offset {
            BitOffset::Bit(bit) => (u64::from(bit), bit.to_string()),
            BitOffset::Nth(index) => (u64::from(index) * u64::from(bits), format!("#{index}")),
        };
        if first + u64::from(bits) > MOST_BITS {
            self.problem.get_or_insert_with(|| {
                Error::invalid_input(format!(
                    "the integer at bit {first} ends after bit {}, but a bitmap has at most {MOST_BITS} bits",
                    MOST_BITS - 1
                ))
            });
        }
        if number.is_some() && self.overflow != self.sent_overflow {
            self.args.push(b"OVERFLOW");
            self.args.push(self.overflow.word());
            self.sent_overflow = self.overflow;
        }
        self.args.push(command.as_bytes());
        self.args.push(format!("{sign}{bits}").as_bytes());
        self.args.push(text.as_bytes());
        if let Some(number) = number {
            self.args.push_int(number);
            self.writes = true;
        }
        self.is_wide |= bits > MOST_IN_LUA;
        self
    }
}

impl<S: Keyspace> BitField<S> {
    fn and<W: BitWidth>(self, command: &str, offset: BitOffset, number: Option<i64>) -> Self {
        let push = |options: BitFieldOptions| options.push::<W>(command, offset, number);
        Self(self.0.map(|options| options.with(push)))
    }

    /// Reads an integer.
    pub fn get<W: BitWidth>(self, _: W, offset: impl Into<BitOffset>) -> Self {
        self.and::<W>("GET", offset.into(), None)
    }

    /// Stores an integer. The result is the previous one.
    pub fn set<W: BitWidth>(self, _: W, offset: impl Into<BitOffset>, number: i64) -> Self {
        self.and::<W>("SET", offset.into(), Some(number))
    }

    /// Adds to an integer. The result is the new one.
    pub fn incr_by<W: BitWidth>(self, _: W, offset: impl Into<BitOffset>, amount: i64) -> Self {
        self.and::<W>("INCRBY", offset.into(), Some(amount))
    }

    /// Sets what the operations after this one do with numbers that do not fit.
    pub fn overflow(self, overflow: Overflow) -> Self {
        Self(self.0.map(|options| options.with(|options| BitFieldOptions { overflow, ..options })))
    }
}

impl<S: Keyspace> BuildOptions<S, Bitmap> for BitFieldOptions {
    type Output = Vec<Option<i64>>;

    fn build(self, key: &Key<S, Bitmap>) -> Command<Vec<Option<i64>>> {
        let Self { args, writes, is_wide, problem, .. } = self;
        let (is_empty, most) = (args.len() == 0, MOST_IN_SCRIPT - 8);
        let args = match problem {
            Some(problem) => Err(problem),
            None if args.len() > most => Err(Error::invalid_input(format!(
                "one command has room for about {} operations; use several commands",
                most / 4
            ))),
            None => Ok(args),
        };
        if !writes {
            let read = Command::read_of(key, "BITFIELD_RO", |out| base::append(out, args), numbers);
            return read.unless(is_empty);
        }
        let template = key.template();
        let may_expire = template.lifetime().duration().is_some() || template.inherits_lifetime;
        if !(is_wide && may_expire) {
            let mut command = Command::write_of(key, "BITFIELD", args, numbers);
            if is_wide && let Some(packet) = command.request.as_mut().ok().and_then(Request::requested_mut) {
                packet.lifetime = packet.lifetime.map(|_| PacketLifetime::Impossible);
            }
            return command;
        }
        // The script that sets lifetimes would round the integers. So it runs another command that
        // creates the bitmap, and changes nothing if it exists.
        let request = args.and_then(|args| {
            let mut create = Packet::new("APPEND", Keys::One(key.text()));
            create.args.push(b"");
            base::keep(key, &mut create)?;
            let write = Packet { args, ..Packet::new("BITFIELD", Keys::One(key.text())) };
            Ok(Request::Atomic(vec![create, write]))
        });
        let request = request.map_err(|error| key.explain("BITFIELD", error));
        Command::new::<S>("BITFIELD", Some(template), request, numbers).on_target(key.redis().into())
    }
}

command_builder!(BitField<S> => Vec<Option<i64>>, where S: Keyspace);

fn numbers(request: &Request, replies: Replies) -> Result<Vec<Option<i64>>> {
    if matches!(request, Request::Empty) {
        return Ok(Vec::new());
    }
    // The first of two commands creates the bitmap.
    let mut last = Reply::Nil;
    for reply in read::many(replies) {
        last = read::checked(reply)?;
    }
    let number = |reply| match reply {
        Reply::Nil => Ok(None),
        reply => read::to_int(reply).map(Some),
    };
    match last {
        // The answer to a read that returns a miss: each operation has three arguments.
        Reply::Nil => Ok(vec![Some(0); request.packets().iter().map(|packet| packet.args.len() / 3).sum()]),
        reply => base::list(reply)?.into_iter().map(number).collect(),
    }
}
