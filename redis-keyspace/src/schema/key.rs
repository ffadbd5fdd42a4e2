//! Typed keys.

use std::any::Any;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::declared::Keyspace;
use super::template::TemplateMeta;
use crate::error::{Error, Result, short_name};
use crate::key::{KeyArgument, KeyText, KeyWriter, slot};

/// The handle of a key, with its type erased. Users store keys in maps and sets. Without the
/// erasure, a lint against interior mutability in map keys would find the handle in every key.
#[derive(Clone)]
pub(crate) struct Pinned(pub(crate) Arc<dyn Any + Send + Sync>);

/// A key of the keyspace `S` with a value of kind `V`.
///
/// The constructors of a keyspace create keys. Creating a key does no I/O and allocates once;
/// cloning it does not allocate. The kind decides which operations a key has; they are the methods
/// below. A key prints as it is stored in Redis, without the application namespace.
/// [`Redis::wire_key`](crate::Redis::wire_key) returns the key with the namespace.
///
/// ```
/// use redis_keyspace::{Keyspace, Redis, Text};
///
/// #[derive(Keyspace)]
/// #[keyspace(prefix = "user", ttl = "1h")]
/// struct UserKeys {
///     #[key("name:{login}")]
///     name: fn(login: &str) -> Text,
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_keyspace::Error> {
/// # Redis::embedded().scope(async {
/// let key = UserKeys::name("ann");
/// key.set("Ann").await?;
/// assert_eq!(key.get().await?.as_deref(), Some("Ann"));
/// key.del().await?;
///
/// // Arguments are escaped, so two different keys never have the same name.
/// assert_eq!(UserKeys::name("a:b").to_string(), "user:name:a%3Ab");
/// # Ok(()) }).await }
/// ```
///
/// # Operations
///
/// | kind | operations |
/// | --- | --- |
/// | `Json<T>`, `Text`, `Bytes`, integers, `bool` | [`get`](Key::get), [`set`](Key::set), [`get_set`](Key::get_set), [`get_del`](Key::get_del), [`get_ex`](Key::get_ex), [`strlen`](Key::strlen) |
/// | the same, cached | [`get_or_set`](Key::get_or_set), [`try_get_or_set`](Key::try_get_or_set), [`get_or_set_optional`](Key::get_or_set_optional), [`try_get_or_set_optional`](Key::try_get_or_set_optional), [`get_or_set_many`](Key::get_or_set_many), [`try_get_or_set_many`](Key::try_get_or_set_many) |
/// | `Hash`, `List`, `Record`, `Set`, `SortedSet` with `fills = true` | the same four, without `_many`; for a `Hash`, [`hget_or_set_many`](Key::hget_or_set_many); see [caching](crate::guide::caching#collections) |
/// | single values, atomically | [`update`](Key::update), [`update_or_insert`](Key::update_or_insert), [`update_with`](Key::update_with) |
/// | single values, many at once | [`get_many`](Key::get_many), [`set_many`](Key::set_many) |
/// | `Json<T>`, by other names | [`get_json`](Key::get_json), [`set_json`](Key::set_json), [`get_or_set_json`](Key::get_or_set_json) |
/// | `Bytes`, in parts | [`get_range`](Key::get_range), [`set_range`](Key::set_range), [`append`](Key::append) |
/// | `Counter` | [`incr`](Key::incr), [`incr_by`](Key::incr_by), [`decr`](Key::decr), [`decr_by`](Key::decr_by); `get`, `set`, `get_set`, `get_del`, `get_ex`, `get_many` |
/// | `List<T>`, `Set<T>`, `SortedSet<T>`, `Hash<F, V>` | see [`List`](crate::List), [`Set`](crate::Set), [`SortedSet`](crate::SortedSet), [`Hash`](crate::Hash) |
/// | `Record<T>` | [`load`](Key::load), [`save`](Key::save), `update`, and single fields; see [`Record`](struct@crate::Record) |
/// | `Bitmap`, `HyperLogLog<T>`, `Geo<T>` | see [`Bitmap`](crate::Bitmap), [`HyperLogLog`](crate::HyperLogLog), [`Geo`](crate::Geo) |
/// | `Channel<T>` | [`publish`](Key::publish), [`subscribe`](Key::subscribe), [`subscribers`](Key::subscribers) |
/// | `Stream<T>` | [`xadd`](Key::xadd), [`xrange`](Key::xrange), [`xread`](Key::xread), [`tail`](Key::tail), [`group`](Key::group); see [`Stream`](crate::Stream) |
/// | `Lock` | [`lock`](Key::lock), [`try_lock`](Key::try_lock), [`with_lock`](Key::with_lock), [`is_locked`](Key::is_locked) |
/// | `RateLimit` | [`check`](Key::check), [`peek`](Key::peek), [`allow_at_most`](Key::allow_at_most) |
/// | `Once<V>` | [`run`](Key::run), [`try_run`](Key::try_run), [`result`](Key::result) |
/// | `Group` | [`member`](Key::member), [`invalidate`](Key::invalidate) |
/// | every kind except `Channel` | [`del`](Key::del), [`exists`](Key::exists), [`ttl`](Key::ttl), [`expire`](Key::expire), [`expire_at`](Key::expire_at), [`persist`](Key::persist), [`expire_time`](Key::expire_time), [`touch`](Key::touch), [`object_encoding`](Key::object_encoding), [`idle_time`](Key::idle_time), [`memory_usage`](Key::memory_usage), [`del_many`](Key::del_many), [`raw`](Key::raw) |
/// | kinds that hold values or elements: all but `Channel`, `Lock`, `RateLimit`, `Group` and `Once` | [`rename`](Key::rename), [`rename_if_absent`](Key::rename_if_absent), [`copy`](Key::copy), [`dump`](Key::dump), [`restore`](Key::restore) |
/// | no I/O | [`as_str`](Key::as_str), [`as_bytes`](Key::as_bytes), [`arguments`](Key::arguments), [`template`](Key::template), [`slot`](Key::slot), [`wire_key`](Key::wire_key), [`on`](Key::on) |
///
/// For the keys of a template as a whole, such as all carts, see
/// [patterns](crate::scan::Pattern).
#[must_use = "a key does nothing by itself: call an operation on it and await that"]
pub struct Key<S, V> {
    text: KeyText,
    template: &'static TemplateMeta,
    /// The handle that its commands use, if one was set.
    pinned: Option<Pinned>,
    types: PhantomData<fn() -> (S, V)>,
}

impl<S: Keyspace, V> Key<S, V> {
    /// Returns the typed arguments of the key, as [`parse`](Keyspace::parse) returns them. For a
    /// [member](Self::member) of a group, these are the arguments of the key itself.
    ///
    /// Returns `None` for:
    ///
    /// - a template with `parse = false`;
    /// - a newtype with a value outside of its alphabet;
    /// - a [`Raw`](crate::Raw) argument that contains a reserved text;
    /// - an argument whose custom `KeyArgument` cannot parse what it writes.
    #[must_use]
    pub fn arguments(&self) -> Option<S::Parsed> {
        S::parse(self.text.own()).ok()
    }
}

impl<S, V> Key<S, V> {
    pub(crate) fn of(text: KeyText, template: &'static TemplateMeta) -> Self {
        Self { text, template, pinned: None, types: PhantomData }
    }

    pub(crate) fn pinned(&self) -> Option<&Pinned> {
        self.pinned.as_ref()
    }

    pub(crate) fn pin(mut self, handle: Pinned) -> Self {
        self.pinned = Some(handle);
        self
    }

    /// Adds the command and this key to an error.
    pub(crate) fn explain(&self, command: &'static str, error: Error) -> Error {
        error.about(command, Some(self.template.name()), Some(self.as_str()))
    }

    #[doc(hidden)]
    #[inline]
    pub fn from_static(template: &'static TemplateMeta, text: &'static str) -> Self {
        Self::of(KeyText::Static(text), template)
    }

    /// Returns the text of the key as it is stored in Redis, without the application namespace.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.text.as_str()
    }

    /// Returns the bytes of the key as it is stored in Redis, without the application namespace.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.as_str().as_bytes()
    }

    /// Returns the cluster slot of the key, from 0 to 16,383. Keys with the same [hash tag] are in
    /// the same slot.
    ///
    /// On a cluster, a transaction can use only keys in the same slot. Otherwise it fails with
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput), and nothing is sent. A namespace changes
    /// the slot of a key that has no hash tag.
    ///
    /// Templates with the same `hash_tag` share a slot by construction:
    ///
    /// ```
    /// # use redis_keyspace::{Counter, Keyspace, Text};
    /// #[derive(Keyspace)]
    /// #[keyspace(prefix = "cart", ttl = "1h")]
    /// struct CartKeys {
    ///     #[key("user:{id}", hash_tag = id)]
    ///     user: fn(id: u64) -> Text,
    ///     #[key("user:{id}:views", hash_tag = id)]
    ///     views: fn(id: u64) -> Counter,
    /// }
    ///
    /// assert_eq!(CartKeys::views(7).as_str(), "cart:user:{7}:views");
    /// assert_eq!(CartKeys::user(7).slot(), CartKeys::views(7).slot());
    /// ```
    ///
    /// [hash tag]: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags
    #[must_use]
    pub fn slot(&self) -> u16 {
        slot(self.as_str())
    }

    /// Returns the template of the key.
    #[must_use]
    pub fn template(&self) -> &'static TemplateMeta {
        self.template
    }

    /// Returns the same key with another kind.
    pub(crate) fn of_kind<W>(&self) -> Key<S, W> {
        Key { pinned: self.pinned.clone(), ..Key::of(self.text.clone(), self.template) }
    }

    /// Fails if no operation may use the key.
    pub(crate) fn check_name(&self) -> Result<()> {
        self.text.check()
    }

    pub(crate) fn text(&self) -> KeyText {
        self.text.clone()
    }

    /// Returns the same key in this generation of a group.
    pub(crate) fn in_generation(&self, generation: u64) -> Self {
        Self { pinned: self.pinned.clone(), ..Self::of(self.text.in_generation(generation), self.template) }
    }
}

