//! Keys of any keyspaces and kinds, as one argument.

use crate::client::Redis;
use crate::error::{Error, Result};
use crate::key::KeyText;
use crate::protocol::Keys;
use crate::schema::{Key, Keyspace, KeyspaceMeta, TemplateMeta};

/// One key, or several keys of any keyspaces and kinds: a key, a tuple of up to 8, a `Vec`, an
/// array, a slice, or an `Option`, and references to these. Items of a tuple can again be such
/// groups.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a key or a group of keys",
    label = "expected a key such as `CartKeys::user(7)`, or a tuple, `Vec` or array of keys"
)]
pub trait KeyGroup: sealed::SealedKeyGroup {
    /// The number of keys, if the type determines it.
    #[doc(hidden)]
    const COUNT: Option<usize>;

    /// Adds all keys to the list.
    #[doc(hidden)]
    fn add_to(&self, keys: &mut KeysOfGroup);
}

mod sealed {
    pub trait SealedKeyGroup {}
}

/// The keys of a group.
#[doc(hidden)]
#[derive(Default)]
pub struct KeysOfGroup {
    pub(super) texts: Vec<KeyText>,
    pub(super) keyspaces: Vec<&'static KeyspaceMeta>,
    pub(super) templates: Vec<&'static TemplateMeta>,
    handles: Vec<Option<Redis>>,
}

impl KeysOfGroup {
    pub(super) fn of(group: &impl KeyGroup) -> Self {
        let mut keys = Self::default();
        group.add_to(&mut keys);
        keys
    }

    /// Returns the keys as those of a command.
    pub(super) fn keys(&self) -> Keys {
        match self.texts.as_slice() {
            [] => Keys::None,
            [key] => Keys::One(key.clone()),
            keys => Keys::Many(keys.to_vec()),
        }
    }

    /// Returns the keyspace of the first key, and those of the others that differ from it.
    pub(super) fn by_keyspace(&self) -> (Option<&'static KeyspaceMeta>, Vec<&'static KeyspaceMeta>) {
        let mut others: Vec<&'static KeyspaceMeta> = Vec::new();
        let first = self.keyspaces.first().copied();
        for keyspace in &self.keyspaces {
            if !first.iter().chain(&others).any(|known| std::ptr::eq(*known, *keyspace)) {
                others.push(keyspace);
            }
        }
        (first, others)
    }

    /// Fails if a key has another handle than this one.
    pub(super) fn check_handle(&self, redis: &Redis) -> Result<()> {
        match self.handles.iter().flatten().find(|handle| !handle.is_same(redis)) {
            Some(_) => Err(Error::invalid_input(
                "a key is on another handle (`.on(..)`) than the operation; nothing was sent",
            )),
            None => Ok(()),
        }
    }

    pub(super) fn into_handles(self) -> Vec<Option<Redis>> {
        self.handles
    }
}

impl std::fmt::Debug for KeysOfGroup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeysOfGroup").field("keys", &self.texts.len()).finish_non_exhaustive()
    }
}

impl<S: Keyspace, V> sealed::SealedKeyGroup for Key<S, V> {}

impl<S: Keyspace, V> KeyGroup for Key<S, V> {
    const COUNT: Option<usize> = Some(1);

    fn add_to(&self, keys: &mut KeysOfGroup) {
        keys.texts.push(self.text());
        keys.keyspaces.push(S::META);
        keys.templates.push(self.template());
        keys.handles.push(self.redis());
    }
}

impl<G: KeyGroup + ?Sized> sealed::SealedKeyGroup for &G {}

impl<G: KeyGroup + ?Sized> KeyGroup for &G {
    const COUNT: Option<usize> = G::COUNT;

    fn add_to(&self, keys: &mut KeysOfGroup) {
        G::add_to(self, keys);
    }
}

macro_rules! lists {
    ($($list:ty),+) => {$(
        impl<G: KeyGroup> sealed::SealedKeyGroup for $list {}

        impl<G: KeyGroup> KeyGroup for $list {
            const COUNT: Option<usize> = None;

            fn add_to(&self, keys: &mut KeysOfGroup) {
                self.iter().for_each(|group| group.add_to(keys));
            }
        }
    )+};
}

lists!(Vec<G>, [G], Option<G>);

impl<G: KeyGroup, const N: usize> sealed::SealedKeyGroup for [G; N] {}

impl<G: KeyGroup, const N: usize> KeyGroup for [G; N] {
    const COUNT: Option<usize> = match G::COUNT {
        Some(count) => Some(count * N),
        None => None,
    };

    fn add_to(&self, keys: &mut KeysOfGroup) {
        self.iter().for_each(|group| group.add_to(keys));
    }
}

macro_rules! tuples {
    ($($($group:ident $value:ident),+;)+) => {$(
        impl<$($group: KeyGroup),+> sealed::SealedKeyGroup for ($($group,)+) {}

        impl<$($group: KeyGroup),+> KeyGroup for ($($group,)+) {
            const COUNT: Option<usize> = {
                let mut count = Some(0);
                $(count = sum(count, $group::COUNT);)+
                count
            };

            fn add_to(&self, keys: &mut KeysOfGroup) {
                let ($($value,)+) = self;
                $($value.add_to(keys);)+
            }
        }
    )+};
}

/// Adds two numbers of keys.
const fn sum(one: Option<usize>, other: Option<usize>) -> Option<usize> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one + other),
        _ => None,
    }
}

tuples! {
    A a;
    A a, B b;
    A a, B b, C c;
    A a, B b, C c, D d;
    A a, B b, C c, D d, E e;
    A a, B b, C c, D d, E e, F f;
    A a, B b, C c, D d, E e, F f, G g;
    A a, B b, C c, D d, E e, F f, G g, H h;
}
