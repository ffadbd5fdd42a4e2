//! Map keys, which JSON writes as strings, and values that are already JSON text.

use std::fmt::Display;

use serde::ser::{Impossible, Serialize, Serializer};

use super::output::Encoder;
use super::problem::JsonProblem;

/// Writes a map key: a string, or a number, a character or a `bool` in quotes. All of these can be
/// read back.
pub(super) struct MapKey<'e, 'o>(pub(super) &'e mut Encoder<'o>);

/// Writes a value that is already JSON text.
pub(super) struct RawText<'e, 'o>(pub(super) &'e mut Encoder<'o>);

fn no_key(what: &str) -> JsonProblem {
    JsonProblem::new(format!(
        "a key of a map is {what}, but JSON keys are strings; store a list of pairs, or serialize the key as a string"
    ))
}

fn no_text() -> JsonProblem {
    JsonProblem::new("a raw JSON value did not serialize as a string")
}

macro_rules! quoted {
    ($($method:ident($int:ty)),+) => {$(
        fn $method(self, number: $int) -> Result<(), JsonProblem> {
            self.0.out.push(b'"');
            self.0.integer(number);
            self.0.out.push(b'"');
            Ok(())
        }
    )+};
}

/// Expands to methods of a serializer that always fail.
macro_rules! refused {
    ($refusal:expr; $($method:ident($($argument:ty),*)),+ $(,)?) => {$(
        fn $method(self, $(_: $argument),*) -> Result<Self::Ok, JsonProblem> {
            Err($refusal)
        }
    )+};
}

/// Expands to the methods for arrays, objects and variants with data, which always fail.
macro_rules! refused_compounds {
    ($array:expr, $object:expr, $variant:expr) => {
        type Ok = ();
        type Error = JsonProblem;
        type SerializeSeq = Impossible<(), JsonProblem>;
        type SerializeTuple = Impossible<(), JsonProblem>;
        type SerializeTupleStruct = Impossible<(), JsonProblem>;
        type SerializeTupleVariant = Impossible<(), JsonProblem>;
        type SerializeMap = Impossible<(), JsonProblem>;
        type SerializeStruct = Impossible<(), JsonProblem>;
        type SerializeStructVariant = Impossible<(), JsonProblem>;

        fn serialize_newtype_variant<T: Serialize + ?Sized>(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
            _: &T,
        ) -> Result<(), JsonProblem> {
            Err($variant)
        }

        fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, JsonProblem> {
            Err($array)
        }

        fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, JsonProblem> {
            Err($array)
        }

        fn serialize_tuple_struct(
            self,
            _: &'static str,
            _: usize,
        ) -> Result<Self::SerializeTupleStruct, JsonProblem> {
            Err($array)
        }

        fn serialize_tuple_variant(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
            _: usize,
        ) -> Result<Self::SerializeTupleVariant, JsonProblem> {
            Err($variant)
        }

        fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, JsonProblem> {
            Err($object)
        }

        fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeStruct, JsonProblem> {
            Err($object)
        }

        fn serialize_struct_variant(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
            _: usize,
        ) -> Result<Self::SerializeStructVariant, JsonProblem> {
            Err($variant)
        }
    };
}

impl Serializer for MapKey<'_, '_> {
    refused_compounds!(no_key("an array"), no_key("an object"), no_key("a variant with data"));
    refused!(no_key("null"); serialize_none(), serialize_unit(), serialize_unit_struct(&'static str));
    refused!(no_key("bytes"); serialize_bytes(&[u8]));
    for_integers!(quoted);

    fn serialize_bool(self, value: bool) -> Result<(), JsonProblem> {
        self.0.push(if value { b"\"true\"" } else { b"\"false\"" });
        Ok(())
    }

    fn serialize_f32(self, number: f32) -> Result<(), JsonProblem> {
        self.0.out.push(b'"');
        self.0.f32(number)?;
        self.0.out.push(b'"');
        Ok(())
    }

    fn serialize_f64(self, number: f64) -> Result<(), JsonProblem> {
        self.0.out.push(b'"');
        self.0.f64(number)?;
        self.0.out.push(b'"');
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), JsonProblem> {
        self.0.string(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, text: &str) -> Result<(), JsonProblem> {
        self.0.string(text)
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), JsonProblem> {
        self.0.displayed(value)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), JsonProblem> {
        value.serialize(self)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), JsonProblem> {
        self.0.string(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), JsonProblem> {
        value.serialize(self)
    }
}

impl Serializer for RawText<'_, '_> {
    refused_compounds!(no_text(), no_text(), no_text());
    refused!(
        no_text();
        serialize_none(),
        serialize_unit(),
        serialize_unit_struct(&'static str),
        serialize_unit_variant(&'static str, u32, &'static str),
        serialize_bytes(&[u8]),
        serialize_bool(bool),
        serialize_char(char),
        serialize_i8(i8),
        serialize_i16(i16),
        serialize_i32(i32),
        serialize_i64(i64),
        serialize_u8(u8),
        serialize_u16(u16),
        serialize_u32(u32),
        serialize_u64(u64),
        serialize_f32(f32),
        serialize_f64(f64),
    );

    fn serialize_str(self, text: &str) -> Result<(), JsonProblem> {
        self.0.raw(text)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<(), JsonProblem> {
        Err(no_text())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: &T,
    ) -> Result<(), JsonProblem> {
        Err(no_text())
    }
}
