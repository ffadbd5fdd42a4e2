//! The derive macros of [`redis-keyspace`].
//!
//! Depend on `redis-keyspace` instead: it re-exports all macros, along with everything that the
//! generated code needs. Each release of one crate works only with the same release of the other.
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
mod record;
mod script;
mod single_value;
mod template;
#[cfg(test)]
mod tests;
mod types;

use proc_macro::TokenStream;

/// Generates typed keys from a struct: each field declares one kind of key.
///
/// ```
/// use redis_keyspace::{Counter, Json, Keyspace, Redis};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// pub struct Cart {
///     items: Vec<String>,
/// }
///
/// /// Shopping carts.
/// #[derive(Keyspace)]
/// #[keyspace(prefix = "cart", ttl = "1h")]
/// pub struct CartKeys {
///     /// The open cart of one shopper.
///     #[key("user:{id}")]
///     user: fn(id: u64) -> Json<Cart>,
///
///     /// How often a shopper looked at it.
///     #[key("user:{id}:views", ttl = "30d")]
///     views: fn(id: u64) -> Counter,
///
///     /// Shown on the front page.
///     #[key("featured", ttl = none)]
///     featured: Json<Vec<String>>,
/// }
///
/// #[tokio::main]
/// async fn main() -> Result<(), redis_keyspace::Error> {
///     Redis::embedded().install();
///
///     let cart = Cart { items: vec!["lamp".into()] };
///     CartKeys::user(7).set(&cart).await?;
///     assert_eq!(CartKeys::user(7).get().await?, Some(cart));
///     assert_eq!(CartKeys::views(7).incr().await?, 1);
///
///     assert_eq!(CartKeys::user(7).as_str(), "cart:user:7");
///     assert_eq!(CartKeys::parse("cart:user:7").unwrap(), ParsedCartKeys::User { id: 7 });
///     assert_eq!(CartKeys::user_keys().all().delete().await?.affected, 1);
///     Ok(())
/// }
/// ```
///
/// A field's name is the name of its constructor. The parameters of its `fn` fill the placeholders
/// of the template. The return type is the kind: what the key holds. A field whose type is not
/// `fn(..)` declares a key without parameters.
///
/// # Attributes
///
/// The template is the string in `#[key("user:{id}")]`. Without it, the template is the field's
/// name followed by its parameters, here `user:{id}`. `{{` and `}}` are literal braces. Several
/// attributes of the same name are merged.
///
/// "struct" attributes go into `#[keyspace(..)]`, "field" attributes into `#[key(..)]`. A field
/// overrides the struct.
///
/// | attribute | on | example | meaning |
/// | --- | --- | --- | --- |
/// | `prefix` | struct | `prefix = "cart"` | the start of every key, before a `:`. Required; `prefix = none` for keys without a prefix |
/// | `ttl` | struct, field | `ttl = "1h"` | the TTL. Required on the struct or on the field, except for a `Channel`, which stores nothing. A string has a unit: `ms`, `s`, `m`, `h`, `d` or `w`. An integer is in seconds. A constant expression has the type `u64` (seconds) or `Duration`. `ttl = none`: keys never expire |
/// | `db` | struct | `db = 2` | the logical database, 0 to 65535. Default: that of the server's configuration |
/// | `server` | struct | `server = "name"` | the name of the installed server that holds the keys |
/// | `dedicated_server` | struct | `dedicated_server` | only keyspaces with the same `server` may use that server. `catalog!` then assumes that other names are other servers. A command fails if two names are the same server |
/// | `tenant` | struct | `tenant = "tenant"` | each key belongs to the tenant of the handle. On `redis.for_tenant("acme")?`, `CartKeys::user(7)` is stored as `tenant:acme:cart:user:7` |
/// | `timeout` | struct | `timeout = "250ms"` | the deadline of each command |
/// | `retries` | struct | `retries = 3` | how often a failed command is repeated, if a second execution is harmless: 0 to 100 |
/// | `shared_connections` | struct | `shared_connections = 2` | the number of connections to each server that many tasks use at once, 1 to 64 |
/// | `exclusive_connections` | struct | `exclusive_connections = 8` | the maximum number of connections for blocking commands and raw access, 1 to 1024 |
/// | `on_unavailable` | struct | `on_unavailable = "miss"` | when Redis is unavailable, reads return "not found" instead of an error. Default: `"error"` |
/// | `reads` | struct, field | `reads = "prefer_replica"` | which server answers commands that only read: `"master"` (the default), `"prefer_replica"` or `"replica"`. A replica may return older values |
/// | `renew` | struct, field | `renew = "write"` | every write to a collection, such as a list, renews its TTL. By default, and with `renew = "creation"`, the write that creates the collection sets the TTL, and later writes keep it. On the struct, it applies to the collections that have a TTL |
/// | `trim` | field | `trim = "~100000"` | each `xadd` to a stream trims it: at least this many entries stay. `trim = "1000"`: exactly as many, which costs the server more. `trim = none`: the program trims the stream. Required for a stream with `ttl = none` |
/// | `sharded` | field | `sharded = true` | the messages of a channel stay at the nodes of its slot on a cluster (`SPUBLISH`). Only for the kind `Channel` |
/// | `bound` | struct | `bound = BoundCartKeys` | also generates this struct, which holds a handle. `BoundCartKeys::new(redis).user(7)` is `CartKeys::user(7).on(&redis)` |
/// | `allow_doubled_prefix` | struct | `allow_doubled_prefix` | allows a segment of the prefix to be repeated, as in `cart:cart:7` |
/// | `crate` | struct | `crate = path` | the path of `redis_keyspace`, if it is not a dependency of that name |
/// | `fills` | struct, field | `fills = false` | nothing is filled: writes send nothing for fills, and no permissions on companion keys are needed. On the struct, `get_or_set` does not compile; on a field, it returns an error. Does not apply to `Once`. `fills = true` on a field turns `get_or_set` on for a `Hash`, `List`, `Record`, `Set` or `SortedSet`, which are not filled otherwise |
/// | `stale_for` | struct, field | `stale_for = "1h"` | `get_or_set` keeps a copy for this long after the TTL. It serves the copy while it reloads the value, and if loading fails |
/// | `ttl_jitter` | struct, field | `ttl_jitter = "10%"` | `get_or_set` shortens each TTL at random, by at most this much, so that entries do not all expire at once |
/// | `early_refresh` | struct, field | `early_refresh = "80%"` | a `get_or_set` that hits after this much of the TTL reloads the value |
/// | `negative_ttl` | struct, field | `negative_ttl = "30s"` | how long `get_or_set_optional` remembers that there is no value |
/// | `hard_timeout` | struct, field | `hard_timeout = "5s"` | the maximum time that a loader may take |
/// | `wait_timeout` | struct, field | `wait_timeout = "10s"` | how long a caller waits for another caller's load before it takes over |
/// | `across_processes` | struct, field | `across_processes` | `get_or_set` loads a value once for all processes instead of once per process. `across_processes = false` on a field turns it off |
/// | `hash_tag` | field | `hash_tag = id` | the parameter that selects the slot on a cluster. Its placeholder gets literal braces: `"user:{id}"` becomes `"user:{{{id}}}"` |
/// | `into` | field | `into = id` | the constructor takes `impl Into<..>` for this parameter, so that it accepts types of other crates. Several parameters: `into = (from, to)` |
/// | `parse` | field | `parse = false` | keys of this field can't be parsed back, for existing formats such as `{a}-{b}`. Different arguments may make the same key. The field has no pattern and no variant in the enum. Overlap checks assume that any text can follow its first literal |
///
/// # What is generated
///
/// - A constructor per field. It is as visible as the struct, unless the field has its own
///   visibility.
/// - The enum `Parsed<Struct>`, the type that `parse` returns. It has one variant per field.
/// - For each field with parameters, `<field>_keys()`, the pattern of all its keys. It has a method
///   per parameter, which restricts the pattern to keys with that argument. Its type is
///   `<Struct>Pattern<V, Field>`, which dereferences to `Pattern<Struct, V>`.
/// - `delete_pattern(glob)`, which deletes all keys within the prefix that match a raw glob.
/// - With `bound`, a struct that has the constructors and patterns as methods. It is cheap to clone
///   and can be stored in a service.
///
/// Doc comments and `#[deprecated]` on a field apply to its constructor. The documentation also
/// lists the template, the database, the TTL and the kind. For the kinds of this library, it lists
/// how other clients see the value.
///
/// `#[non_exhaustive]`, `#[doc(hidden)]` and `#[deprecated]` on the struct apply to the enum too.
/// Lints that are allowed or expected on the struct or on a field are allowed in the code that is
/// generated from it.
///
/// # Parameters
///
/// The type of a parameter implements `KeyArgument`. It may borrow without naming the lifetime:
/// `name: &str`, `name: Cow<str>`. Write the lifetime of your own types, `name: Name<'_>`: the enum
/// needs it, and the derive can't see that the type has one.
///
/// The derive recognises `str`, `f32`, `f64` and `Cow` by name. Give your own types of these names
/// a path: `self::Cow`. No other name in scope changes the generated code. As in any function, a
/// parameter can't have the name of a constant, static or unit struct in scope.
///
/// # Compile errors
///
/// Invalid declarations are compile errors. Templates that can make the same key do not compile,
/// and neither do templates that are ambiguous, such as `{a}-{b}` with two strings.
#[proc_macro_derive(Keyspace, attributes(keyspace, key))]
pub fn derive_keyspace(input: TokenStream) -> TokenStream {
    expand::keyspace(input.into()).into()
}

