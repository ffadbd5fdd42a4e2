//! HyperLogLog: estimates the number of different elements in a constant amount of memory.
//!
//! The estimates are those of a real server: the hash, the registers and the formula are the same.
//! A real server stores few elements in a shorter, sparse form. It is read here, but never written.

use bytes::{Bytes, BytesMut};

use crate::number::to_i64;

/// The number of bits of a hash that select a register.
const INDEX_BITS: u32 = 14;
const REGISTERS: usize = 1 << INDEX_BITS;
/// The highest value of a register, less one: the number of bits that are counted.
const COUNTED_BITS: usize = 64 - INDEX_BITS as usize;
const REGISTER_BITS: usize = 6;
/// The place of the cached estimate. Its highest bit is set if it is out of date.
const CACHE: usize = 8;
const HEADER: usize = 16;
const DENSE_LEN: usize = HEADER + REGISTERS * REGISTER_BITS / 8;

/// Why a string is not a HyperLogLog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Invalid {
    /// It does not begin like one.
    Other,
    Corrupted,
}

/// The registers.
#[derive(Clone, Debug)]
pub(crate) struct HyperLogLog(Vec<u8>);

impl Default for HyperLogLog {
    fn default() -> Self {
        Self(vec![0; REGISTERS])
    }
}

impl HyperLogLog {
    /// Reads the string that represents it.
    pub(crate) fn parse(data: &[u8]) -> Result<Self, Invalid> {
        let (header, body) = data.split_at_checked(HEADER).ok_or(Invalid::Other)?;
        let (magic, rest) = header.split_at_checked(4).ok_or(Invalid::Other)?;
        match (magic, rest.first()) {
            (b"HYLL", Some(0)) if data.len() == DENSE_LEN => Ok(Self::from_dense(body)),
            (b"HYLL", Some(1)) => Self::from_sparse(body).ok_or(Invalid::Corrupted),
            _ => Err(Invalid::Other),
        }
    }

    fn from_dense(body: &[u8]) -> Self {
        // Four registers are in three bytes, the first one in the lowest bits.
        let registers = body.chunks(3).flat_map(|bytes| {
            let group = bytes.iter().rev().fold(0_u32, |group, &byte| (group << 8) | u32::from(byte));
            (0..4).map(move |place| (group >> (place * REGISTER_BITS)).to_le_bytes()[0] & 0x3f)
        });
        Self(registers.collect())
    }

    fn from_sparse(mut body: &[u8]) -> Option<Self> {
        let mut registers = Vec::with_capacity(REGISTERS);
        while let Some((&opcode, rest)) = body.split_first() {
            let low = usize::from(opcode & 0x3f);
            let (value, run);
            (value, run, body) = match opcode >> 6 {
                0 => (0, low + 1, rest),
                1 => {
                    let (&second, rest) = rest.split_first()?;
                    (0, (low << 8 | usize::from(second)) + 1, rest)
                }
                _ => ((opcode >> 2 & 0x1f) + 1, usize::from(opcode & 3) + 1, rest),
            };
            registers.resize(registers.len() + run, value);
            (registers.len() <= REGISTERS).then_some(())?;
        }
        (registers.len() == REGISTERS).then_some(Self(registers))
    }

    /// Returns the string that represents it.
    pub(crate) fn to_bytes(&self) -> Bytes {
        let mut data = BytesMut::with_capacity(DENSE_LEN);
        data.extend_from_slice(b"HYLL\0\0\0\0");
        data.extend_from_slice(&i64::MIN.to_le_bytes()); // no cached estimate
        for registers in self.0.chunks(4) {
            let group = registers
                .iter()
                .rev()
                .fold(0_u32, |group, &value| (group << REGISTER_BITS) | u32::from(value));
            data.extend(group.to_le_bytes().into_iter().take(3));
        }
        data.freeze()
    }

    /// Returns the estimate that the string of a HyperLogLog contains, unless it is out of date.
    pub(crate) fn cached(data: &[u8]) -> Option<i64> {
        let cache = data.get(CACHE..HEADER)?.first_chunk().copied()?;
        Some(i64::from_le_bytes(cache)).filter(|count| *count >= 0)
    }

