//! Keyspace notifications: which events are sent, and the events of a database that are not sent
//! yet.

use bytes::Bytes;

/// A set of classes of events, and of the ways to send them: the setting `notify-keyspace-events`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct EventClasses(u16);

impl EventClasses {
    pub(crate) const GENERIC: Self = Self(1);
    pub(crate) const STRING: Self = Self(1 << 1);
    pub(crate) const LIST: Self = Self(1 << 2);
    pub(crate) const SET: Self = Self(1 << 3);
    pub(crate) const HASH: Self = Self(1 << 4);
    pub(crate) const SORTED_SET: Self = Self(1 << 5);
    pub(crate) const EXPIRED: Self = Self(1 << 6);
    /// This server never evicts keys.
    const EVICTED: Self = Self(1 << 7);
    pub(crate) const STREAM: Self = Self(1 << 8);
    /// This server has no modules.
    const MODULE: Self = Self(1 << 9);
    /// A key was created.
    pub(crate) const NEW: Self = Self(1 << 10);
    /// A read command did not find its key.
    pub(crate) const MISS: Self = Self(1 << 11);
    /// Sends the events of a key to the channel of the key.
    pub(crate) const KEYSPACE: Self = Self(1 << 12);
    /// Sends the key to the channel of the event.
    pub(crate) const KEYEVENT: Self = Self(1 << 13);

    /// The classes that `A` stands for, and their letters.
    const COMMON: [(u8, Self); 10] = [
        (b'g', Self::GENERIC),
        (b'$', Self::STRING),
        (b'l', Self::LIST),
        (b's', Self::SET),
        (b'h', Self::HASH),
        (b'z', Self::SORTED_SET),
        (b'x', Self::EXPIRED),
        (b'e', Self::EVICTED),
        (b't', Self::STREAM),
        (b'd', Self::MODULE),
    ];

    const OTHER: [(u8, Self); 4] =
        [(b'n', Self::NEW), (b'K', Self::KEYSPACE), (b'E', Self::KEYEVENT), (b'm', Self::MISS)];

    /// Parses the letters of the setting.
    pub(crate) fn parse(letters: &[u8]) -> Option<Self> {
        letters.iter().try_fold(Self::default(), |classes, letter| {
            if *letter == b'A' {
                return Some(Self::COMMON.iter().fold(classes, |classes, (_, class)| classes.with(*class)));
            }
            let mut known = Self::COMMON.iter().chain(&Self::OTHER);
            known.find(|(known, _)| known == letter).map(|(_, class)| classes.with(*class))
        })
    }

    /// Returns the setting as CONFIG GET shows it. As on a real server, `A` hides `n`.
    pub(crate) fn show(self) -> String {
        let is_all = Self::COMMON.iter().all(|(_, class)| self.contains(*class));
        let shown = |(letter, class): &&(u8, Self)| {
            let is_hidden =
                is_all && (*class == Self::NEW || Self::COMMON.iter().any(|(known, _)| known == letter));
            self.contains(*class) && !is_hidden
        };
        let letters = Self::COMMON.iter().chain(&Self::OTHER).filter(shown);
        is_all.then_some('A').into_iter().chain(letters.map(|(letter, _)| char::from(*letter))).collect()
    }

    pub(crate) fn contains(self, class: Self) -> bool {
        self.0 & class.0 != 0
    }

    fn with(self, class: Self) -> Self {
        Self(self.0 | class.0)
    }

    /// Whether events of keys and hash fields that expire are sent.
    pub(crate) fn notify_expiry(self) -> bool {
        self.is_active() && self.contains(Self(Self::EXPIRED.0 | Self::HASH.0))
    }

    /// Whether events are sent at all.
    pub(crate) fn is_active(self) -> bool {
        self.contains(Self(Self::KEYSPACE.0 | Self::KEYEVENT.0))
    }
}

/// What happened to a key.
#[derive(Clone, Debug)]
pub(crate) struct Notice {
    pub(crate) event: &'static str,
    pub(crate) key: Bytes,
}

/// The events of a database that are not sent yet.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    wanted: EventClasses,
    queue: Vec<Notice>,
}

impl Notices {
    /// Sets which events are recorded from now on.
    pub(crate) fn want(&mut self, classes: EventClasses) {
        self.wanted = if classes.is_active() { classes } else { EventClasses::default() };
    }

    pub(crate) fn record(&mut self, class: EventClasses, event: &'static str, key: &[u8]) {
        if self.wanted.contains(class) {
            self.queue.push(Notice { event, key: Bytes::copy_from_slice(key) });
        }
    }

    pub(crate) fn take(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.queue)
    }
}

#[cfg(test)]
mod tests {
    use super::EventClasses;

    #[test]
    fn the_letters_are_those_of_a_real_server() {
        for (letters, shown) in
            [("", ""), ("KEAn", "AKE"), ("mKgn$", "g$nKm"), ("g$lszhxetd", "A"), ("Elg", "glE")]
        {
            let classes = EventClasses::parse(letters.as_bytes()).unwrap();
            assert_eq!(classes.show(), shown, "{letters}");
        }
        assert_eq!(EventClasses::parse(b"Kq"), None);
        assert!(!EventClasses::parse(b"A").unwrap().is_active());
    }
}
