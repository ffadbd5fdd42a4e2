//! The parts of a template.

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::class::ArgumentClass;

/// A part of a template.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Piece {
    /// Text that is the same in every key.
    Literal(&'static str),
    /// A placeholder for an argument.
    Argument(ArgumentMeta),
}

/// An argument of a template as data.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ArgumentMeta {
    pub(crate) name: &'static str,
    pub(crate) type_name: &'static str,
    pub(crate) class: ArgumentClass,
}

impl ArgumentMeta {
    #[doc(hidden)]
    #[must_use]
    pub const fn new(name: &'static str, type_name: &'static str, class: ArgumentClass) -> Self {
        Self { name, type_name, class }
    }

    /// Returns the name of the parameter.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the type of the parameter, as written in the declaration.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        self.type_name
    }

    /// Returns the class of the argument: the set of its possible encodings.
    #[must_use]
    pub const fn class(&self) -> ArgumentClass {
        self.class
    }
}

impl Serialize for ArgumentMeta {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut argument = serializer.serialize_struct("Argument", 3)?;
        argument.serialize_field("name", self.name)?;
        argument.serialize_field("type", self.type_name)?;
        argument.serialize_field("class", &self.class.to_string())?;
        argument.end()
    }
}