    /// Returns the string with an estimate in it.
    pub(crate) fn with_cache(data: &[u8], count: i64) -> Bytes {
        let mut data = BytesMut::from(data);
        if let Some(cache) = data.get_mut(CACHE..HEADER) {
            cache.copy_from_slice(&count.to_le_bytes());
        }
        data.freeze()
    }

    /// Adds an element. Returns whether a register changed.
    pub(crate) fn add(&mut self, element: &[u8]) -> bool {
        let hash = hash(element);
        let index = usize::try_from(hash).unwrap_or(usize::MAX) & (REGISTERS - 1);
        // The mark after the counted bits ends the run of zeros.
        let counted = (hash >> INDEX_BITS) | (1 << COUNTED_BITS);
        let count = u8::try_from(counted.trailing_zeros() + 1).unwrap_or(u8::MAX);
        match self.0.get_mut(index) {
            Some(register) if *register < count => {
                *register = count;
                true
            }
            _ => false,
        }
    }

    /// Adds all elements of another one.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(own, &other)| *own = (*own).max(other));
    }

    /// Estimates the number of different elements.
    pub(crate) fn count(&self) -> i64 {
        const ALPHA: f64 = 0.721_347_520_444_481_7;
        let mut histogram = [0_u32; 64];
        for &value in &self.0 {
            if let Some(count) = histogram.get_mut(usize::from(value)) {
                *count += 1;
            }
        }
        let size = REGISTERS as f64;
        let at = |value: usize| histogram.get(value).map_or(0.0, |&count| f64::from(count));
        let mut sum = size * tau((size - at(COUNTED_BITS + 1)) / size);
        for value in (1..=COUNTED_BITS).rev() {
            sum += at(value);
            sum *= 0.5;
        }
        sum += size * sigma(at(0) / size);
        to_i64((ALPHA * size * size / sum).round())
    }
}

/// The correction for registers that are 0, by Otmar Ertl.
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if before == z {
            return z;
        }
    }
}

/// The correction for registers with the highest value.
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x).powi(2) * y;
        if before == z {
            return z / 3.0;
        }
    }
}

/// MurmurHash64A.
fn hash(data: &[u8]) -> u64 {
    const SEED: u64 = 0xadc8_3b19;
    const MULTIPLIER: u64 = 0xc6a4_a793_5bd1_e995;
    const SHIFT: u32 = 47;
    let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
    let mut hash = SEED ^ length.wrapping_mul(MULTIPLIER);
    let (words, rest) = data.as_chunks::<8>();
    for word in words {
        let mut word = u64::from_le_bytes(*word).wrapping_mul(MULTIPLIER);
        word ^= word >> SHIFT;
        hash ^= word.wrapping_mul(MULTIPLIER);
        hash = hash.wrapping_mul(MULTIPLIER);
    }
    if !rest.is_empty() {
        hash ^= rest.iter().rev().fold(0, |word, &byte| (word << 8) | u64::from(byte));
        hash = hash.wrapping_mul(MULTIPLIER);
    }
    hash ^= hash >> SHIFT;
    hash = hash.wrapping_mul(MULTIPLIER);
    hash ^ (hash >> SHIFT)
}

#[cfg(test)]
mod tests {
    use super::{HyperLogLog, Invalid};

    #[test]
    fn the_dense_form_keeps_all_registers() {
        let mut log = HyperLogLog::default();
        for number in 0..50_000_u32 {
            log.add(&number.to_le_bytes());
        }
        let read = HyperLogLog::parse(&log.to_bytes()).unwrap();
        assert_eq!(read.0, log.0);
        assert!((49_000..51_000).contains(&log.count()), "{}", log.count());
    }

    #[test]
    fn the_sparse_form() {
        let header = b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\0";
        // 16,384 zeros, and the same with four registers of 2 in between.
        let empty = [&header[..], &[0x7f, 0xff]].concat();
        assert_eq!(HyperLogLog::parse(&empty).unwrap().count(), 0);
        let four = [&header[..], &[0x00, 0x87, 0x7f, 0xfa]].concat();
        assert_eq!(HyperLogLog::parse(&four).unwrap().0[..6], [0, 2, 2, 2, 2, 0]);
        let short = [&header[..], &[0x7f, 0xfe]].concat();
        assert_eq!(HyperLogLog::parse(&short).unwrap_err(), Invalid::Corrupted);
        assert_eq!(HyperLogLog::parse(b"HYLL").unwrap_err(), Invalid::Other);
    }
}
