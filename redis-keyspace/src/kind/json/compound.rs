//! Writes arrays and objects.

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};

use super::map_key::{MapKey, RawText};
use super::output::Encoder;
use super::problem::{JsonProblem, JsonStep};
use super::unique::ObjectKeys;

/// An array.
pub(super) struct Elements<'e, 'o> {
    encoder: &'e mut Encoder<'o>,
    count: usize,
    in_variant: bool,
}

impl<'e, 'o> Elements<'e, 'o> {
    pub(super) fn new(encoder: &'e mut Encoder<'o>, in_variant: bool) -> Self {
        Self { encoder, count: 0, in_variant }
    }

    #[inline]
    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), JsonProblem> {
        self.encoder.check_length()?;
        if self.count > 0 {
            self.encoder.out.push(b',');
        }
        let index = self.count;
        self.count += 1;
        value.serialize(&mut *self.encoder).map_err(|problem| problem.within(JsonStep::Index(index)))
    }

    fn close(self) {
        self.encoder.close(b']');
        if self.in_variant {
            self.encoder.close(b'}');
        }
    }
}

/// An object.
pub(super) struct Entries<'e, 'o> {
    encoder: &'e mut Encoder<'o>,
    seen: ObjectKeys,
    is_empty: bool,
    /// Whether a key was written without its value.
    needs_value: bool,
}

impl<'e, 'o> Entries<'e, 'o> {
    pub(super) fn new(encoder: &'e mut Encoder<'o>, seen: ObjectKeys) -> Self {
        Self { encoder, seen, is_empty: true, needs_value: false }
    }

    #[inline]
    fn key(
        &mut self,
        write: impl FnOnce(&mut Encoder<'o>) -> Result<(), JsonProblem>,
        twice: impl FnOnce() -> JsonProblem,
    ) -> Result<(), JsonProblem> {
        if self.needs_value {
            return Err(unpaired());
        }
        self.encoder.check_length()?;
        if !self.is_empty {
            self.encoder.out.push(b',');
        }
        self.is_empty = false;
        let start = self.encoder.out.len();
        write(self.encoder)?;
        let place = (start, self.encoder.out.len());
        let Encoder { out, keys, .. } = &mut *self.encoder;
        if !self.seen.add(out, keys, place) {
            return Err(twice());
        }
        self.encoder.out.push(b':');
        self.needs_value = true;
        Ok(())
    }

    /// Writes the name of a field.
    #[inline]
    fn name(&mut self, name: &'static str) -> Result<(), JsonProblem> {
        let is_first = std::mem::replace(&mut self.is_empty, false);
        let place = self.encoder.field(name, is_first)?;
        let Encoder { out, keys, .. } = &mut *self.encoder;
        if !self.seen.add_field(name, out, keys, place) {
            return Err(JsonProblem::new(format!(
                "the field `{name}` is written twice, so no reader accepts it: check `tag`, `rename` and `flatten`"
            )));
        }
        Ok(())
    }

    #[inline]
    fn value<T: Serialize + ?Sized>(&mut self, value: &T, step: JsonStep) -> Result<(), JsonProblem> {
        if !std::mem::replace(&mut self.needs_value, false) {
            return Err(unpaired());
        }
        value.serialize(&mut *self.encoder).map_err(|problem| problem.within(step))
    }

    fn close(self) -> Result<&'e mut Encoder<'o>, JsonProblem> {
        if self.needs_value {
            return Err(unpaired());
        }
        self.seen.close(&mut self.encoder.keys);
        self.encoder.close(b'}');
        Ok(self.encoder)
    }
}

fn unpaired() -> JsonProblem {
    JsonProblem::new("the `Serialize` implementation writes a key without a value, or a value without a key")
}

/// The fields of a struct.
pub(super) enum Fields<'e, 'o> {
    Object {
        entries: Entries<'e, 'o>,
        in_variant: bool,
    },
    /// A value that is already JSON text.
    Raw(&'e mut Encoder<'o>),
}

impl<'e, 'o> Fields<'e, 'o> {
    pub(super) fn of(entries: Entries<'e, 'o>, in_variant: bool) -> Self {
        Self::Object { entries, in_variant }
    }

    pub(super) fn raw(encoder: &'e mut Encoder<'o>) -> Self {
        Self::Raw(encoder)
    }

    #[inline]
    fn add<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), JsonProblem> {
        match self {
            Self::Object { entries, .. } => {
                entries.name(name)?;
                value.serialize(&mut *entries.encoder).map_err(|problem| problem.within(JsonStep::Name(name)))
            }
            Self::Raw(encoder) => value.serialize(RawText(encoder)),
        }
    }

    fn close(self) -> Result<(), JsonProblem> {
        if let Self::Object { entries, in_variant } = self {
            let encoder = entries.close()?;
            if in_variant {
                encoder.close(b'}');
            }
        }
        Ok(())
    }
}

macro_rules! elements {
    ($($trait:ident::$method:ident),+) => {$(
        impl $trait for Elements<'_, '_> {
            type Ok = ();
            type Error = JsonProblem;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), JsonProblem> {
                self.add(value)
            }

            fn end(self) -> Result<(), JsonProblem> {
                self.close();
                Ok(())
            }
        }
    )+};
}

elements!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

macro_rules! fields {
    ($($trait:ident),+) => {$(
        impl $trait for Fields<'_, '_> {
            type Ok = ();
            type Error = JsonProblem;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), JsonProblem> {
                self.add(name, value)
            }

            fn end(self) -> Result<(), JsonProblem> {
                self.close()
            }
        }
    )+};
}

fields!(SerializeStruct, SerializeStructVariant);

impl SerializeMap for Entries<'_, '_> {
    type Ok = ();
    type Error = JsonProblem;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), JsonProblem> {
        // The key may be secret.
        let twice = || {
            JsonProblem::new(
                "a key of a map is written twice, so a reader fails or drops a value: keys must differ as strings, and \
                 from the fields next to a flattened map",
            )
        };
        self.key(|encoder| key.serialize(MapKey(encoder)), twice)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), JsonProblem> {
        self.value(value, JsonStep::Entry)
    }

    fn end(self) -> Result<(), JsonProblem> {
        self.close().map(drop)
    }
}
