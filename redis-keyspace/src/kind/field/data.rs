//! A field of a record as data.

/// A field of a record, as data.
#[doc(hidden)]
#[derive(Debug)]
pub struct FieldMeta {
    pub(crate) name: &'static str,
    /// Earlier names, which are read if the field has no value under its own.
    pub(crate) aliases: &'static [&'static str],
    /// The lifetime in milliseconds that every write gives to the field.
    pub(crate) ttl: Option<u64>,
}

impl FieldMeta {
    #[must_use]
    pub const fn new(name: &'static str, aliases: &'static [&'static str]) -> Self {
        Self { name, aliases, ttl: None }
    }

    /// Sets the lifetime that the attribute declares.
    #[must_use]
    pub const fn expiring(self, millis: u64) -> Self {
        Self { ttl: Some(millis), ..self }
    }

    /// Returns the name and the aliases.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }
}
