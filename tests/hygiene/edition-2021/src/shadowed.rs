//! A scope that shadows all usual names. Only absolute paths work, so each item below is a name
//! that an expansion must not take from its scope.
#![allow(
    dead_code,
    non_camel_case_types,
    non_upper_case_globals,
    unused_imports,
    unused_macros,
    unused_qualifications,
    clippy::should_implement_trait,
    clippy::type_complexity,
    clippy::upper_case_acronyms,
    clippy::wrong_self_convention
)]

use ::core::clone::Clone as clone_derive;
use ::core::cmp::{Eq as eq_derive, PartialEq as partial_eq_derive};
use ::core::fmt::Debug as debug_derive;
use ::core::hash::Hash as hash_derive;

use ::redis_keyspace::{
    KeyArgument as argument_derive, Keyspace as keyspace_derive, Record as record_derive,
    Script as script_derive, SingleValue as value_derive,
};

/// Modules: the roots of paths, and the lint tools.
macro_rules! modules {
    ($($name:ident)*) => { $(mod $name {})* };
}

modules! {
    alloc clippy core diagnostic miri primitive redis_keyspace redis_keyspace_derive rustc rustdoc rustfmt std
    bindings __private __rk
}

/// Types. Unit structs are also values, so a pattern with such a name would be a comparison.
macro_rules! types {
    ($($name:ident)*) => { $(
        #[derive(::core::fmt::Debug)]
        struct $name;
    )* };
}

types! {
    // The preludes of all editions.
    AsMut AsRef AsyncFn AsyncFnMut AsyncFnOnce Box Clone Copy Debug Default DoubleEndedIterator Drop Eq Err
    ExactSizeIterator Extend Fn FnMut FnOnce From FromIterator Future Hash Into IntoFuture IntoIterator Iterator None Ok
    Option Ord PartialEq PartialOrd Result Send Sized Some String Sync ToOwned ToString TryFrom TryInto Unpin Vec
    drop size_of size_of_val align_of align_of_val
    // Other names of the standard library that expansions use.
    Arc Arguments Borrow Cell DebugStruct Deref Display Duration Formatter PhantomData Rc Write
    // The runtime.
    ArgumentClass ArgumentMeta Bytes Captures Catalog Command Counter Error FillPolicy Group Json Key KeyArgument
    KeyBuilder KeyWriter Keyspace KeyspaceMeta Kind KindMeta Lifetime Lock Message OnUnavailable Overrides Pattern Piece
    ParsedParts ParsedVariants RateLimit Raw Redis Role Sweep TemplateMeta Text assert_distinct assert_ends_before assert_kind
    assert_snapshot clone_parsed apart conflict conflict_between conflict_text count_templates debug_parsed debug_struct delete_pattern hash_parsed
    parsed_are_equal visit_argument visit_variant
    // Names that expansions bind and define.
    glob key f this other captures template out text conflicting value pattern
    __a0 __a1 __a2 __a3 __a4 __a5 __a6 __a7 __a8 __a9 __a10 __a11 __a12 __a13 __a14 __a15
    __a16 __a17 __a18 __a19 __a20 __a21 __a22 __a23 __a24 __a25 __a26 __a27 __a28 __a29 __a30 __a31
    __b0 __b1 __b2 __b3 __b4 __b5 __b6 __b7 __b8 __b9 __b10 __b11 __b12 __b13 __b14 __b15
    __captures __conflict __f __f0 __f1 __fields __glob __input __other __out __state __template __text __this
    __parts
    __DEFINITION __SOURCE __T __A0 __A1 __A2 __A3 __Inner __K0 __K1 __K2 __META __TEMPLATES __argument0
    APART CONFLICT DEFINITION KEYSPACES META TEMPLATE TEMPLATES TOGETHER
    the_catalog_is_as_committed redis new Bound
}

/// Primitive types, each used as an argument.
macro_rules! primitives {
    ($($name:ident)*) => { $(
        #[derive(debug_derive, clone_derive, partial_eq_derive, eq_derive, hash_derive, argument_derive)]
        struct $name(::core::primitive::u8);
    )* };
}

