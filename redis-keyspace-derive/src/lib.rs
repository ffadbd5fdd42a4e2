//! The derives of [`redis-keyspace`]: depend on that crate, which re-exports them beside everything that their
//! output needs. The two are released together and fit only each other.
//!
//! [`redis-keyspace`]: https://docs.rs/redis-keyspace

mod attr;
mod check;
mod closed;
mod codegen;
mod crate_path;
mod diag;
mod expand;
mod floats;
mod key_argument;
mod model;
mod names;
mod template;
#[cfg(test)]
mod tests;

use proc_macro::TokenStream;

/// Declares a keyspace: a struct whose fields are the signatures of its keys.
///
/// A field's name becomes a constructor, its parameters are the holes of the template, and its return type says
/// what lives at the key. A field whose type is not `fn(..)` has no parameters. Beside the constructors there are
///
/// - the enum `Parsed<Struct>`, what a key reads back as;
/// - for each field with parameters, `<field>_keys()`: the pattern of all its keys, with a method that binds each
///   parameter, and their type `<Struct>Pattern<V, Field>`, which dereferences to `Pattern<Struct, V>`;
/// - `delete_pattern(glob)`, which deletes by a raw glob within the prefix;
/// - with `bound = BoundCartKeys`, a struct of that name for programs that pass their handle along instead of installing one:
///   `BoundCartKeys::new(redis).user(7)` is `CartKeys::user(7).on(&redis)`. It is cheap to clone, and can be stored in a service.
///
/// Templates that can make the same key do not compile.
///
/// # On the struct: `#[keyspace(..)]`
///
/// | attribute | meaning |
/// | --- | --- |
/// | `prefix = "cart"` | what every key starts with, before a `:`; mandatory; `prefix = none` for keys without one |
/// | `db = 2` | the logical database, 0 to 65535; without it, the server's |
/// | `ttl = 3600`, `ttl = "1h"`, `ttl = none` | the lifetime of entries that state none; an integer is in seconds, the units are `ms` `s` `m` `h` `d` `w`, `none` is for ever |
/// | `server = "name"` | the named server that the keys live on |
/// | `dedicated_server` | only keyspaces with the same `server` may use that server; `catalog!` then assumes that other names are other servers, and a command fails if two names turn out to be the same server |
/// | `tenant = "t"` | each key belongs to the tenant of the handle: on `redis.for_tenant("acme")?`, `CartKeys::user(7)` is stored as `t:acme:cart:user:7` |
/// | `timeout = "250ms"` | the deadline of each command |
/// | `retries = 3` | how often a failed command is repeated where that can't hurt, 0 to 100 |
/// | `shared_connections = 2` | connections that many tasks use at once, 1 to 64 |
/// | `exclusive_connections = 8` | connections for blocking commands and raw access, 1 to 1024 |
/// | `on_unavailable = "miss"` | reads are answered as if there were nothing when Redis is away; without it, `"error"` |
/// | `stale_for = "1h"` | `get_or_set` keeps a copy beyond the lifetime, for when the value is loaded anew or can't be |
/// | `ttl_jitter = "10%"` | lifetimes of what `get_or_set` loads are shortened at random, by this much at most |
/// | `early_refresh = "80%"` | `get_or_set` loads a value anew that is read after this much of its lifetime |
/// | `negative_ttl = "30s"` | how long `get_or_set_optional` remembers that there is no value |
/// | `hard_timeout = "5s"` | how long a loader may take |
/// | `wait_timeout = "10s"` | how long a caller waits for another caller's load before it loads itself |
/// | `across_processes` | `get_or_set` loads once for all processes, not once in each |
/// | `bound = BoundCartKeys` | also generates this struct, which holds a handle and has the constructors and patterns as methods |
/// | `crate = path` | where `redis_keyspace` is found, if not as a dependency of that name |
/// | `allow_doubled_prefix` | lets a template start with the prefix once more |
///
/// # On a field: `#[key(..)]`
///
/// | attribute | meaning |
/// | --- | --- |
/// | `"user:{id}"` | the template; without it, the field's name followed by its parameters: `user:{id}` |
/// | `ttl = ..` | the lifetime, as above; an entry must have one, its own or the struct's |
/// | `stale_for`, `ttl_jitter`, `early_refresh`, `negative_ttl`, `hard_timeout`, `wait_timeout`, `across_processes` | as above, for this field; `across_processes = false` where the struct states it |
/// | `into = day` | the parameter takes anything that converts into its type (`impl Into<Day>`), such as a type of another crate; several: `into = (from, to)` |
/// | `parse = false` | the keys need not parse back, for formats of other systems such as `{a}-{b}`: different arguments may make the same key; the template has no pattern and no variant of the enum; the overlap checks assume that any text can follow its first literal |
/// | `hash_tag = id` | the parameter that decides on which node of a cluster a key is; its place gets literal braces |
///
/// `{{` and `}}` are literal braces: with `hash_tag = id` the template `"user:{id}"` is `"user:{{{id}}}"`. Several
/// attributes of one name are merged.
///
/// A parameter may borrow without naming the lifetime: `name: &str`, `name: Cow<str>`. A type of your own that has a
/// lifetime is written with it, `Name<'_>`, since the enum needs it and the derive can't know that it is there.
///
/// No name in scope changes what the derive generates. A type of your own that is called `str`, `f32`, `f64` or `Cow` is
/// taken for the usual one, except with a path: `self::Cow`. As in any function, a parameter can't have the name of a
/// constant, static or unit struct that is in scope.
///
/// # What goes where
///
/// Constructors are as visible as the struct; a visibility written on a field wins. Documentation and
/// `#[deprecated]` go to the constructors, followed by the facts: the key's shape, database, lifetime, kind and, for
/// the kinds of this library, how other clients see the value. `#[non_exhaustive]`, `#[doc(hidden)]` and
/// `#[deprecated]` on the struct hold for the enum, too, and lints that are allowed or expected on the struct or on a
/// field are allowed in what is generated from it.
#[proc_macro_derive(Keyspace, attributes(keyspace, key))]
pub fn derive_keyspace(input: TokenStream) -> TokenStream {
    expand::keyspace(input.into()).into()
}

/// Lets a type stand in a key: for newtypes, and for enums of unit variants.
///
/// A newtype is written and read as what it wraps. An enum's variants are written in `snake_case`.
///
/// | attribute | meaning |
/// | --- | --- |
/// | `#[key("text")]` on a variant | its text, out of `A-Z a-z 0-9 _ . -` |
/// | `#[key(alphabet = "a-z0-9", len = 26)]` on a newtype | its values consist of these characters and have this length; `len = 1..=40` sets a range; without `len`, any length from 1 |
/// | `#[key(crate = path)]` on the type | where `redis_keyspace` is found, if not as a dependency of that name |
///
/// An alphabet and a length let more templates compile, such as `{org}_{app}` for ids of `a-z0-9`. The derive does not validate
/// the values of the newtype. Commands on a key with an invalid value fail with `InvalidInput`. To validate a string, use
/// `ArgumentClass::contains`: `OrgId::CLASS.contains(text)`.
///
/// The type must also implement `Debug`, `Clone` and `PartialEq`, which `Parsed<Keyspace>` asks of its fields.
#[proc_macro_derive(KeyArgument, attributes(key))]
pub fn derive_key_argument(input: TokenStream) -> TokenStream {
    expand::key_argument(input.into()).into()
}