/// Implements `KeyArgument`, so that a newtype or an enum can be an argument of a key.
///
/// ```
/// use redis_keyspace::{KeyArgument, Keyspace, Text};
///
/// #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, KeyArgument)]
/// pub struct UserId(u64);
///
/// #[derive(Debug, Clone, PartialEq, Eq, Hash, KeyArgument)]
/// #[key(alphabet = "a-z0-9", len = 1..=26)]
/// pub struct Org(String);
///
/// #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, KeyArgument)]
/// pub enum Device {
///     Phone,
///     #[key("desk-top")]
///     Desktop,
/// }
///
/// #[derive(Keyspace)]
/// #[keyspace(prefix = "session", ttl = "1d")]
/// pub struct SessionKeys {
///     #[key("{org}_{user}:{device}")]
///     token: fn(org: Org, user: UserId, device: Device) -> Text,
/// }
///
/// let org = Org("acme".into());
/// let key = SessionKeys::token(org, UserId(7), Device::Desktop);
/// assert_eq!(key.as_str(), "session:acme_7:desk-top");
/// ```
///
/// A newtype is written and parsed as the value that it wraps. Enums have only unit variants. A
/// variant is written as its name in `snake_case`. `#[key("text")]` on a variant sets another text
/// of `A-Z`, `a-z`, `0-9`, `_`, `.` and `-`.
///
/// The type must also implement `Debug`, `Clone`, `PartialEq`, `Eq` and `Hash`, because
/// `Parsed<Keyspace>` does.
///
/// # Attributes
///
/// These go into `#[key(..)]` on the type.
///
/// | attribute | on | example | meaning |
/// | --- | --- | --- | --- |
/// | `alphabet` | newtype | `alphabet = "a-z0-9"` | the characters of the values. With an alphabet, more templates are unambiguous, such as `{org}_{app}` |
/// | `len` | newtype | `len = 26` | the length of the values in bytes, or a range: `len = 1..=40`. Default: any length from 1. Requires `alphabet` |
/// | `crate` | newtype, enum | `crate = path` | the path of `redis_keyspace`, if it is not a dependency of that name |
///
/// The derive does not validate the values of a newtype. A command on a key with a value outside
/// of its `alphabet` or `len` fails with `InvalidInput`, and nothing is sent. To validate a string,
/// use `ArgumentClass::contains`: `Org::CLASS.contains(text)`.
#[proc_macro_derive(KeyArgument, attributes(key))]
pub fn derive_key_argument(input: TokenStream) -> TokenStream {
    expand::key_argument(input.into()).into()
}

