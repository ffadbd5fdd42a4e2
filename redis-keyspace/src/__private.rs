//! Everything that generated code uses. Not public: it changes with any release.

use core::fmt::{self, Debug, Formatter};

pub use core::option::Option;
pub use core::time::Duration;

pub use crate::catalog::{assert_snapshot, conflict_between, count_templates};
pub use crate::key::{ArgumentClass, ArgumentMeta, Captures, KeyArgument, KeyWriter, Piece};
pub use crate::kind::{Kind, KindMeta, Role};
pub use crate::scan::{Pattern, Sweep, delete_pattern};
pub use crate::schema::{
    FillPolicy, Key, KeyBuilder, Keyspace, KeyspaceMeta, Lifetime, Message, OnUnavailable, Overrides,
    TemplateMeta, conflict,
};

/// Checks that a field's type is a kind, at the place where the user wrote the type.
pub const fn assert_kind<V: Kind>() {}

/// Formats a variant of a generated enum as the standard derive does.
///
/// A chain of `.field(..)` in generated code could be taken over by a blanket trait in the user's scope.
pub fn debug_variant(f: &mut Formatter<'_>, name: &str, fields: &[(&str, &dyn Debug)]) -> fmt::Result {
    let mut variant = f.debug_struct(name);
    for (name, value) in fields {
        variant.field(name, value);
    }
    variant.finish()
}

/// Returns the text of a conflict; empty without one.
pub const fn conflict_text(conflict: &Option<Message>) -> &str {
    match conflict {
        Some(conflict) => conflict.as_str(),
        None => "",
    }
}

/// The names that generated code binds.
///
/// A constant, static or unit struct in scope turns a binding of its name into a pattern that compares. A function
/// does not, and the glob import of these at the top of each generated block hides what the user's scope has.
pub mod bindings {
    macro_rules! bindings {
        ($($name:ident)*) => { $(pub const fn $name() {})* };
    }

    bindings! {
        glob
        __a0 __a1 __a2 __a3 __a4 __a5 __a6 __a7 __a8 __a9 __a10 __a11 __a12 __a13 __a14 __a15
        __b0 __b1 __b2 __b3 __b4 __b5 __b6 __b7 __b8 __b9 __b10 __b11 __b12 __b13 __b14 __b15
        __captures __conflict __f __other __out __template __text __this
    }
}

/// The bindings of the code generated for `bound = ..`.
pub mod bound_bindings {
    pub const fn redis() {}
    pub use super::bindings::__f;
}