primitives! {
    bool char f16 f32 f64 f128 i8 i16 i32 i64 i128 isize str u8 u16 u32 u64 u128 usize
}

/// Macros.
macro_rules! macros {
    ($($name:ident)*) => { $(
        macro_rules! $name {
            ($dollar:tt) => { ::core::compile_error!("a macro of the user's scope") };
        }
    )* };
}

macros! {
    assert assert_eq assert_ne cfg column compile_error concat debug_assert env file format format_args include_str line
    matches module_path option_env panic print println stringify todo unimplemented unreachable vec write writeln
    catalog catalog_test
}

/// Attributes. This one is not allowed on a function.
use ::core::prelude::v1::global_allocator as test;

/// Traits that every type implements. Their methods take `self` by value, so they take precedence
/// over methods of a type that take a reference.
trait Everything: ::core::marker::Sized {
    const CLASS: () = ();
    const REDIS_TYPE: () = ();
    fn argument(self) {}
    fn as_str(self) {}
    fn bind(self) {}
    fn clone(self) {}
    fn debug_struct(self) {}
    fn deref(self) {}
    fn ends_before(self) {}
    fn eq(self) {}
    fn field(self) {}
    fn filled_by(self) {}
    fn finish(self) {}
    fn fmt(self) {}
    fn from_captures(self) {}
    fn get(self) {}
    fn hash(self) {}
    fn into(self) {}
    fn is_some(self) {}
    fn literal(self) {}
    fn ne(self) {}
    fn parse(self) {}
    fn without_end(self) {}
    fn new(self) -> Self {
        self
    }
    fn on(self) {}
    fn redis(self) {}
    fn visit(self) {}
    fn with_own_lifetime(self) {}
    fn write(self) {}
    fn write_int(self) {}
    fn write_str(self) {}
}

impl<T> Everything for T {}

/// A newtype.
#[derive(
    debug_derive, clone_derive, partial_eq_derive, eq_derive, hash_derive, argument_derive, value_derive,
)]
struct Id(::core::primitive::u64);

/// A named newtype of a newtype.
#[derive(
    debug_derive, clone_derive, partial_eq_derive, eq_derive, hash_derive, argument_derive, value_derive,
)]
struct Named {
    text: Id,
}

/// An enum.
#[derive(
    debug_derive, clone_derive, partial_eq_derive, eq_derive, hash_derive, argument_derive, value_derive,
)]
enum State {
    New,
    #[key("OLD")]
    Old,
    #[deprecated]
    #[single_value(rename = "any")]
    Some,
}

/// Names that the expansion uses for its own types.
#[derive(debug_derive, clone_derive, partial_eq_derive, eq_derive, hash_derive, argument_derive)]
struct V(::core::primitive::u8);

#[derive(debug_derive, clone_derive, partial_eq_derive, eq_derive, hash_derive, argument_derive)]
struct Field(V);

#[derive(debug_derive, clone_derive, partial_eq_derive, eq_derive, hash_derive, argument_derive)]
struct EntryKeys(V);

#[derive(debug_derive, clone_derive, partial_eq_derive, eq_derive, hash_derive, argument_derive)]
struct __A4(__A5);

#[derive(debug_derive, clone_derive, partial_eq_derive, eq_derive, hash_derive, argument_derive)]
struct __A5(V);

/// Has no lifetime parameter, unlike the type of the standard library.
#[derive(debug_derive, clone_derive, partial_eq_derive, eq_derive, hash_derive, argument_derive)]
struct Cow(V);

const LENGTH: ::core::primitive::usize = 2;

