//! The values that fill the placeholders of a template.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZero;
use std::rc::Rc;
use std::sync::Arc;

use super::class::{ArgumentClass, START};
use super::escape;
use super::parsed::ParsedArgument;
use super::reserved::reserved_text;
use super::writer::KeyWriter;

/// A value that can be part of a key.
///
/// [`write`](Self::write) must produce distinct strings for distinct values, and
/// [`parse`](Self::parse) must undo it. The trait is implemented for integers, `NonZero`, `bool`,
/// `char`, strings, `IpAddr`, byte arrays (as lower-case hex), `Uuid` (feature `uuid`), and
/// references to all of these. It is not implemented for floats: `1` and `1.0` would be two keys,
/// and `-0` and `NaN` have no clear encoding.
///
/// `#[derive(KeyArgument)]` implements it for newtypes and for enums of unit variants:
///
/// ```
/// use redis_keyspace::{Json, KeyArgument, Keyspace};
///
/// #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, KeyArgument)]
/// pub struct UserId(u64);
///
/// #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, KeyArgument)]
/// pub enum Device { Phone, Desktop }
///
/// #[derive(Keyspace)]
/// #[keyspace(prefix = "session", ttl = "1d")]
/// pub struct SessionKeys {
///     #[key("{user}:{device}")]
///     session: fn(user: UserId, device: Device) -> Json<String>,
/// }
///
/// let key = SessionKeys::session(UserId(7), Device::Phone);
/// assert_eq!(key.to_string(), "session:7:phone");
/// ```
///
/// A manual implementation, for any other type:
///
/// ```
/// use redis_keyspace::KeyArgument;
/// use redis_keyspace::key::KeyWriter;
///
/// #[derive(Debug, Clone, PartialEq, Eq, Hash)]
/// struct Tenant { region: char, number: u32 }
///
/// impl KeyArgument for Tenant {
///     type Parsed = Tenant;
///
///     fn write(&self, out: &mut KeyWriter) {
///         out.write_str(&format!("{}{}", self.region, self.number));
///     }
///
///     fn parse(text: &str) -> Option<Tenant> {
///         let text = <String as KeyArgument>::parse(text)?; // undoes the escaping
///         let region = text.chars().next()?;
///         // Rejects `007`, which `write` never produces: two keys must not parse to one value.
///         let number = <u32 as KeyArgument>::parse(text.strip_prefix(region)?)?;
///         Some(Tenant { region, number })
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be an argument of a key",
    label = "not a `KeyArgument`",
    note = "integers, `bool`, `char`, strings, `Uuid` (feature `uuid`), `IpAddr` and byte arrays can; a newtype or an enum of unit variants becomes one with `#[derive(KeyArgument)]`",
    note = "floats can't: equal numbers may print differently; round to an integer or format to a `String` yourself"
)]
pub trait KeyArgument {
    /// The type of parsed arguments: the owned form of this type.
    type Parsed: ParsedArgument;

    /// The strings that [`write`](Self::write) can produce. The default is correct for everything
    /// that is written through [`KeyWriter`]. A narrower class allows more templates. It must be
    /// correct, because it decides which templates can make the same key. In debug builds, writing
    /// anything else panics.
    const CLASS: ArgumentClass = ArgumentClass::TEXT;

    /// Writes the value. The encoding must be unique.
    fn write(&self, out: &mut KeyWriter);

    /// Parses an argument. Returns `None` if the text is not exactly what `write` produces for some
    /// value.
    fn parse(text: &str) -> Option<Self::Parsed>;
}

impl KeyWriter {
    /// Writes an argument.
    ///
    /// If the argument writes nothing, the encoding of empty arguments is written. In debug builds,
    /// an argument that writes text outside its `CLASS` panics, because the checks of all templates
    /// rely on it.
    #[inline]
    pub(crate) fn argument<A: KeyArgument + ?Sized>(&mut self, argument: &A) {
        let start = self.written().len();
        argument.write(self);
        if self.written().len() == start && !A::CLASS.accepts(START) {
            self.verbatim(escape::EMPTY);
        }
        debug_assert!(
            self.written().get(start..).is_some_and(|text| {
                A::CLASS.run(text) == Some(text.len()) || text.starts_with(escape::INVALID)
            }),
            "`KeyArgument::write` of {} wrote {:?}, which its `CLASS` does not contain",
            std::any::type_name::<A>(),
            String::from_utf8_lossy(self.written().get(start..).unwrap_or_default()),
        );
    }
}

