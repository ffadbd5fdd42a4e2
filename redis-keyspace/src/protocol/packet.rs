//! A single command. Its keys are stored separately, because the namespace is added when it is
//! sent.

use super::args::{Args, write_bulk, write_length};
use super::key_lifetime::KeyLifetime;
use super::keys::Keys;
use super::script::PacketScript;
use super::script_form::ScriptForm;
use super::sizes::SizeLimits;
use super::wire_buffer::WireBuffer;
use crate::error::{Error, Result};
use crate::key::Companion;

/// A single command: its name, arguments, keys, and more arguments.
#[derive(Clone)]
pub(crate) struct Packet {
    pub(crate) name: &'static str,
    /// Arguments before the keys, such as a script.
    pub(crate) head: Option<Box<Args>>,
    pub(crate) keys: Keys,
    pub(crate) args: Args,
    /// Whether the library added the command to those of the caller. Only an error in its reply
    /// matters.
    pub(crate) aside: bool,
    /// The position of the declared TTL, if the command sets one.
    pub(crate) lifetime: Option<PacketLifetime>,
    /// Whether the keyspace declares that TTL, not the template.
    pub(crate) inherits_lifetime: bool,
    /// Set if not all keys precede the arguments. The command is never divided by the slots of its
    /// keys.
    pub(crate) places: Option<Box<PlacesOfKeys>>,
    pub(crate) sent_as: SentAs,
}

/// How many of the arguments precede each key.
#[derive(Debug, Clone)]
pub(crate) struct PlacesOfKeys(pub(crate) Vec<usize>);

/// How a command is sent.
#[derive(Clone, Copy)]
pub(crate) enum SentAs {
    Itself,
    /// The script of the application that it runs. Then the name is `EVALSHA`.
    Script(PacketScript),
    /// A script that runs it and gives its key this lifetime.
    Keeping(KeyLifetime),
}

/// The position of a declared TTL in a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PacketLifetime {
    /// In the options after this many arguments.
    Options(u32),
    /// In a preceding command that creates the key. That command is missing if keys never expire.
    Creation,
    /// In [`SentAs::Keeping`]. `renews` says whether every write sets it.
    OfKey { renews: bool },
    /// In the first argument, in milliseconds; 0 means no lifetime.
    Millis,
    /// In every second argument, in milliseconds: those of several keys. Each starts with the
    /// letter that says whether the keyspace declares it.
    Each,
    /// In this argument of a script: the milliseconds, or nothing.
    OfScript(u32),
    /// Nowhere: the command can't set the lifetime of the key that it writes.
    Impossible,
    /// Nowhere: the command removes, and never creates the key.
    Unneeded,
}

impl PacketLifetime {
    /// The place after these arguments.
    pub(crate) fn after(args: &Args) -> Self {
        Self::Options(u32::try_from(args.len()).unwrap_or(u32::MAX))
    }
}

impl Packet {
    #[inline]
    pub(crate) fn new(name: &'static str, keys: Keys) -> Self {
        Self {
            name,
            head: None,
            keys,
            args: Args::default(),
            aside: false,
            lifetime: None,
            inherits_lifetime: false,
            places: None,
            sent_as: SentAs::Itself,
        }
    }

    /// The lifetime that the command gives to its key.
    #[inline]
    pub(crate) fn key_lifetime(&self) -> Option<KeyLifetime> {
        match self.sent_as {
            SentAs::Keeping(lifetime) => Some(lifetime),
            SentAs::Itself | SentAs::Script(_) => None,
        }
    }

    /// Sets the lifetime that the command gives to its key. It must not be a script.
    pub(crate) fn set_key_lifetime(&mut self, lifetime: Option<KeyLifetime>) {
        self.sent_as = lifetime.map_or(SentAs::Itself, SentAs::Keeping);
    }

    /// Returns the command that ends every fill in flight of these keys, in all processes. It is
    /// sent before a command that writes the keys. So a fill that starts after it also starts after
    /// the write was requested.
    pub(crate) fn ending_fills(keys: &Keys) -> Self {
        let companions = match keys.clone() {
            Keys::One(key) => Keys::CompanionOf(key, Companion::Fill),
            Keys::Many(keys) => Keys::CompanionsOf(keys, Companion::Fill),
            keys => keys,
        };
        Self { aside: true, ..Self::new("UNLINK", companions) }
    }

