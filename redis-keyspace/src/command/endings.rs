//! The fills that a write of many keys ends.

use crate::key::KeyText;
use crate::protocol::{Packet, Request};
use crate::schema::Key;

/// The keys of a write whose fills it must end. Some of its keys may have a template without fills.
#[derive(Default)]
pub(super) struct Endings {
    keys: Vec<KeyText>,
    keep_copies: bool,
}

impl Endings {
    pub(super) fn of<'k, S: 'k, V: 'k>(keys: impl IntoIterator<Item = &'k Key<S, V>>) -> Self {
        let mut endings = Self::default();
        keys.into_iter().for_each(|key| endings.add(key));
        endings
    }

    pub(super) fn add<S, V>(&mut self, key: &Key<S, V>) {
        let template = key.template();
        if template.ends_fills() {
            self.keys.push(key.text());
            self.keep_copies |= template.keeps_copies();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Returns the request of the commands that write.
    pub(super) fn before(self, packets: Vec<Packet>) -> Request {
        Request::ending_fills(packets, &self.keys, self.keep_copies)
    }
}