/// Uses every option of a declaration.
#[derive(keyspace_derive)]
#[keyspace(prefix = "shadowed", db = 2, ttl = 3600, timeout = "1s", server = "x", retries = 1)]
#[keyspace(shared_connections = 1, exclusive_connections = 1, on_unavailable = "miss", crate = ::redis_keyspace)]
#[keyspace(
    stale_for = "1h",
    ttl_jitter = "10%",
    early_refresh = "80%",
    negative_ttl = "30s",
    hard_timeout = "5s"
)]
#[keyspace(across_processes, bound = BoundShadowedKeys)]
#[non_exhaustive]
struct ShadowedKeys {
    /// An argument of each form.
    #[key("entry:{id}:{named}:{state}")]
    entry: fn(id: Id, named: Named, state: State) -> ::redis_keyspace::Text,
    #[key(ttl = none, across_processes = false, stale_for = "1m")]
    plain: ::redis_keyspace::Json<::core::primitive::u64>,
    #[key(hash_tag = id, ttl = "30d")]
    tagged: fn(id: ::core::primitive::u64, name: &::core::primitive::str) -> ::redis_keyspace::Counter,
    #[key(fills = false)]
    bytes: fn(digest: [::core::primitive::u8; LENGTH]) -> ::redis_keyspace::Bytes,
    own: fn(v: V, marker: Field, keys: EntryKeys) -> ::redis_keyspace::Lock,
    borrowed: fn(
        name: ::std::borrow::Cow<::core::primitive::str>,
        raw: ::redis_keyspace::Raw<&::core::primitive::str>,
    ) -> ::redis_keyspace::Text,
}

/// Has as many arguments as generated code has names to bind them.
#[derive(keyspace_derive)]
#[keyspace(prefix = "wide", ttl = none, bound = BoundWideKeys)]
struct WideKeys {
    entry: fn(
        p0: V,
        p1: V,
        p2: V,
        p3: V,
        p4: V,
        p5: V,
        p6: V,
        p7: V,
        p8: V,
        p9: V,
        p10: V,
        p11: V,
        p12: V,
        p13: V,
        p14: V,
        p15: V,
        p16: V,
        p17: V,
        p18: V,
        p19: V,
        p20: V,
        p21: V,
        p22: V,
        p23: V,
        p24: V,
        p25: V,
        p26: V,
        p27: V,
        p28: V,
        p29: V,
        p30: V,
        p31: V,
    ) -> ::redis_keyspace::Text,
    #[key(into = (p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15))]
    converted: fn(
        p0: V,
        p1: V,
        p2: V,
        p3: V,
        p4: V,
        p5: V,
        p6: V,
        p7: V,
        p8: V,
        p9: V,
        p10: V,
        p11: V,
        p12: V,
        p13: V,
        p14: V,
        p15: V,
    ) -> ::redis_keyspace::Text,
}

/// A record of such types.
#[derive(record_derive)]
struct Profile {
    #[record(kind = Id)]
    id: Id,
    #[record(kind = Id, default = Id(1), alias = "other")]
    named: Id,
}

/// A script with a key and an argument.
#[derive(script_derive)]
#[script(source = "return {KEYS[1], ARGV[1]}", returns = ::std::vec::Vec<::core::primitive::u64>)]
struct Run {
    key: ::redis_keyspace::Key<ShadowedKeys, ::redis_keyspace::Counter>,
    #[script(arg)]
    amount: ::core::primitive::u64,
}

/// Types that shadow primitives, and names that the expansion uses internally.
#[derive(keyspace_derive)]
#[keyspace(prefix = "primitives", ttl = none, bound = BoundPrimitiveKeys)]
struct PrimitiveKeys {
    small: fn(a: bool, b: char, c: u8, d: u16, e: u32) -> ::redis_keyspace::Text,
    large: fn(a: u64, b: u128, c: usize, d: i8, e: &i16) -> ::redis_keyspace::Text,
    signed: fn(a: i32, b: i64, c: i128, d: isize) -> ::redis_keyspace::Text,
    by_path: fn(a: &str, b: self::f32, c: self::f64, d: self::Cow) -> ::redis_keyspace::Text,
    internal: fn(a: __A4, b: __A5) -> ::redis_keyspace::Text,
}

/// A keyspace named like a type parameter of its pattern.
mod named_like_a_parameter {
    #[derive(::redis_keyspace::Keyspace)]
    #[keyspace(prefix = "v", ttl = none, bound = BoundV)]
    pub(super) struct V {
        user: fn(id: u64) -> ::redis_keyspace::Text,
    }

    #[derive(::redis_keyspace::Keyspace)]
    #[keyspace(prefix = "str", ttl = none)]
    pub(super) struct str {
        user: fn(id: u64) -> ::redis_keyspace::Text,
    }
}