    /// Whether the command ends fills of its keys.
    pub(crate) fn ends_fills(&self) -> bool {
        self.aside || matches!(self.keys, Keys::Pairs(..))
    }

    /// Sets the arguments before the keys.
    pub(crate) fn with_head(mut self, head: Args) -> Self {
        self.head = Some(Box::new(head));
        self
    }

    /// The approximate size of the arguments and keys, in bytes.
    #[inline]
    pub(super) fn length(&self) -> usize {
        let head = self.head.as_ref().map_or(0, |head| head.wire_length());
        head + self.keys.length() + self.args.wire_length()
    }

    /// Whether no key and no value is too long. May return `false` although each argument fits,
    /// because it compares their sum.
    #[inline]
    pub(super) fn fits(&self, most: SizeLimits) -> bool {
        let keys_fit = match &self.keys {
            // The usual case needs no loop.
            Keys::One(key) => key.as_str().len() <= most.key,
            keys => keys.iter().all(|key| key.as_str().len() <= most.key),
        };
        keys_fit && self.args.wire_length() <= most.value
    }

    /// Fails if a key or a value is too long.
    #[cold]
    pub(super) fn check_size(&self, most: SizeLimits) -> Result<()> {
        let check = |key: &str| most.check_key(key).map_err(|error| error.about(self.name, None, Some(key)));
        self.keys.iter().try_for_each(|key| check(key.as_str()))?;
        let longest = self.args.iter().map(<[u8]>::len).max().unwrap_or_default();
        if longest > most.value { Err(Error::too_large_to_send(longest, most.value)) } else { Ok(()) }
    }

    /// Appends the command in wire form. Each key follows the namespace, which ends in its
    /// separator or is empty.
    #[inline]
    pub(crate) fn encode(&self, namespace: &str, out: &mut WireBuffer) {
        if let Some((_, sends_whole)) = self.sent_script() {
            let form = if sends_whole { ScriptForm::Whole } else { ScriptForm::ByDigest };
            return self.encode_script(form, true, namespace, out);
        }
        if self.places.is_some() {
            return self.encode_placed(namespace, out);
        }
        let (before, head) = self.head.as_ref().map_or((0, 0), |head| (head.count, head.copied_length()));
        let bytes = &mut out.bytes;
        bytes.reserve(64 + head + self.keys.length() + self.args.copied_length());
        write_length(bytes, b'*', 1 + before + self.keys.count() + self.args.count);
        write_bulk(bytes, &[self.name]);
        if let Some(head) = &self.head {
            head.write_to(out);
        }
        let bytes = &mut out.bytes;
        match &self.keys {
            Keys::One(key) => write_bulk(bytes, &[namespace, key.as_str()]),
            keys => keys.visit(namespace, &mut |parts| write_bulk(bytes, parts)),
        }
        self.args.write_to(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyText;

    fn wire(packet: &Packet, namespace: &str) -> String {
        let mut out = WireBuffer::default();
        packet.encode(namespace, &mut out);
        String::from_utf8(out.drain(usize::MAX)).unwrap()
    }

    #[test]
    fn a_command_is_an_array_of_bulk_strings_and_keys_follow_the_namespace() {
        let mut packet = Packet::new("SET", Keys::One(KeyText::Static("cart:user:7")));
        packet.args.push(b"v");
        packet.args.push(b"EX");
        packet.args.push_int(3600);
        let plain = "*5\r\n$3\r\nSET\r\n$11\r\ncart:user:7\r\n$1\r\nv\r\n$2\r\nEX\r\n$4\r\n3600\r\n";
        assert_eq!(wire(&packet, ""), plain);
        assert_eq!(wire(&packet, "test:"), plain.replace("$11\r\n", "$16\r\ntest:"));
        assert_eq!(packet.args.iter().collect::<Vec<_>>(), [&b"v"[..], b"EX", b"3600"]);
    }
}