macro_rules! integers {
    ($($class:ident: $($int:ty),+;)+) => {$($(
        impl KeyArgument for $int {
            type Parsed = Self;
            const CLASS: ArgumentClass = ArgumentClass::$class;

            #[inline]
            fn write(&self, out: &mut KeyWriter) {
                out.write_int(*self);
            }

            fn parse(text: &str) -> Option<Self> {
                canonical(text, text.parse().ok()?)
            }
        }

        impl KeyArgument for NonZero<$int> {
            type Parsed = Self;
            const CLASS: ArgumentClass = ArgumentClass::$class.without_zero();

            #[inline]
            fn write(&self, out: &mut KeyWriter) {
                out.write_int(self.get());
            }

            fn parse(text: &str) -> Option<Self> {
                Self::new(<$int>::parse(text)?)
            }
        }
    )+)+};
}

// `usize` and `isize` always count as 64 bits wide: a declaration means the same on every machine.
integers! {
    U8: u8;
    U16: u16;
    U32: u32;
    U64: u64, usize;
    U128: u128;
    I8: i8;
    I16: i16;
    I32: i32;
    I64: i64, isize;
    I128: i128;
}

/// Rejects `007` and `+7`, which `FromStr` accepts: two keys must not parse to the same value.
fn canonical<I: itoa::Integer + Copy>(text: &str, integer: I) -> Option<I> {
    (itoa::Buffer::new().format(integer) == text).then_some(integer)
}

impl KeyArgument for bool {
    type Parsed = Self;
    const CLASS: ArgumentClass = ArgumentClass::BOOL;

    fn write(&self, out: &mut KeyWriter) {
        out.verbatim(if *self { "true" } else { "false" });
    }

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl KeyArgument for char {
    type Parsed = Self;
    const CLASS: ArgumentClass = ArgumentClass::CHAR;

    fn write(&self, out: &mut KeyWriter) {
        out.write_str(self.encode_utf8(&mut [0; 4]));
    }

    fn parse(text: &str) -> Option<Self> {
        let text = escape::unescape(text)?;
        let mut chars = text.chars();
        chars.next().filter(|_| chars.next().is_none())
    }
}

impl KeyArgument for str {
    type Parsed = String;

    #[inline]
    fn write(&self, out: &mut KeyWriter) {
        out.write_str(self);
    }

    fn parse(text: &str) -> Option<String> {
        escape::unescape(text).map(Cow::into_owned)
    }
}

impl KeyArgument for String {
    type Parsed = Self;

    #[inline]
    fn write(&self, out: &mut KeyWriter) {
        out.write_str(self);
    }

    fn parse(text: &str) -> Option<Self> {
        str::parse_key(text)
    }
}

/// Avoids a clash with the inherent `str::parse`.
trait ParseKey {
    fn parse_key(text: &str) -> Option<String>;
}

impl ParseKey for str {
    fn parse_key(text: &str) -> Option<String> {
        <Self as KeyArgument>::parse(text)
    }
}

macro_rules! by_reference {
    ($($pointer:ty),+ $(,)?) => {$(
        impl<T: KeyArgument + ?Sized> KeyArgument for $pointer {
            type Parsed = T::Parsed;
            const CLASS: ArgumentClass = T::CLASS;

            #[inline]
            fn write(&self, out: &mut KeyWriter) {
                (**self).write(out);
            }

            fn parse(text: &str) -> Option<Self::Parsed> {
                T::parse(text)
            }
        }
    )+};
}

by_reference!(&T, &mut T, Box<T>, Rc<T>, Arc<T>);

impl<T: KeyArgument + ToOwned + ?Sized> KeyArgument for Cow<'_, T> {
    type Parsed = T::Parsed;
    const CLASS: ArgumentClass = T::CLASS;