/// Makes a struct a record, so that `Record<Profile>` is a kind: each field of the struct is a
/// field of a Redis hash.
///
/// ```
/// use redis_keyspace::{Keyspace, Record, Redis};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// pub struct Prefs {
///     dark: bool,
/// }
///
/// #[derive(Debug, PartialEq, Record)]
/// pub struct Profile {
///     name: String,
///     #[record(rename = "n", default)]
///     visits: u64,
///     email: Option<String>,
///     #[record(json)]
///     prefs: Prefs,
/// }
///
/// #[derive(Keyspace)]
/// #[keyspace(prefix = "user", ttl = "30d")]
/// pub struct UserKeys {
///     #[key("{id}:profile")]
///     profile: fn(id: u64) -> Record<Profile>,
/// }
///
/// #[tokio::main]
/// async fn main() -> Result<(), redis_keyspace::Error> {
///     Redis::embedded().install();
///
///     let key = UserKeys::profile(7);
///     let ann = Profile { name: "Ann".into(), visits: 0, email: None, prefs: Prefs { dark: true } };
///     key.save(&ann).await?;
///     assert_eq!(key.incr(Profile::VISITS, 1).await?, 1);
///     let (name, email) = key.get((Profile::NAME, Profile::EMAIL)).await?;
///     assert_eq!((name.as_deref(), email), (Some("Ann"), None));
///     Ok(())
/// }
/// ```
///
/// # Types of fields
///
/// A field is a `String`, `bytes::Bytes`, an integer, `bool`, `f64` or `Uuid` (feature `uuid`), or
/// an `Option` of one of these: `None` is a field that the hash does not have. Any other type needs
/// `json` or `kind`. For these, the derive recognises `Option` by its name.
///
/// # Attributes
///
/// These go into `#[record(..)]`.
///
/// | attribute | on | example | meaning |
/// | --- | --- | --- | --- |
/// | `rename` | field | `rename = "n"` | the name of the field in Redis. Default: the name in the struct |
/// | `alias` | field | `alias = "old_name"` | an earlier name: it is read if the field has no value under its own name, and removed when the field is written. May be repeated |
/// | `default` | field | `default` | a missing field has the value of `Default::default()`, or of an expression: `default = 3` |
/// | `json` | field | `json` | the field is stored as JSON. Its type implements serde's `Serialize` and `Deserialize` |
/// | `kind` | field | `kind = Point` | the single-value kind in which the field is stored |
/// | `ttl` | field | `ttl = "1h"` | the lifetime of the field, which every write of it sets. Requires Redis 7.4 or Valkey 9.0 |
/// | `constant` | field | `constant = NAME_FIELD` | the name of the generated constant, if the struct has another constant of that name |
/// | `rename_all` | struct | `rename_all = "camelCase"` | the case of the names in Redis: `camelCase`, `PascalCase`, `kebab-case` or `SCREAMING_SNAKE_CASE` |
/// | `crate` | struct | `crate = path` | the path of `redis_keyspace`, if it is not a dependency of that name |
///
/// # What is generated
///
/// - An implementation of `kind::RecordFields`, by which records are loaded and saved.
/// - For each field, an associated constant of type `kind::Field<Profile, V>`: `Profile::NAME` for
///   `name`. It is as visible as the field.
#[proc_macro_derive(Record, attributes(record))]
pub fn derive_record(input: TokenStream) -> TokenStream {
    expand::record(input.into()).into()
}

