//! A keyspace with a template for each type of argument.

use std::net::IpAddr;
use std::num::NonZero;

use redis_keyspace::{KeyArgument, Keyspace, Raw, Text};

use crate::input::Input;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, KeyArgument)]
pub(crate) enum Device {
    Phone,
    #[key("desk-top")]
    Desktop,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, KeyArgument)]
pub(crate) struct Slug(String);

#[derive(Keyspace)]
#[keyspace(prefix = "f", ttl = "1h")]
pub(crate) struct Keys {
    text: fn(value: &str) -> Text,
    pair: fn(first: &str, second: &str) -> Text,
    #[key("{kind}:of:{id}", hash_tag = id)]
    tagged: fn(kind: u8, id: &str) -> Text,
    #[key("-{number}-{text}")]
    dashed: fn(number: i64, text: &str) -> Text,
    character: fn(value: char) -> Text,
    wide: fn(value: u128) -> Text,
    signed: fn(value: i8) -> Text,
    #[key("flag-{value}:{few}")]
    flag: fn(value: bool, few: NonZero<u16>) -> Text,
    address: fn(value: IpAddr) -> Text,
    digest: fn(value: [u8; 3]) -> Text,
    device: fn(value: Device, slug: Slug) -> Text,
    #[key("raw/{path}")]
    raw: fn(path: Raw<&str>) -> Text,
}

/// Reads the arguments of a template, in the form that parsing a key returns.
#[expect(clippy::cast_possible_truncation, reason = "any number is valid")]
pub(crate) fn arguments(input: &mut Input<'_>) -> ParsedKeys {
    match input.number() % 12 {
        0 => ParsedKeys::Text { value: input.text().into() },
        1 => ParsedKeys::Pair { first: input.text().into(), second: input.text().into() },
        2 => ParsedKeys::Tagged { kind: input.number() as u8, id: input.text().into() },
        3 => ParsedKeys::Dashed { number: input.number() as i64, text: input.text().into() },
        4 => ParsedKeys::Character { value: input.character() },
        5 => ParsedKeys::Wide { value: input.number() },
        6 => ParsedKeys::Signed { value: input.number() as i8 },
        7 => {
            let few = NonZero::new(input.number() as u16).unwrap_or(NonZero::<u16>::MIN);
            ParsedKeys::Flag { value: few.get().is_multiple_of(2), few }
        }
        8 => ParsedKeys::Address { value: input.address() },
        9 => ParsedKeys::Digest { value: [0, 1, 2].map(|_| input.number() as u8) },
        10 => {
            let device = if input.number().is_multiple_of(2) { Device::Phone } else { Device::Desktop };
            ParsedKeys::Device { value: device, slug: Slug(input.text().into()) }
        }
        _ => ParsedKeys::Raw { path: Raw(input.text().into()) },
    }
}

/// Builds the key of these arguments.
pub(crate) fn key(arguments: &ParsedKeys) -> String {
    let key = match arguments.clone() {
        ParsedKeys::Text { value } => Keys::text(&value),
        ParsedKeys::Pair { first, second } => Keys::pair(&first, &second),
        ParsedKeys::Tagged { kind, id } => Keys::tagged(kind, &id),
        ParsedKeys::Dashed { number, text } => Keys::dashed(number, &text),
        ParsedKeys::Character { value } => Keys::character(value),
        ParsedKeys::Wide { value } => Keys::wide(value),
        ParsedKeys::Signed { value } => Keys::signed(value),
        ParsedKeys::Flag { value, few } => Keys::flag(value, few),
        ParsedKeys::Address { value } => Keys::address(value),
        ParsedKeys::Digest { value } => Keys::digest(value),
        ParsedKeys::Device { value, slug } => Keys::device(value, slug),
        ParsedKeys::Raw { path } => Keys::raw(Raw(path.0.as_str())),
    };
    key.to_string()
}