    fn write(&self, out: &mut KeyWriter) {
        (**self).write(out);
    }

    fn parse(text: &str) -> Option<Self::Parsed> {
        T::parse(text)
    }
}

macro_rules! addresses {
    ($($address:ty: $class:expr),+ $(,)?) => {$(
        /// Colons are escaped, as in every argument, so an IPv6 address is never mistaken for
        /// segments.
        impl KeyArgument for $address {
            type Parsed = Self;
            const CLASS: ArgumentClass = $class;

            fn write(&self, out: &mut KeyWriter) {
                out.write_str(&self.to_string());
            }

            fn parse(text: &str) -> Option<Self> {
                let text = escape::unescape(text)?;
                let address: Self = text.parse().ok()?;
                (address.to_string() == text).then_some(address)
            }
        }
    )+};
}

addresses! {
    Ipv4Addr: ArgumentClass::V4,
    Ipv6Addr: ArgumentClass::V6,
    IpAddr: ArgumentClass::ADDRESS,
}

/// The class of exactly two digits per byte. Without bytes, the encoding of empty arguments is
/// used. Very long arrays exceed the lengths that a class can describe. In both cases, the class is
/// only `TEXT`.
#[expect(clippy::cast_possible_truncation, reason = "checked right before; `try_from` is not const")]
const fn hex_class(bytes: usize) -> ArgumentClass {
    match bytes.checked_mul(2) {
        Some(digits @ 1..0xffff) => ArgumentClass::alphabet("0123456789abcdef", digits as u16, digits as u16),
        _ => ArgumentClass::TEXT,
    }
}

/// Written as lower-case hex, two digits per byte. For digests and binary ids.
impl<const N: usize> KeyArgument for [u8; N] {
    type Parsed = Self;
    const CLASS: ArgumentClass = hex_class(N);

    fn write(&self, out: &mut KeyWriter) {
        if N == 0 {
            out.verbatim(escape::EMPTY);
        }
        for byte in self {
            let digits = [byte >> 4, byte & 15].map(|nibble| char::from_digit(nibble.into(), 16));
            for digit in digits.into_iter().flatten() {
                out.verbatim(digit.encode_utf8(&mut [0; 4]));
            }
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; N];
        if N == 0 {
            return (text == escape::EMPTY).then_some(bytes);
        }
        let lower_hex = text.bytes().all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit));
        if !lower_hex || text.len() != N * 2 {
            return None;
        }
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(index * 2..index * 2 + 2)?, 16).ok()?;
        }
        Some(bytes)
    }
}

#[cfg(feature = "uuid")]
impl KeyArgument for uuid::Uuid {
    type Parsed = Self;
    const CLASS: ArgumentClass = ArgumentClass::shape("xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");

    fn write(&self, out: &mut KeyWriter) {
        out.verbatim(self.hyphenated().encode_lower(&mut Self::encode_buffer()));
    }

    fn parse(text: &str) -> Option<Self> {
        let uuid = Self::try_parse(text).ok()?;
        (*uuid.hyphenated().encode_lower(&mut Self::encode_buffer()) == *text).then_some(uuid)
    }
}

/// An argument that is written verbatim, for keys that another system owns.
///
/// A `Raw` argument is not escaped: it can contain separators, globs and braces. The checks treat
/// it as "anything", so only the end of a template can have one.
///
/// It must not contain a marker of the library's own keys; otherwise one key could be the lease,
/// fencing token or group member of another. The markers are `%fill`, `%fence` and `%payload` at
/// the end or before a `{`; `%swept:`; and `%g` with 16 lower-case hex digits at the end or before
/// a `%`. A key with a marker can be created and printed, but every operation on it fails with
/// [`InvalidInput`](crate::ErrorKind::InvalidInput), and nothing is sent.
/// [`parse`](crate::Keyspace::parse) rejects it, and scans skip it. Use
/// [`redis.raw`](crate::Redis::raw) for an existing key with such a name.
///
/// ```
/// use redis_keyspace::{Keyspace, Raw, Text};
///
/// #[derive(Keyspace)]
/// #[keyspace(prefix = "legacy", ttl = none)]
/// pub struct LegacyKeys {
///     #[key("{path}")]
///     entry: fn(path: Raw<&str>) -> Text,
/// }
///
/// assert_eq!(LegacyKeys::entry(Raw("a:b")).to_string(), "legacy:a:b");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Raw<T>(pub T);