// Manual implementations: derived ones would put bounds on the marker types.

impl<S, V> Clone for Key<S, V> {
    fn clone(&self) -> Self {
        self.of_kind()
    }
}

impl<S, V> PartialEq for Key<S, V> {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl<S, V> Eq for Key<S, V> {}

impl<S, V> PartialOrd for Key<S, V> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<S, V> Ord for Key<S, V> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl<S, V> Hash for Key<S, V> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl<S, V> fmt::Display for Key<S, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl<S, V> fmt::Debug for Key<S, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&short_name(self.as_str())).finish()
    }
}

/// Serializes as the text of the key, without the application namespace.
impl<S, V> Serialize for Key<S, V> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<S, V> AsRef<str> for Key<S, V> {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

/// Builds a key. A generated constructor is one chain of calls on it.
#[doc(hidden)]
#[derive(Debug)]
pub struct KeyBuilder {
    writer: KeyWriter,
    template: &'static TemplateMeta,
}

impl KeyBuilder {
    /// Starts the key of a template with the text before its first argument.
    #[inline]
    #[must_use]
    pub fn new(template: &'static TemplateMeta, start: &'static str) -> Self {
        let mut writer = KeyWriter::new();
        writer.verbatim(start);
        Self { writer, template }
    }

    /// Adds an argument and the text after it.
    #[inline]
    #[must_use]
    pub fn argument<A: KeyArgument + ?Sized>(mut self, argument: &A, after: &'static str) -> Self {
        self.writer.argument(argument);
        self.writer.verbatim(after);
        self
    }

    #[inline]
    pub fn finish<S: Keyspace, V>(self) -> Key<S, V> {
        Key::of(self.writer.finish(), self.template)
    }
}