::redis_keyspace::catalog!(
    /// All of them.
    CATALOG = [ShadowedKeys, PrimitiveKeys, named_like_a_parameter::V, named_like_a_parameter::str]
);

#[cfg(test)]
::redis_keyspace::catalog_test!(committed, CATALOG, "src/shadowed.txt");

mod inside_macro {
    macro_rules! declare {
        ($name:ident, $prefix:literal, $ttl:expr, $field:ident: $ty:ty) => {
            #[derive(::redis_keyspace::Keyspace)]
            #[keyspace(prefix = $prefix, ttl = $ttl)]
            struct $name {
                $field: $ty,
            }
        };
    }

    declare!(MadeKeys, "made", "1h", item: fn(id: u64) -> ::redis_keyspace::Text);

    #[test]
    fn keyspaces_can_be_declared_by_a_macro() {
        ::std::assert_eq!(MadeKeys::item(7).as_str(), "made:item:7");
    }
}

#[cfg(test)]
mod tests {
    use ::redis_keyspace::Keyspace;

    use super::named_like_a_parameter;
    use super::{
        f32, f64, str, u64, Cow, Id, Named, ParsedShadowedKeys, PrimitiveKeys, ShadowedKeys, State, __A5, V,
    };

    fn id(number: ::core::primitive::u64) -> Id {
        Id(number)
    }

    #[::core::prelude::v1::test]
    fn keys_are_built_and_parsed() {
        let key = ShadowedKeys::entry(id(7), Named { text: id(8) }, State::Old);
        ::std::assert_eq!(::redis_keyspace::Key::as_str(&key), "shadowed:entry:7:8:OLD");
        let parsed = <ShadowedKeys as Keyspace>::parse(::redis_keyspace::Key::as_str(&key)).unwrap();
        let expected =
            ParsedShadowedKeys::Entry { id: id(7), named: Named { text: id(8) }, state: State::Old };
        ::std::assert_eq!(::core::clone::Clone::clone(&parsed), expected);
        ::std::assert!(expected != ParsedShadowedKeys::Plain);
        ::std::assert_eq!(
            ::std::format!("{parsed:?} {:?}", ParsedShadowedKeys::Plain),
            "Entry { id: Id(7), named: Named { text: Id(8) }, state: Old } Plain"
        );
        let key = PrimitiveKeys::by_path(&str(1), f32(2), f64(3), Cow(V(4)));
        ::std::assert_eq!(::redis_keyspace::Key::as_str(&key), "primitives:by_path:1:2:3:4");
        let key = ShadowedKeys::tagged(7, "a");
        ::std::assert_eq!(::redis_keyspace::Key::as_str(&key), "shadowed:tagged:{7}:a");
    }

    #[::core::prelude::v1::test]
    fn patterns_accept_bound_arguments() {
        let pattern = ShadowedKeys::entry_keys().id(id(7)).state(State::New);
        ::std::assert_eq!(pattern.glob(), "shadowed:entry:7:*:new");
        ::std::assert_eq!(::std::format!("{pattern:?}"), "Pattern(\"shadowed:entry:7:*:new\")");
        ::std::assert_eq!(PrimitiveKeys::internal_keys().b(__A5(V(1))).glob(), "primitives:internal:*:1");
        let _: ::redis_keyspace::scan::Sweep<'_> = ShadowedKeys::delete_pattern("*");
        let _ = (named_like_a_parameter::V::user_keys(), named_like_a_parameter::str::user_keys());
    }

    #[::core::prelude::v1::test]
    fn inside_a_function() {
        #[derive(::redis_keyspace::Keyspace)]
        #[keyspace(prefix = "local", ttl = none)]
        struct LocalKeys {
            id: fn(id: u64) -> ::redis_keyspace::Text,
        }

        ::std::assert_eq!(::redis_keyspace::Key::as_str(&LocalKeys::id(u64(7))), "local:id:7");
        ::std::assert_eq!(
            <LocalKeys as Keyspace>::parse("local:id:7").unwrap(),
            ParsedLocalKeys::Id { id: u64(7) }
        );
    }
}