/// Declares a Lua script, or a function of the server, with typed keys, arguments and result.
///
/// ```
/// use redis_keyspace::{Counter, Key, Keyspace, Redis, Script};
/// # use redis_keyspace::embedded::{Reply, ScriptContext, Server};
///
/// #[derive(Keyspace)]
/// #[keyspace(prefix = "shop", ttl = none)]
/// struct ShopKeys {
///     stock: fn(item: u64) -> Counter,
/// }
///
/// /// Takes items from the stock, unless there are too few. Returns how many are left.
/// #[derive(Script)]
/// #[script(
///     source = "
///         local left = tonumber(redis.call('GET', KEYS[1]) or '0') - tonumber(ARGV[1])
///         if left < 0 then return false end
///         redis.call('SET', KEYS[1], left)
///         return left",
///     returns = Option<u64>
/// )]
/// struct TakeStock {
///     stock: Key<ShopKeys, Counter>,
///     #[script(arg)]
///     amount: u64,
/// }
///
/// # fn native(script: &mut ScriptContext<'_, '_>, keys: &[bytes::Bytes], arguments: &[bytes::Bytes]) -> Reply {
/// #     let Reply::Bulk(stock) = script.call(&[&b"GET"[..], &keys[0]]) else { return Reply::Nil };
/// #     let left = ScriptContext::number(&stock).unwrap() - ScriptContext::number(&arguments[0]).unwrap();
/// #     if left < 0.0 {
/// #         return Reply::Nil;
/// #     }
/// #     script.call(&[&b"SET"[..], &keys[0], left.to_string().as_bytes()]);
/// #     Reply::Integer(left as i64)
/// # }
/// # use redis_keyspace::bytes;
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
/// # let server = Server::new();
/// # server.register_script(TakeStock::SOURCE, native);
/// # let redis = Redis::with_embedded_server(server).install();
/// ShopKeys::stock(7).set(5).await?;
/// assert_eq!(TakeStock { stock: ShopKeys::stock(7), amount: 3 }.run().await?, Some(2));
/// assert_eq!(TakeStock { stock: ShopKeys::stock(7), amount: 3 }.run().await?, None);
/// # Ok(()) }
/// ```
///
/// The derive implements the trait `Script` and adds the method `run`. It returns a `Command`, so
/// that a script can be part of a batch or transaction. The struct may have lifetimes and type
/// parameters.
///
/// # Fields
///
/// A field without attribute is a key, or a `Vec`, an array or a tuple of keys. The script finds
/// them in `KEYS`, in the order of the fields. A script must use no other keys. On a cluster, all
/// keys must be in one slot, which is checked before anything is sent.
///
/// A field with `#[script(arg)]` is an argument: an integer, `f64`, `bool`, a string or bytes. The
/// script finds them in `ARGV`, as strings, in the order of the fields. `#[script(arg =
/// Json<Order>)]` encodes the field as a value of this kind.
///
/// # Attributes
///
/// | attribute | example | meaning |
/// | --- | --- | --- |
/// | `source` | `source = "return 1"` | the text of the script: a string literal or a constant |
/// | `file` | `file = "take_stock.lua"` | the file with the text, relative to the source file |
/// | `function` | `function = "take_stock"` | the name of a function that the server has, instead of a text. See `Redis::load_functions` |
/// | `returns` | `returns = Option<i64>` | the result: a single-value kind, `f64`, or an `Option`, a `Vec` or a tuple of such. `()`, the default, ignores the result |
/// | `read_only` | `read_only` | the script only reads: it may run on replicas and is repeated after a lost connection. Servers since 7.0 reject writes in it |
/// | `crate` | `crate = path` | the path of `redis_keyspace`, if it is not a dependency of that name |
///
/// # Compile errors
///
/// A text that is empty, or uses `KEYS[n]` or `ARGV[n]` with a number that no field provides, does
/// not compile.
#[proc_macro_derive(Script, attributes(script))]
pub fn derive_script(input: TokenStream) -> TokenStream {
    expand::script(input.into()).into()
}

