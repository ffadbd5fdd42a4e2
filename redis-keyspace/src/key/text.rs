//! The text of a finished key.

use std::sync::Arc;

use super::companion::Companion;
use super::generation;
use super::reserved::reserved_text;
use crate::error::{Error, Result};

/// The text of a key. Cloning it never allocates.
#[derive(Clone)]
pub(crate) enum KeyText {
    /// The key of a template without arguments.
    Static(&'static str),
    Shared(Arc<str>),
    /// A key that no command may use: a verbatim argument makes it look like one of the library's
    /// own keys, or an argument is invalid for its type.
    Unusable(Arc<str>),
    /// A key followed by the generations of its groups; `own` is the length of the key itself.
    Member {
        text: Arc<str>,
        own: u32,
    },
}

impl KeyText {
    /// Returns the name of a companion key in this namespace.
    pub(crate) fn of_companion(companion: Companion, namespace: &str, key: &str) -> Self {
        let mut name = String::new();
        companion.name(namespace, key, &mut |parts| name.extend(parts.iter().copied()));
        Self::Shared(name.strip_prefix(namespace).unwrap_or(&name).into())
    }

    #[inline]
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Static(text) => text,
            Self::Shared(text) | Self::Unusable(text) | Self::Member { text, .. } => text,
        }
    }

    /// Fails if no command may run on this name.
    #[inline]
    pub(crate) fn check(&self) -> Result<()> {
        if let Self::Unusable(text) = self { Err(unusable(text)) } else { Ok(()) }
    }

    /// Returns the key itself, without generations.
    #[inline]
    pub(crate) fn own(&self) -> &str {
        let text = self.as_str();
        match self {
            Self::Member { own, .. } => {
                usize::try_from(*own).ok().and_then(|own| text.get(..own)).unwrap_or(text)
            }
            Self::Static(_) | Self::Shared(_) | Self::Unusable(_) => text,
        }
    }

    /// Returns the same key in this generation of a group.
    pub(crate) fn in_generation(&self, generation: u64) -> Self {
        if matches!(self, Self::Unusable(_)) {
            return self.clone();
        }
        let own = u32::try_from(self.own().len()).unwrap_or(u32::MAX);
        Self::Member { text: generation::name(self.as_str(), generation).into(), own }
    }
}

#[cold]
fn unusable(key: &str) -> Error {
    let Some(text) = reserved_text(key) else {
        return Error::invalid_input(
            "the key has an argument with characters or a length that its type forbids (`#[key(alphabet = .., len = ..)]`): \
             validate input with `CLASS.contains(..)`",
        );
    };
    Error::invalid_input(format!(
        "the key contains `{text}`, which marks the library's own keys: a `Raw` argument must not contain it; use `redis.raw` \
         for an existing key with this name"
    ))
}
