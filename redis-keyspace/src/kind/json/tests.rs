//! Tests the encoder against `serde_json`: the output must be the same, and every output must be
//! readable.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Serialize, Serializer};

use super::Json;
use crate::kind::{EncodeError, SingleValue};

fn encoded<T: Serialize + DeserializeOwned + Send + 'static>(value: &T) -> Result<Vec<u8>, EncodeError> {
    let mut out = b"before".to_vec();
    Json::<T>::encode(value, &mut out)?;
    assert!(out.starts_with(b"before"));
    Ok(out.split_off(6))
}

/// Asserts that the value reads back as itself, and that `serde_json` writes the same output.
#[track_caller]
fn round_trip<T: Serialize + DeserializeOwned + Send + PartialEq + Debug + 'static>(value: &T) {
    let json = encoded(value).unwrap();
    assert_eq!(String::from_utf8_lossy(&json), serde_json::to_string(value).unwrap());
    assert_eq!(&Json::<T>::decode(&json).unwrap(), value);
}

#[track_caller]
fn refused<T: Serialize + DeserializeOwned + Send + 'static>(value: &T, words: &[&str]) {
    let error = encoded(value).unwrap_err().to_string();
    for words in words {
        assert!(error.contains(words), "{error}");
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Newtype(f32);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Pair(i64, String);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum External {
    Unit,
    Newtype(Newtype),
    Tuple(u64, char),
    Struct { float: f64, none: Option<u8> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Internal {
    Unit,
    Struct { number: i32, text: String },
    Newtype(Flat),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t", content = "c", rename_all = "kebab-case")]
enum Adjacent {
    NoData,
    OneValue(Vec<f64>),
    TwoValues(bool, Option<i8>),
    NamedValue { wide: u64 },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(i64),
    Text(String),
    Object { only: bool },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Flat {
    named: u8,
    #[serde(flatten)]
    others: BTreeMap<String, f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
enum Name {
    First,
    Second,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Everything {
    unit: Unit,
    pair: Pair,
    external: Vec<External>,
    internal: Option<Internal>,
    adjacent: (Adjacent, Untagged),
    by_number: BTreeMap<i64, f64>,
    by_char: BTreeMap<char, Option<bool>>,
    by_name: HashMap<Name, [u8; 3]>,
    by_truth: BTreeMap<bool, ()>,
    by_text: HashMap<String, Vec<String>>,
    wide: u128,
    low: i128,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    skipped: Option<String>,
    #[serde(rename = "a \"name\" \n to escape")]
    renamed: u16,
}

fn finite() -> impl Strategy<Value = f64> {
    use proptest::num::f64 as kinds;
    kinds::NORMAL | kinds::SUBNORMAL | kinds::ZERO | kinds::POSITIVE | kinds::NEGATIVE
}

fn finite_f32() -> impl Strategy<Value = f32> {
    use proptest::num::f32 as kinds;
    kinds::NORMAL | kinds::SUBNORMAL | kinds::ZERO | kinds::POSITIVE | kinds::NEGATIVE
}

fn flat() -> impl Strategy<Value = Flat> {
    let others = prop::collection::btree_map("[a-m]{0,3}", finite(), 0..6);
    (any::<u8>(), others).prop_map(|(named, others)| Flat { named, others })
}

fn external() -> impl Strategy<Value = External> {
    prop_oneof![
        Just(External::Unit),
        finite_f32().prop_map(|float| External::Newtype(Newtype(float))),
        any::<(u64, char)>().prop_map(|(number, letter)| External::Tuple(number, letter)),
        (finite(), any::<Option<u8>>()).prop_map(|(float, none)| External::Struct { float, none }),
    ]
}

fn internal() -> impl Strategy<Value = Internal> {
    prop_oneof![
        Just(Internal::Unit),
        any::<(i32, String)>().prop_map(|(number, text)| Internal::Struct { number, text }),
        flat().prop_map(Internal::Newtype),
    ]
}

fn adjacent() -> impl Strategy<Value = Adjacent> {
    prop_oneof![
        Just(Adjacent::NoData),
        prop::collection::vec(finite(), 0..5).prop_map(Adjacent::OneValue),
        any::<(bool, Option<i8>)>().prop_map(|(truth, small)| Adjacent::TwoValues(truth, small)),
        any::<u64>().prop_map(|wide| Adjacent::NamedValue { wide }),
    ]
}

fn untagged() -> impl Strategy<Value = Untagged> {
    prop_oneof![
        any::<i64>().prop_map(Untagged::Number),
        any::<String>().prop_map(Untagged::Text),
        any::<bool>().prop_map(|only| Untagged::Object { only }),
    ]
}

fn everything() -> impl Strategy<Value = Everything> {
    let maps = (
        prop::collection::btree_map(any::<i64>(), finite(), 0..40),
        prop::collection::btree_map(any::<char>(), any::<Option<bool>>(), 0..5),
        prop::collection::hash_map(
            prop_oneof![Just(Name::First), Just(Name::Second)],
            any::<[u8; 3]>(),
            0..3,
        ),
        prop::collection::btree_map(any::<bool>(), Just(()), 0..3),
        prop::collection::hash_map(any::<String>(), prop::collection::vec(any::<String>(), 0..3), 0..40),
    );
    let enums =
        (prop::collection::vec(external(), 0..5), prop::option::of(internal()), adjacent(), untagged());
    let rest = (any::<(i64, String)>(), any::<u128>(), any::<i128>(), any::<Option<String>>(), any::<u16>());
    (maps, enums, rest).prop_map(|(maps, enums, (pair, wide, low, skipped, renamed))| Everything {
        unit: Unit,
        pair: Pair(pair.0, pair.1),
        external: enums.0,
        internal: enums.1,
        adjacent: (enums.2, enums.3),
        by_number: maps.0,
        by_char: maps.1,
        by_name: maps.2,
        by_truth: maps.3,
        by_text: maps.4,
        wide,
        low,
        skipped,
        renamed,
    })
}

proptest! {
    #[test]
    fn every_shape_reads_back_unchanged(value in everything()) {
        round_trip(&value);
    }

    #[test]
    fn every_float_reads_back_exactly(bits in any::<u64>(), few in any::<u32>()) {
        let (wide, narrow) = (f64::from_bits(bits), f32::from_bits(few));
        if wide.is_finite() {
            let json = encoded(&wide).unwrap();
            prop_assert_eq!(Json::<f64>::decode(&json).unwrap().to_bits(), bits);
        } else {
            prop_assert!(encoded(&wide).is_err());
        }
        if narrow.is_finite() {
            let json = encoded(&narrow).unwrap();
            prop_assert_eq!(Json::<f32>::decode(&json).unwrap().to_bits(), few);
        } else {
            prop_assert!(encoded(&narrow).is_err());
        }
    }

    /// No output exceeds its limit.
    #[test]
    fn a_limit_is_exact(value in everything(), cut in 0.0..1.2_f64) {
        let whole = encoded(&value).unwrap();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let most = (whole.len() as f64 * cut) as usize;
        for most in [most, whole.len(), whole.len() - 1] {
            let mut out = b"before".to_vec();
            let outcome = Json::<Everything>::encode_within(&value, most, &mut out);
            prop_assert_eq!(outcome.is_ok(), whole.len() <= most);
        }
    }
}

#[test]
fn numbers_that_json_lacks_are_rejected() {
    #[derive(Serialize, Deserialize)]
    struct Order {
        items: Vec<Item>,
        by_name: BTreeMap<String, f32>,
    }
    #[derive(Serialize, Deserialize)]
    struct Item {
        price: Option<f64>,
    }
    let order = |price, weight| Order {
        items: vec![Item { price: Some(1.0) }, Item { price: Some(price) }],
        by_name: BTreeMap::from([("secret".to_owned(), weight)]),
    };
    assert!(encoded(&order(-0.0, f32::MIN_POSITIVE)).is_ok());
    refused(&order(f64::NAN, 1.0), &["NaN", "`.items[1].price`"]);
    refused(&order(f64::NEG_INFINITY, 1.0), &["infinite", "`.items[1].price`"]);
    refused(&order(1.0, f32::INFINITY), &["infinite", "`.by_name[..]`"]);
    refused(&f64::NAN, &["NaN"]);
    let map = Pairs(vec![(f64::NAN, 1_u8)]);
    assert!(encoder_refuses(&map).contains("NaN"));
}

/// A map of any pairs.
struct Pairs<K, V>(Vec<(K, V)>);

impl<K: Serialize, V: Serialize> Serialize for Pairs<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

#[track_caller]
fn encoder_refuses<T: Serialize>(value: &T) -> String {
    let mut out = Vec::new();
    super::encoder::encode(value, usize::MAX, &mut out).unwrap_err().to_string()
}

/// Arrays, objects, variants or structs that nest to this depth.
struct Nested(u32, u8);

impl Serialize for Nested {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(depth, kind) = *self;
        if depth == 0 {
            return serializer.serialize_u8(7);
        }
        let inner = Self(depth - 1, kind);
        match kind {
            0 => {
                let mut array = serializer.serialize_seq(None)?;
                array.serialize_element(&inner)?;
                array.end()
            }
            1 => {
                let mut map = serializer.serialize_map(None)?;
                map.serialize_entry("in", &inner)?;
                map.end()
            }
            _ => serializer.serialize_newtype_variant("Nested", 0, "in", &inner),
        }
    }
}

/// Accepts any nesting. The type is recursive.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Any {
    Leaf(u8),
    #[allow(dead_code, reason = "only deserialized")]
    Array(Vec<Any>),
    #[allow(dead_code, reason = "only deserialized")]
    Object(HashMap<String, Any>),
}

#[test]
fn nesting_is_accepted_to_the_depth_that_can_be_read() {
    for kind in [0, 1, 2] {
        for depth in [0, 1, 64, 126, 127, 128, 129, 500, 100_000] {
            let mut out = Vec::new();
            let accepted = super::encoder::encode(&Nested(depth, kind), usize::MAX, &mut out);
            if depth <= 127 {
                accepted.unwrap();
                serde_json::from_slice::<serde_json::Value>(&out).unwrap();
                serde_json::from_slice::<Any>(&out).unwrap();
            } else {
                let error = accepted.unwrap_err().to_string();
                assert!(error.contains("127 levels") && error.len() < 300, "{error}");
            }
        }
    }
    let too_deep = serde_json::to_vec(&Nested(128, 0)).unwrap();
    assert!(serde_json::from_slice::<serde_json::Value>(&too_deep).is_err());
}

#[test]
fn keys_that_are_not_strings_are_rejected() {
    assert!(encoder_refuses(&Pairs(vec![((1, 2), 3)])).contains("a key of a map is an array"));
    assert!(encoder_refuses(&Pairs(vec![((), 3)])).contains("is null"));
    assert!(encoder_refuses(&Pairs(vec![(None::<u8>, 3)])).contains("is null"));
    assert!(encoder_refuses(&Pairs(vec![(External::Tuple(1, 'a'), 3)])).contains("variant with data"));
    assert!(
        encoder_refuses(&Pairs(vec![(Flat { named: 1, others: BTreeMap::new() }, 3)])).contains("an object")
    );
    round_trip(&BTreeMap::from([(Some(1), 2), (Some(-1), 3)]));
    round_trip(&BTreeMap::from([(String::new(), 2), ("\"\u{0}\u{7f}\u{1f600}".to_owned(), 3)]));
}

#[test]
fn a_duplicate_key_is_rejected() {
    assert!(encoder_refuses(&Pairs(vec![("a", 1), ("b", 2), ("a", 3)])).contains("written twice"));
    // Distinct keys, but the same string.
    assert!(encoder_refuses(&Pairs(vec![(Some("1"), 1), (Some("1"), 2)])).contains("written twice"));
    // A key of a flattened map equals the name of a field: reading fails.
    let clash = Flat { named: 1, others: BTreeMap::from([("named".to_owned(), 1.0)]) };
    let json = serde_json::to_vec(&clash).unwrap();
    assert!(Json::<Flat>::decode(&json).is_err());
    refused(&clash, &["written twice", "flattened"]);
    // The tag equals the name of a field of the variant: reading fails, too.
    #[derive(Serialize, Deserialize)]
    #[serde(tag = "type")]
    enum Event {
        Moved(Move),
    }
    #[derive(Serialize, Deserialize)]
    struct Move {
        r#type: String,
    }
    let clash = Event::Moved(Move { r#type: "slow".to_owned() });
    assert!(Json::<Event>::decode(&serde_json::to_vec(&clash).unwrap()).is_err());
    refused(&clash, &["the field `type` is written twice", "`tag`"]);
    // Two objects may have the same key.
    round_trip(&vec![BTreeMap::from([("a".to_owned(), BTreeMap::from([("a".to_owned(), 1)]))]); 3]);
}

#[test]
fn broken_implementations_are_rejected() {
    struct Broken(bool);
    impl Serialize for Broken {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(None)?;
            if self.0 {
                map.serialize_key("a")?;
                map.serialize_key("b")?;
            } else {
                map.serialize_key("a")?;
            }
            map.end()
        }
    }
    for both in [true, false] {
        assert!(encoder_refuses(&Broken(both)).contains("a key without a value"));
    }
}

/// Encoding stops at the limit, even for an endless value.
#[test]
fn encoding_stops_at_the_limit() {
    struct Endless<'c>(&'c std::cell::Cell<u64>);
    impl Serialize for Endless<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq(std::iter::repeat_with(|| {
                self.0.set(self.0.get() + 1);
                "0123456789"
            }))
        }
    }
    let count = std::cell::Cell::new(0);
    let mut out = Vec::new();
    let error = super::encoder::encode(&Endless(&count), 1000, &mut out).unwrap_err();
    assert_eq!(error.into_error(), EncodeError::too_large(1000));
    assert!(count.get() < 100 && out.len() < 1100, "{} {}", count.get(), out.len());
    // Strings and bytes over the limit are not written at all.
    let mut out = Vec::new();
    let text = "x".repeat(1 << 20);
    assert!(super::encoder::encode(&text, 1000, &mut out).is_err() && out.is_empty());
    struct Shown;
    impl Serialize for Shown {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(&"x".repeat(1 << 20))
        }
    }
    let error = super::encoder::encode(&Shown, 1000, &mut out).unwrap_err();
    assert_eq!(error.into_error(), EncodeError::too_large(1000));
    // A `Display` is stopped on the way.
    struct Long<'c>(&'c std::cell::Cell<u64>);
    impl std::fmt::Display for Long<'_> {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            (0..100_000).try_for_each(|_| {
                self.0.set(self.0.get() + 1);
                f.write_str("0123456789")
            })
        }
    }
    impl Serialize for Long<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(self)
        }
    }
    count.set(0);
    assert!(super::encoder::encode(&Long(&count), 1000, &mut out).is_err());
    assert!(count.get() < 200, "{}", count.get());
}

#[test]
fn any_json_is_written_as_by_serde_json() {
    for text in [
        r#"{"b":[1,-2,3.5,1e300,null,true,"x\u0001\n\"\\/"],"a":{"":{}},"c":[[],[[]]],"big":18446744073709551615}"#,
        r#"[0.1,-0.0,5e-324,1.7976931348623157e308]"#,
        r#""alone""#,
    ] {
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        round_trip(&value);
    }
}
