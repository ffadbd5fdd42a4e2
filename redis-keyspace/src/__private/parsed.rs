//! What the generated enums of parsed keys have in common.

use core::any::Any;
use core::fmt::{self, Debug, Formatter};
use core::hash::{Hash, Hasher};

use crate::key::{KeyArgument, ParsedArgument};

/// A parsed argument of any type.
pub trait ParsedValue {
    fn debug(&self) -> &dyn Debug;
    fn equals(&self, other: &dyn Any) -> bool;
    fn hash(&self, state: &mut dyn Hasher);
    fn as_any(&self) -> &dyn Any;
}

impl<T: ParsedArgument> ParsedValue for T {
    fn debug(&self) -> &dyn Debug {
        T::debug(self)
    }

    fn equals(&self, other: &dyn Any) -> bool {
        other.downcast_ref::<T>().is_some_and(|other| T::are_equal(self, other))
    }

    fn hash(&self, state: &mut dyn Hasher) {
        T::hash(self, state);
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A function that takes a variant: its name, and the names and values of its arguments.
pub type Visitor<'a> = dyn FnMut(&str, &[(&str, &dyn ParsedValue)]) + 'a;

/// A generated enum of parsed keys.
///
/// Generated code has one `match`, and the functions below use it for each trait. This compiles
/// faster than a `match` for each trait.
pub trait ParsedVariants {
    fn visit(&self, visitor: &mut Visitor<'_>);
}

/// Prints what the standard derive of `Debug` prints.
pub fn debug_parsed(parsed: &dyn ParsedVariants, f: &mut Formatter<'_>) -> fmt::Result {
    let mut result = Ok(());
    parsed.visit(&mut |name, arguments| {
        let arguments: Vec<_> = arguments.iter().map(|(name, value)| (*name, value.debug())).collect();
        result = super::debug_struct(f, name, &arguments);
    });
    result
}

pub fn parsed_are_equal(left: &dyn ParsedVariants, right: &dyn ParsedVariants) -> bool {
    let mut equal = false;
    left.visit(&mut |left, left_arguments| {
        right.visit(&mut |right, right_arguments| {
            let mut pairs = left_arguments.iter().zip(right_arguments);
            equal = left == right && pairs.all(|((_, left), (_, right))| left.equals(right.as_any()));
        });
    });
    equal
}

pub fn hash_parsed(parsed: &dyn ParsedVariants, mut state: &mut dyn Hasher) {
    parsed.visit(&mut |name, arguments| {
        Hash::hash(name, &mut state);
        for (_, value) in arguments {
            value.hash(state);
        }
    });
}

// These rely on the bounds of `KeyArgument::Parsed`. A type without them is reported where it
// implements `KeyArgument`, and not also where it is used.

pub fn parsed_value<A: KeyArgument + ?Sized>(value: &A::Parsed) -> &dyn ParsedValue {
    value
}

pub fn clone_parsed<A: KeyArgument + ?Sized>(value: &A::Parsed) -> A::Parsed {
    ParsedArgument::clone(value)
}
