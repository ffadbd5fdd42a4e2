//! What the generated enums of parsed keys have in common.

use core::any::Any;
use core::cell::Cell;
use core::fmt::{self, Debug, Formatter};
use core::hash::{Hash, Hasher};

use smallvec::SmallVec;

use crate::key::{KeyArgument, ParsedArgument};

/// A parsed argument of any type.
trait ParsedValue {
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

/// An argument of a parsed key: its name and value.
type NamedValue<'p> = (&'static str, &'p dyn ParsedValue);

/// The name of the variant of a parsed key, and its arguments.
///
/// Generated code adds to it through a shared reference. Each exclusive reference would be another
/// borrow in a function with hundreds of branches, which the compiler checks against all others.
#[derive(Default)]
pub struct ParsedParts<'p> {
    variant: Cell<&'static str>,
    arguments: Cell<SmallVec<[NamedValue<'p>; 6]>>,
}

impl Debug for ParsedParts<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParsedParts").field("variant", &self.variant).finish_non_exhaustive()
    }
}

/// A generated enum of parsed keys.
///
/// Generated code has one `match`, and the functions below use it for each trait. This compiles
/// faster than a `match` for each trait.
pub trait ParsedVariants {
    fn visit<'p>(&'p self, parts: &ParsedParts<'p>);
}

fn parts(parsed: &dyn ParsedVariants) -> (&'static str, SmallVec<[NamedValue<'_>; 6]>) {
    let parts = ParsedParts::default();
    parsed.visit(&parts);
    (parts.variant.get(), parts.arguments.take())
}

/// Prints what the standard derive of `Debug` prints.
pub fn debug_parsed(parsed: &dyn ParsedVariants, f: &mut Formatter<'_>) -> fmt::Result {
    let (variant, arguments) = parts(parsed);
    let arguments: Vec<_> = arguments.iter().map(|(name, value)| (*name, value.debug())).collect();
    super::debug_struct(f, variant, &arguments)
}

pub fn parsed_are_equal(left: &dyn ParsedVariants, right: &dyn ParsedVariants) -> bool {
    let (left, left_arguments) = parts(left);
    let (right, right_arguments) = parts(right);
    let mut pairs = left_arguments.iter().zip(&right_arguments);
    left == right && pairs.all(|((_, left), (_, right))| left.equals(right.as_any()))
}

pub fn hash_parsed(parsed: &dyn ParsedVariants, mut state: &mut dyn Hasher) {
    let (variant, arguments) = parts(parsed);
    Hash::hash(variant, &mut state);
    for (_, value) in arguments {
        value.hash(state);
    }
}

pub fn visit_variant(parts: &ParsedParts<'_>, name: &'static str) {
    parts.variant.set(name);
}

// These rely on the bounds of `KeyArgument::Parsed`. A type without them is reported where it
// implements `KeyArgument`, and not also where it is used.

pub fn visit_argument<'p, A: KeyArgument + ?Sized>(
    parts: &ParsedParts<'p>,
    name: &'static str,
    value: &'p A::Parsed,
) {
    let mut arguments = parts.arguments.take();
    arguments.push((name, value));
    parts.arguments.set(arguments);
}

pub fn clone_parsed<A: KeyArgument + ?Sized>(value: &A::Parsed) -> A::Parsed {
    ParsedArgument::clone(value)
}