impl<T: AsRef<str>> KeyArgument for Raw<T> {
    type Parsed = Raw<String>;
    const CLASS: ArgumentClass = ArgumentClass::RAW;

    fn write(&self, out: &mut KeyWriter) {
        out.raw(self.0.as_ref());
    }

    fn parse(text: &str) -> Option<Raw<String>> {
        reserved_text(text).is_none().then(|| Raw(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes an argument and checks that its class contains exactly that text.
    fn written<A: KeyArgument + std::fmt::Debug>(argument: &A) -> String {
        let mut writer = KeyWriter::new();
        argument.write(&mut writer);
        let text = writer.finish().as_str().to_owned();
        assert_eq!(A::CLASS.run(text.as_bytes()), Some(text.len()), "{argument:?} as {text}");
        text
    }

    #[test]
    fn addresses_belong_to_their_class() {
        for (address, text) in [
            ("0.0.0.0", "0.0.0.0"),
            ("255.255.255.255", "255.255.255.255"),
            ("::", "%3A%3A"),
            ("::1", "%3A%3A1"),
            ("::ffff:255.255.255.255", "%3A%3Affff%3A255.255.255.255"),
            (
                "1234:5678:9abc:def0:1234:5678:9abc:def0",
                "1234%3A5678%3A9abc%3Adef0%3A1234%3A5678%3A9abc%3Adef0",
            ),
        ] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(written(&address), text);
            match address {
                IpAddr::V4(address) => assert_eq!(written(&address), text),
                IpAddr::V6(address) => assert_eq!(written(&address), text),
            }
        }
    }

    #[test]
    fn addresses_end_before_bytes_that_they_do_not_contain() {
        assert!(Ipv4Addr::CLASS.ends_before(b'-') && Ipv4Addr::CLASS.ends_before(b'/'));
        assert!(!Ipv4Addr::CLASS.ends_before(b'.') && !Ipv4Addr::CLASS.ends_before(b'0'));
        for class in [Ipv6Addr::CLASS, IpAddr::CLASS] {
            assert!(class.ends_before(b'-') && class.ends_before(b'/') && class.ends_before(b'x'));
            assert!(!class.ends_before(b'%') && !class.ends_before(b'7') && !class.ends_before(b'.'));
        }
    }

    #[test]
    fn bytes_belong_to_their_class() {
        assert_eq!(written(&[0x00, 0x9a, 0xff]), "009aff");
        assert_eq!(written(&[7; 32_767]).len(), 65_534);
        // Longer than a class can describe.
        assert_eq!(written(&[7; 32_768]).len(), 65_536);
        assert_eq!(<[u8; 32_768]>::CLASS, ArgumentClass::TEXT);
        // Empty: the encoding contains characters that hex does not have.
        assert_eq!(written(&[0; 0]), escape::EMPTY);
        assert_eq!(<[u8; 0]>::CLASS, ArgumentClass::TEXT);
    }

    #[test]
    fn bytes_end_after_their_digits() {
        assert!(<[u8; 16]>::CLASS.ends_before(b'-') && <[u8; 16]>::CLASS.ends_before(b'g'));
        // The number of digits is fixed, so even another digit is not part of them.
        assert!(<[u8; 16]>::CLASS.ends_before(b'f') && <[u8; 16]>::CLASS.ends_before(b'0'));
        assert_eq!(<[u8; 2]>::CLASS.run(b"00ff00"), Some(4));
        assert_eq!(<[u8; 2]>::CLASS.run(b"00f-"), None);
    }
}
