//! Strings, bytes, integers and booleans, in the format that other clients use.

use super::error::{DecodeError, EncodeError};
use super::traits::{Kind, SingleValue};

/// A UTF-8 string, stored unchanged. Read as `String`, written from `&str`.
///
/// ```
/// use redis_keyspace::{Keyspace, Redis, Text};
///
/// #[derive(Keyspace)]
/// #[keyspace(prefix = "page", ttl = "1d")]
/// struct PageKeys {
///     title: fn(id: u64) -> Text,
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
/// # Redis::embedded().scope(async {
/// let title = PageKeys::title(7);
/// title.set("A page").await?;
/// title.update(|title| title.push_str(" on Redis")).await?;
/// assert_eq!(title.get().await?.as_deref(), Some("A page on Redis"));
/// # Ok(()) }).await }
/// ```
///
/// # Operations
///
/// | | |
/// | --- | --- |
/// | read | [`get`], [`get_ex`], [`strlen`], [`get_many`] |
/// | write | [`set`], [`set_many`], [`get_set`], [`get_del`] |
/// | change atomically | [`update`], [`update_or_insert`], [`update_with`] |
/// | cached | [`get_or_set`], [`try_get_or_set`], [`get_or_set_optional`], [`try_get_or_set_optional`], [`get_or_set_many`], [`try_get_or_set_many`] |
///
/// [`get`]: crate::Key::get
/// [`get_ex`]: crate::Key::get_ex
/// [`strlen`]: crate::Key::strlen
/// [`get_many`]: crate::Key::get_many
/// [`set`]: crate::Key::set
/// [`set_many`]: crate::Key::set_many
/// [`get_set`]: crate::Key::get_set
/// [`get_del`]: crate::Key::get_del
/// [`update`]: crate::Key::update
/// [`update_or_insert`]: crate::Key::update_or_insert
/// [`update_with`]: crate::Key::update_with
/// [`get_or_set`]: crate::Key::get_or_set
/// [`try_get_or_set`]: crate::Key::try_get_or_set
/// [`get_or_set_optional`]: crate::Key::get_or_set_optional
/// [`try_get_or_set_optional`]: crate::Key::try_get_or_set_optional
/// [`get_or_set_many`]: crate::Key::get_or_set_many
/// [`try_get_or_set_many`]: crate::Key::try_get_or_set_many
#[derive(Debug)]
pub struct Text(());

impl Kind for Text {
    const WIRE_FORMAT: &'static str = "UTF-8 text";
}

impl SingleValue for Text {
    type Owned = String;
    type Borrowed = str;

    fn encode(value: &str, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.extend_from_slice(value.as_bytes());
        Ok(())
    }

    fn encode_within(value: &str, most: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        EncodeError::check(value.len(), most)?;
        Self::encode(value, out)
    }

    fn decode(bytes: &[u8]) -> Result<String, DecodeError> {
        std::str::from_utf8(bytes).map(str::to_owned).map_err(not_utf8)
    }

    fn decode_owned(bytes: bytes::Bytes) -> Result<String, DecodeError> {
        String::from_utf8(bytes.into()).map_err(|error| not_utf8(error.utf8_error()))
    }

    fn borrow(owned: &String) -> &str {
        owned
    }
}

fn not_utf8(error: std::str::Utf8Error) -> DecodeError {
    DecodeError::new(format!("not UTF-8 from byte {}", error.valid_up_to()))
}

