//! A JSON encoder that fails if no reader could decode the result.
//!
//! Its output is the same as that of `serde_json`, which formats the strings and floats. The
//! differences: numbers that JSON does not have are an error instead of `null`. Nesting that the
//! decoder rejects and keys that occur twice are errors, too. Encoding stops when the output
//! exceeds its limit.

use std::fmt::Display;

use serde::ser::{Serialize, Serializer};

use super::compound::{Elements, Entries, Fields};
use super::output::Encoder;
use super::problem::{JsonProblem, JsonStep};
use super::unique::ObjectKeys;

/// The names under which `serde_json` serializes values that are already JSON text.
const RAW: [&str; 2] = ["$serde_json::private::RawValue", "$serde_json::private::Number"];

/// Appends the JSON of a value, which must not be longer than `most` bytes.
pub(super) fn encode<T: Serialize + ?Sized>(
    value: &T,
    most: usize,
    out: &mut Vec<u8>,
) -> Result<(), JsonProblem> {
    let mut encoder = Encoder::new(most, out);
    value.serialize(&mut encoder)?;
    encoder.check_length()
}

macro_rules! integers {
    ($($method:ident($int:ty)),+) => {$(
        #[inline]
        fn $method(self, number: $int) -> Result<(), JsonProblem> {
            self.integer(number);
            Ok(())
        }
    )+};
}

impl<'e, 'o> Serializer for &'e mut Encoder<'o> {
    type Ok = ();
    type Error = JsonProblem;
    type SerializeSeq = Elements<'e, 'o>;
    type SerializeTuple = Elements<'e, 'o>;
    type SerializeTupleStruct = Elements<'e, 'o>;
    type SerializeTupleVariant = Elements<'e, 'o>;
    type SerializeMap = Entries<'e, 'o>;
    type SerializeStruct = Fields<'e, 'o>;
    type SerializeStructVariant = Fields<'e, 'o>;

    for_integers!(integers);

    fn serialize_bool(self, value: bool) -> Result<(), JsonProblem> {
        self.push(if value { b"true" } else { b"false" });
        Ok(())
    }

    fn serialize_f32(self, number: f32) -> Result<(), JsonProblem> {
        self.f32(number)
    }

    fn serialize_f64(self, number: f64) -> Result<(), JsonProblem> {
        self.f64(number)
    }

    fn serialize_char(self, value: char) -> Result<(), JsonProblem> {
        self.string(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, text: &str) -> Result<(), JsonProblem> {
        self.string(text)
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), JsonProblem> {
        self.displayed(value)
    }

    /// Writes an array of numbers, as `serde_json` does.
    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), JsonProblem> {
        self.check_room(bytes.len())?;
        self.open(b'[')?;
        for (index, byte) in bytes.iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.integer(*byte);
        }
        self.close(b']');
        Ok(())
    }

    fn serialize_none(self) -> Result<(), JsonProblem> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), JsonProblem> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), JsonProblem> {
        self.push(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), JsonProblem> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<(), JsonProblem> {
        self.string(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), JsonProblem> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), JsonProblem> {
        self.open_variant(variant)?;
        value.serialize(&mut *self).map_err(|problem| problem.within(JsonStep::Name(variant)))?;
        self.close(b'}');
        Ok(())
    }

    fn serialize_seq(self, _length: Option<usize>) -> Result<Elements<'e, 'o>, JsonProblem> {
        self.open(b'[')?;
        Ok(Elements::new(self, false))
    }

    fn serialize_tuple(self, length: usize) -> Result<Elements<'e, 'o>, JsonProblem> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        length: usize,
    ) -> Result<Elements<'e, 'o>, JsonProblem> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Elements<'e, 'o>, JsonProblem> {
        self.open_variant(variant)?;
        self.open(b'[')?;
        Ok(Elements::new(self, true))
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<Entries<'e, 'o>, JsonProblem> {
        self.open(b'{')?;
        let seen = ObjectKeys::of_map(&self.keys);
        Ok(Entries::new(self, seen))
    }

    fn serialize_struct(self, name: &'static str, _length: usize) -> Result<Fields<'e, 'o>, JsonProblem> {
        if RAW.contains(&name) {
            return Ok(Fields::raw(self));
        }
        self.open(b'{')?;
        let seen = ObjectKeys::of_struct(&self.keys);
        Ok(Fields::of(Entries::new(self, seen), false))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Fields<'e, 'o>, JsonProblem> {
        self.open_variant(variant)?;
        self.open(b'{')?;
        let seen = ObjectKeys::of_struct(&self.keys);
        Ok(Fields::of(Entries::new(self, seen), true))
    }
}
