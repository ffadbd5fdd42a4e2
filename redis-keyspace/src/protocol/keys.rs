//! The keys of a command.

use std::borrow::Cow;

use crate::error::Result;
use crate::key::{Companion, KeyText};

/// The keys of a command.
#[derive(Clone)]
pub(crate) enum Keys {
    None,
    One(KeyText),
    Many(Vec<KeyText>),
    /// The companions of these keys, without the keys themselves.
    CompanionsOf(Vec<KeyText>, Companion),
    /// The companion of one key.
    CompanionOf(KeyText, Companion),
    /// A key, its companion, and possibly one more key: the keys of a script.
    With(KeyText, Companion, Option<Box<KeyText>>),
    /// Several keys, followed by the companion of each: the keys of a script.
    Pairs(Vec<KeyText>, Companion),
    /// The key that a command writes, and then those that it reads.
    Into(Vec<KeyText>, KeyCount),
}

/// Whether the number of the keys that a command reads precedes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyCount {
    Sent,
    Implied,
}

impl Keys {
    #[inline]
    pub(crate) fn as_slice(&self) -> &[KeyText] {
        match self {
            Self::None => &[],
            Self::One(key) | Self::CompanionOf(key, _) | Self::With(key, ..) => std::slice::from_ref(key),
            Self::Many(keys) | Self::CompanionsOf(keys, _) | Self::Pairs(keys, _) | Self::Into(keys, _) => {
                keys
            }
        }
    }

    /// Returns a key that is used together with its companion, if the companion is in another slot
    /// of a cluster. In a transaction, another command may use the key itself.
    pub(super) fn apart_from_companion(&self, in_transaction: bool) -> Option<&KeyText> {
        let uses_both = match self {
            Self::With(..) | Self::Pairs(..) => true,
            Self::CompanionOf(..) | Self::CompanionsOf(..) => in_transaction,
            Self::None | Self::One(_) | Self::Many(_) | Self::Into(..) => false,
        };
        if !uses_both {
            return None;
        }
        self.as_slice().iter().find(|key| !Companion::shares_slot(key.as_str()))
    }

    /// Returns the same keys without a number between them, as a script receives them.
    pub(super) fn without_count(&self) -> Cow<'_, Self> {
        match self {
            Self::Into(keys, KeyCount::Sent) => Cow::Owned(Self::Into(keys.clone(), KeyCount::Implied)),
            keys => Cow::Borrowed(keys),
        }
    }

    /// Fails if a key has a name that is reserved for the library.
    #[inline]
    pub(crate) fn check_names(&self) -> Result<()> {
        match self {
            // The usual case needs no loop.
            Self::One(key) => key.check(),
            keys => keys.as_slice().iter().try_for_each(KeyText::check),
        }
    }

    /// The number of words that [`visit`](Self::visit) visits.
    #[inline]
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::With(_, _, other) => 2 + usize::from(other.is_some()),
            Self::Pairs(keys, _) => 2 * keys.len(),
            Self::Into(keys, KeyCount::Sent) => 1 + keys.len(),
            keys => keys.as_slice().len(),
        }
    }

    /// The approximate size of the names, in bytes. The name of a companion repeats the name of its
    /// key.
    #[inline]
    pub(super) fn length(&self) -> usize {
        // The usual case needs no loop.
        if let Self::One(key) = self {
            return key.as_str().len();
        }
        let keys: usize = self.as_slice().iter().map(|key| key.as_str().len()).sum();
        match self {
            Self::None | Self::One(_) | Self::Many(_) | Self::Into(..) => keys,
            Self::CompanionOf(..) | Self::CompanionsOf(..) => 2 * keys,
            Self::With(_, _, other) => 3 * keys + other.as_ref().map_or(0, |other| other.as_str().len()),
            Self::Pairs(..) => 3 * keys,
        }
    }

    /// Iterates over all keys that are used directly or through a companion.
    #[inline]
    pub(super) fn iter(&self) -> impl Iterator<Item = &KeyText> {
        let other = if let Self::With(_, _, other) = self { other.as_deref() } else { None };
        self.as_slice().iter().chain(other)
    }

    /// Visits the key names as they are sent, each in parts, and a number of keys between them.
    pub(crate) fn visit(&self, namespace: &str, each: &mut dyn FnMut(&[&str])) {
        match self {
            Self::None => {}
            Self::Into(keys, KeyCount::Sent) => {
                for (nth, key) in keys.iter().enumerate() {
                    each(&[namespace, key.as_str()]);
                    if nth == 0 {
                        each(&[itoa::Buffer::new().format(keys.len() - 1)]);
                    }
                }
            }
            Self::One(_) | Self::Many(_) | Self::Into(_, KeyCount::Implied) => {
                self.as_slice().iter().for_each(|key| each(&[namespace, key.as_str()]));
            }
            Self::CompanionOf(key, companion) => companion.name(namespace, key.as_str(), each),
            Self::CompanionsOf(keys, companion) => {
                keys.iter().for_each(|key| companion.name(namespace, key.as_str(), each));
            }
            Self::With(key, companion, other) => {
                each(&[namespace, key.as_str()]);
                companion.name(namespace, key.as_str(), each);
                other.iter().for_each(|other| each(&[namespace, other.as_str()]));
            }
            Self::Pairs(keys, companion) => {
                keys.iter().for_each(|key| each(&[namespace, key.as_str()]));
                keys.iter().for_each(|key| companion.name(namespace, key.as_str(), each));
            }
        }
    }
}
