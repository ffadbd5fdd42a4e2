//! All items that generated code uses. Not public: it can change in any release.

mod parsed;

use core::fmt::{self, Debug, Formatter};

pub use core::default::Default;
pub use core::option::Option;
pub use core::result::Result;
pub use core::time::Duration;
pub use std::vec::Vec;

pub use bytes::Bytes as SharedBytes;

pub use crate::error::Error;

pub use crate::catalog::{
    Deployment, TogetherEntry, apart, assert_snapshot, conflict_between, count_templates,
};
pub use crate::command::{KeyGroup, ScriptDefinition, ScriptInput, ScriptResult, add_keys, check_script};
pub use crate::key::{ArgumentClass, ArgumentMeta, Captures, KeyArgument, KeyWriter, Piece};
pub use crate::kind::{
    DecodeError, EncodeError, Field, FieldMeta, FieldReader, FieldType, FieldWriter, Kind, KindMeta,
    RecordFields, Role, SingleValue, Trim, Wrapped, decode_wrapped, decode_wrapped_owned, encode_variant,
    encode_wrapped, encode_wrapped_within, unknown_variant, wire_format_of_wrapped, wrapped_of_nil,
};
pub use crate::scan::{Pattern, Sweep, Unrestricted, delete_pattern};
pub use crate::schema::{
    FillPolicy, FilledKeyspace, Key, KeyBuilder, Keyspace, KeyspaceMeta, Lifetime, Message, OnUnavailable,
    Overrides, Reads, TemplateMeta, TtlValue, conflict,
};
pub use parsed::{
    ParsedParts, ParsedVariants, clone_parsed, debug_parsed, hash_parsed, parsed_are_equal, visit_argument,
    visit_variant,
};

/// Checks that a field's type is a kind. The error points to the type in the user's code.
pub const fn assert_kind<V: Kind>() {}

/// Checks that an argument can't contain the first character of the literal that follows it.
#[track_caller]
pub const fn assert_ends_before(class: ArgumentClass, next: u8, message: &str) {
    assert!(class.ends_before(next), "{}", message);
}

/// Checks that the templates at two indices can't make the same key.
#[track_caller]
#[expect(clippy::panic, reason = "it runs at compile time, where this is the error")]
pub const fn assert_distinct(templates: &[TemplateMeta], one: usize, other: usize) {
    if let Some(conflict) = conflict(templates, one, other) {
        panic!("{}", conflict.as_str())
    }
}

/// Prints what the standard derive of `Debug` prints.
///
/// Generated code does not chain `.field(..)` itself, because a blanket trait in the user's scope
/// could change what it calls.
pub fn debug_struct(f: &mut Formatter<'_>, name: &str, fields: &[(&str, &dyn Debug)]) -> fmt::Result {
    let mut of_struct = f.debug_struct(name);
    for (name, value) in fields {
        of_struct.field(name, value);
    }
    of_struct.finish()
}

/// Returns the text of a conflict, or an empty string.
pub const fn conflict_text(conflict: &Option<Message>) -> &str {
    match conflict {
        Some(conflict) => conflict.as_str(),
        None => "",
    }
}

/// The names that generated code binds.
///
/// If a constant, static or unit struct in scope has the name of a binding, the binding becomes a
/// pattern that compares. A function does not have this effect. Each generated block imports these
/// functions by a glob at its top, which hides the items of the user's scope.
pub mod bindings {
    macro_rules! bindings {
        ($($name:ident)*) => { $(pub const fn $name() {})* };
    }

    bindings! {
        glob
        __a0 __a1 __a2 __a3 __a4 __a5 __a6 __a7 __a8 __a9 __a10 __a11 __a12 __a13 __a14 __a15
        __a16 __a17 __a18 __a19 __a20 __a21 __a22 __a23 __a24 __a25 __a26 __a27 __a28 __a29 __a30 __a31
        __b0 __b1 __b2 __b3 __b4 __b5 __b6 __b7 __b8 __b9 __b10 __b11 __b12 __b13 __b14 __b15
        __captures __f __fields __input __other __out __parts __state __template __text __this
    }
}

/// The bindings of the code generated for `bound = ..`.
pub mod bound_bindings {
    pub const fn redis() {}
    pub use super::bindings::__f;
}