/// Implements `SingleValue`, so that a newtype or an enum can be the kind of a key, and the element
/// of a collection.
///
/// ```
/// use redis_keyspace::{Hash, Keyspace, Redis, Set, SingleValue};
///
/// #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, SingleValue)]
/// pub struct UserId(u64);
///
/// #[derive(Debug, Clone, PartialEq, Eq, Hash, SingleValue)]
/// pub struct Slug(String);
///
/// #[derive(Debug, Clone, Copy, PartialEq, Eq, SingleValue)]
/// pub enum Plan {
///     Free,
///     #[value(rename = "pro-2")]
///     Professional,
/// }
///
/// #[derive(Keyspace)]
/// #[keyspace(prefix = "org", ttl = "1d")]
/// pub struct OrgKeys {
///     #[key("{org}:plan")]
///     plan: fn(org: u64) -> Plan,
///     #[key("{org}:members")]
///     members: fn(org: u64) -> Set<UserId>,
///     #[key("{org}:flags")]
///     flags: fn(org: u64) -> Hash<Slug, bool>,
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
/// # Redis::embedded().scope(async {
/// // Stored as `pro-2`.
/// OrgKeys::plan(1).set(&Plan::Professional).await?;
/// assert_eq!(OrgKeys::plan(1).get().await?, Some(Plan::Professional));
/// OrgKeys::members(1).sadd(&UserId(7)).await?;
/// OrgKeys::flags(1).hset(&Slug("beta".into()), &true).await?;
/// # Ok(()) }).await }
/// ```
///
/// A newtype is stored as the value that it wraps: an integer, a `bool`, a `String`, bytes, a
/// `Uuid`, or another type with this derive. An enum has only unit variants. A variant is stored as
/// its name in `snake_case`; `#[value(rename = "text")]` on it sets another text. Reading any other
/// text is a `Decode` error.
///
/// For other types, derive serde's traits and write the kind `Json<YourType>`.
///
/// # Attributes
///
/// | attribute | on | example | meaning |
/// | --- | --- | --- | --- |
/// | `rename` | variant | `#[value(rename = "text")]` | the text of the variant |
/// | `crate` | newtype, enum | `#[value(crate = path)]` | the path of `redis_keyspace`, if it is not a dependency of that name |
#[proc_macro_derive(SingleValue, attributes(value))]
pub fn derive_single_value(input: TokenStream) -> TokenStream {
    expand::single_value(input.into()).into()
}
