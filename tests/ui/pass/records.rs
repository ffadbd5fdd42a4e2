//! Everything that a record can say.

#![allow(dead_code)]

use redis_keyspace::kind::{DecodeError, EncodeError, Field, Kind, SingleValue};
use redis_keyspace::{Json, Keyspace, Record, Text};
use serde::{Deserialize, Serialize};

/// A point as `x,y`.
pub struct Point;

impl Kind for Point {
    const WIRE_FORMAT: &'static str = "x,y";
}

impl SingleValue for Point {
    type Owned = (i32, i32);
    type Borrowed = (i32, i32);

    fn encode((x, y): &(i32, i32), out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.extend_from_slice(format!("{x},{y}").as_bytes());
        Ok(())
    }

    fn decode(bytes: &[u8]) -> Result<(i32, i32), DecodeError> {
        let text = std::str::from_utf8(bytes).ok();
        let parts = text.and_then(|text| text.split_once(','));
        let parsed = parts.and_then(|(x, y)| Some((x.parse().ok()?, y.parse().ok()?)));
        parsed.ok_or_else(|| DecodeError::new("not of the form x,y"))
    }

    fn borrow(owned: &(i32, i32)) -> &(i32, i32) {
        owned
    }
}

#[derive(Serialize, Deserialize)]
pub struct Prefs(Vec<String>);

mod inner {
    #[derive(super::Record)]
    #[allow(non_camel_case_types)]
    #[record(rename_all = "kebab-case")]
    pub struct r#type {
        pub(super) first_name: String,
        pub(in super::inner) hidden: u8,
        r#match: Option<bool>,
    }

    pub const HIDDEN: redis_keyspace::kind::Field<r#type, u8> = r#type::HIDDEN;
}

#[derive(Record)]
pub struct Profile {
    pub text: String,
    bytes: redis_keyspace::bytes::Bytes,
    small: i8,
    large: u128,
    flag: bool,
    ratio: f64,
    id: redis_keyspace::Uuid,
    maybe: Option<f64>,
    #[record(json)]
    prefs: Prefs,
    #[record(json)]
    more: Option<Prefs>,
    #[record(kind = Point, rename = "p", alias = "position", alias = "pos")]
    point: (i32, i32),
    #[record(kind = Point)]
    other: Option<(i32, i32)>,
    #[record(default)]
    count: usize,
    #[record(default = Self::FIRST + 1, ttl = "1h")]
    next: i64,
    #[record(ttl = 60)]
    token: Option<String>,
    #[record(constant = FIRST_FIELD)]
    first: u64,
}

impl Profile {
    const FIRST: i64 = 1;
}

#[derive(Keyspace)]
#[keyspace(prefix = "user", ttl = "1h")]
struct ProfileKeys {
    profile: fn(id: u64) -> Record<Profile>,
    other: fn(id: u64) -> Record<inner::r#type>,
}

pub fn main() {
    let text: Field<Profile, Text> = Profile::TEXT;
    let more: Field<Profile, Option<Json<Prefs>>> = Profile::MORE;
    let _: Field<Profile, i64> = Profile::NEXT;
    let _: Field<Profile, Option<Point>> = Profile::OTHER;
    assert_eq!((text.name(), more.name(), Profile::POINT.name()), ("text", "more", "p"));
    assert_eq!(Profile::TOKEN.lifetime(), Some(std::time::Duration::from_secs(60)));
    assert_eq!(inner::r#type::FIRST_NAME.name(), "first-name");
    assert_eq!(inner::HIDDEN.name(), "hidden");
}