/// Bytes, stored unchanged. Read as [`bytes::Bytes`], written from `&[u8]`.
///
/// ```
/// use redis_keyspace::{Bytes, Keyspace, Redis};
///
/// #[derive(Keyspace)]
/// #[keyspace(prefix = "image", ttl = "1d")]
/// struct ImageKeys {
///     thumbnail: fn(id: u64) -> Bytes,
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
/// # Redis::embedded().scope(async {
/// let thumbnail = ImageKeys::thumbnail(7);
/// thumbnail.set(&[0xff, 0xd8]).await?;
/// assert_eq!(thumbnail.append(&[0xff, 0xe0]).await?, 4);
/// assert_eq!(thumbnail.get_range(2..).await?, &[0xff, 0xe0][..]);
/// # Ok(()) }).await }
/// ```
///
/// # Operations
///
/// | | |
/// | --- | --- |
/// | read | [`get`], [`get_ex`], [`strlen`], [`get_many`] |
/// | write | [`set`], [`set_many`], [`get_set`], [`get_del`] |
/// | change atomically | [`update`], [`update_or_insert`], [`update_with`] |
/// | cached | [`get_or_set`], [`try_get_or_set`], [`get_or_set_optional`], [`try_get_or_set_optional`], [`get_or_set_many`], [`try_get_or_set_many`] |
/// | parts | [`get_range`], [`set_range`], [`append`] |
///
/// [`get`]: crate::Key::get
/// [`get_ex`]: crate::Key::get_ex
/// [`strlen`]: crate::Key::strlen
/// [`get_many`]: crate::Key::get_many
/// [`set`]: crate::Key::set
/// [`set_many`]: crate::Key::set_many
/// [`get_set`]: crate::Key::get_set
/// [`get_del`]: crate::Key::get_del
/// [`update`]: crate::Key::update
/// [`update_or_insert`]: crate::Key::update_or_insert
/// [`update_with`]: crate::Key::update_with
/// [`get_or_set`]: crate::Key::get_or_set
/// [`try_get_or_set`]: crate::Key::try_get_or_set
/// [`get_or_set_optional`]: crate::Key::get_or_set_optional
/// [`try_get_or_set_optional`]: crate::Key::try_get_or_set_optional
/// [`get_or_set_many`]: crate::Key::get_or_set_many
/// [`try_get_or_set_many`]: crate::Key::try_get_or_set_many
/// [`get_range`]: crate::Key::get_range
/// [`set_range`]: crate::Key::set_range
/// [`append`]: crate::Key::append
#[derive(Debug)]
pub struct Bytes(());

impl Kind for Bytes {
    const WIRE_FORMAT: &'static str = "bytes";
}

impl SingleValue for Bytes {
    type Owned = bytes::Bytes;
    type Borrowed = [u8];

    fn encode(value: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.extend_from_slice(value);
        Ok(())
    }

    fn encode_within(value: &[u8], most: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        EncodeError::check(value.len(), most)?;
        Self::encode(value, out)
    }

    fn decode(bytes: &[u8]) -> Result<bytes::Bytes, DecodeError> {
        Ok(bytes::Bytes::copy_from_slice(bytes))
    }

    fn decode_owned(bytes: bytes::Bytes) -> Result<bytes::Bytes, DecodeError> {
        Ok(bytes)
    }

    fn borrow(owned: &bytes::Bytes) -> &[u8] {
        owned
    }
}

macro_rules! integers {
    ($($int:ty),+) => {$(
        impl Kind for $int {
            const WIRE_FORMAT: &'static str = concat!("a decimal integer (", stringify!($int), ")");
        }

        impl SingleValue for $int {
            type Owned = $int;
            type Borrowed = $int;

            fn encode(value: &$int, out: &mut Vec<u8>) -> Result<(), EncodeError> {
                out.extend_from_slice(itoa::Buffer::new().format(*value).as_bytes());
                Ok(())
            }

            fn decode(bytes: &[u8]) -> Result<$int, DecodeError> {
                std::str::from_utf8(bytes)
                    .ok()
                    .and_then(|text| text.parse().ok())
                    .ok_or_else(|| DecodeError::new(concat!("not a decimal integer that fits ", stringify!($int))))
            }

            fn borrow(owned: &$int) -> &$int {
                owned
            }
        }
    )+};
}

integers!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize);

impl Kind for bool {
    const WIRE_FORMAT: &'static str = "1 or 0";
}

impl SingleValue for bool {
    type Owned = Self;
    type Borrowed = Self;

    fn encode(value: &Self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.push(if *value { b'1' } else { b'0' });
        Ok(())
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        match bytes {
            b"1" => Ok(true),
            b"0" => Ok(false),
            _ => Err(DecodeError::new("neither 1 nor 0")),
        }
    }

    fn of_nil() -> Option<Self> {
        // Lua returns `false` as nil.
        Some(false)
    }

    fn borrow(owned: &Self) -> &Self {
        owned
    }
}
