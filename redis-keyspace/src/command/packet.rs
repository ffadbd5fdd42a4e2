//! Commands as bytes for the wire, with their keys still apart, because the application namespace is added
//! when a command is sent.

use crate::error::{Error, Result};
use crate::key::{Companion, KeyText};

/// Arguments that are already in wire form.
#[derive(Debug, Clone, Default)]
pub(crate) struct Args {
    count: usize,
    bytes: Vec<u8>,
}

impl Args {
    pub(crate) fn push(&mut self, argument: &[u8]) {
        write_bulk(&mut self.bytes, &[argument]);
        self.count += 1;
    }

    pub(crate) fn push_int(&mut self, argument: impl itoa::Integer) {
        self.push(itoa::Buffer::new().format(argument).as_bytes());
    }

    /// Adds an argument that `write` appends to the buffer in place, so that a value is never copied: the
    /// length goes in front of it afterwards, into room that was left for it.
    pub(crate) fn push_with<E>(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        const ROOM: usize = 24; // `$`, 20 digits and CR LF
        let start = self.bytes.len();
        self.bytes.resize(start + ROOM, 0);
        if let Err(error) = write(&mut self.bytes) {
            self.bytes.truncate(start);
            return Err(error);
        }
        let length = self.bytes.len() - start - ROOM;
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(length).as_bytes();
        let header = 1 + digits.len() + 2;
        // The header is written right before the value; the value moves forward over what is left of the room.
        if let Some(room) = self.bytes.get_mut(start..start + header) {
            let (marker, rest) = room.split_at_mut(1);
            let (place, end) = rest.split_at_mut(digits.len());
            marker.fill(b'$');
            place.copy_from_slice(digits);
            end.copy_from_slice(b"\r\n");
        }
        self.bytes.copy_within(start + ROOM.., start + header);
        self.bytes.truncate(start + header + length);
        self.bytes.extend_from_slice(b"\r\n");
        self.count += 1;
        Ok(())
    }

    /// The arguments one by one, for connections that the driver drives.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.bytes.as_slice();
        std::iter::from_fn(move || {
            let end = rest.iter().position(|&byte| byte == b'\r')?;
            let length: usize = std::str::from_utf8(rest.get(1..end)?).ok()?.parse().ok()?;
            let argument = rest.get(end + 2..end + 2 + length)?;
            rest = rest.get(end + 2 + length + 2..)?;
            Some(argument)
        })
    }
}

/// The keys of a command.
#[derive(Clone)]
pub(crate) enum Keys {
    None,
    One(KeyText),
    Many(Vec<KeyText>),
    /// What belongs to a key and is in its slot: of each of these keys, without the key itself.
    BesideMany(Vec<KeyText>, Companion),
    /// The same of one key.
    Beside(KeyText, Companion),
    /// A key, what belongs to it, and one more key or none: what a script works on.
    With(KeyText, Companion, Option<KeyText>),
}

impl Keys {
    pub(crate) fn as_slice(&self) -> &[KeyText] {
        match self {
            Self::None => &[],
            Self::One(key) | Self::Beside(key, _) | Self::With(key, ..) => std::slice::from_ref(key),
            Self::Many(keys) | Self::BesideMany(keys, _) => keys,
        }
    }

    /// How many names are sent.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::With(_, _, other) => 2 + usize::from(other.is_some()),
            keys => keys.as_slice().len(),
        }
    }

    /// The names as they are sent, each in parts.
    pub(crate) fn visit(&self, namespace: &str, each: &mut dyn FnMut(&[&str])) {
        match self {
            Self::None => {}
            Self::One(_) | Self::Many(_) => {
                self.as_slice().iter().for_each(|key| each(&[namespace, key.as_str()]));
            }
            Self::Beside(key, companion) => companion.name(namespace, key.as_str(), each),
            Self::BesideMany(keys, companion) => {
                keys.iter().for_each(|key| companion.name(namespace, key.as_str(), each));
            }
            Self::With(key, companion, other) => {
                each(&[namespace, key.as_str()]);
                companion.name(namespace, key.as_str(), each);
                other.iter().for_each(|other| each(&[namespace, other.as_str()]));
            }
        }
    }
}

/// One command of the wire: its name, arguments, keys, and more arguments.
#[derive(Clone)]
pub(crate) struct Packet {
    pub(crate) name: &'static str,
    /// What comes before the keys: the script of one that runs one.
    pub(crate) head: Option<Box<Args>>,
    pub(crate) keys: Keys,
    pub(crate) args: Args,
    /// Whether it goes along with what was asked for: of its reply only an error is of interest.
    pub(crate) aside: bool,
}

impl Packet {
    pub(crate) fn new(name: &'static str, keys: Keys) -> Self {
        Self { name, head: None, keys, args: Args::default(), aside: false }
    }

    /// The command that ends every fill under way of one or more keys, whoever is at it. It goes before a command that writes
    /// them: what fills begin after it, they begin after the write was asked for.
    pub(crate) fn ending_fills(keys: &Keys) -> Self {
        let beside = match keys.clone() {
            Keys::One(key) => Keys::Beside(key, Companion::Fill),
            Keys::Many(keys) => Keys::BesideMany(keys, Companion::Fill),
            keys => keys,
        };
        Self { aside: true, ..Self::new("UNLINK", beside) }
    }

    /// With arguments before the keys.
    pub(crate) fn with_head(mut self, head: Args) -> Self {
        self.head = Some(Box::new(head));
        self
    }

    /// Appends the command in wire form, each key behind the namespace (which ends in its separator or is empty).
    pub(crate) fn encode(&self, namespace: &str, out: &mut Vec<u8>) {
        let mut digits = itoa::Buffer::new();
        out.reserve(64 + self.args.bytes.len());
        out.push(b'*');
        let before = self.head.as_ref().map_or(0, |head| head.count);
        out.extend_from_slice(digits.format(1 + before + self.keys.count() + self.args.count).as_bytes());
        out.extend_from_slice(b"\r\n");
        write_bulk(out, &[self.name.as_bytes()]);
        if let Some(head) = &self.head {
            out.extend_from_slice(&head.bytes);
        }
        match &self.keys {
            Keys::One(key) => write_bulk(out, &[namespace, key.as_str()]),
            keys => keys.visit(namespace, &mut |parts| write_bulk(out, parts)),
        }
        out.extend_from_slice(&self.args.bytes);
    }
}

/// Appends one bulk string, put together from parts.
fn write_bulk(out: &mut Vec<u8>, parts: &[impl AsRef<[u8]>]) {
    let length: usize = parts.iter().map(|part| part.as_ref().len()).sum();
    out.push(b'$');
    out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
    out.extend_from_slice(b"\r\n");
    for part in parts {
        out.extend_from_slice(part.as_ref());
    }
    out.extend_from_slice(b"\r\n");
}

/// What goes over the wire together, and how the server is to run it.
#[derive(Clone)]
pub(crate) enum Request {
    /// Nothing to ask: the answer is known, for example that of no keys at all.
    Empty,
    One(Packet),
    /// One round trip, each command for itself.
    Pipeline(Vec<Packet>),
    /// The same, of a scan: the commands on keys of one page, each on keys of one slot, and the `SCAN` of the next.
    Page(Vec<Packet>),
    /// One round trip between MULTI and EXEC: all or, where a command can't be queued, none.
    Atomic(Vec<Packet>),
    /// Several requests in one round trip, each answered for itself.
    Batch(Vec<Request>),
}

/// A command as it stands on the wire.
pub(crate) enum Wire<'r> {
    Packet(&'r Packet),
    Bare(&'static str),
}

impl Request {
    /// The commands that the caller asked for, without what frames them.
    pub(crate) fn packets(&self) -> &[Packet] {
        match self {
            Self::Empty | Self::Batch(_) => &[],
            Self::One(packet) => std::slice::from_ref(packet),
            Self::Pipeline(packets) | Self::Page(packets) | Self::Atomic(packets) => packets,
        }
    }

    /// The same without what goes along with them.
    pub(crate) fn asked_for(&self) -> impl Iterator<Item = &Packet> {
        self.packets().iter().filter(|packet| !packet.aside)
    }

    /// A command with what goes along with it, in front.
    pub(crate) fn with(aside: Packet, packet: Packet) -> Self {
        Self::Pipeline(vec![aside, packet])
    }

    /// How many replies the server sends.
    pub(crate) fn replies(&self) -> usize {
        match self {
            Self::Atomic(packets) => packets.len() + 2,
            Self::Batch(requests) => requests.iter().map(Self::replies).sum(),
            _ => self.packets().len(),
        }
    }

    /// Whether a MULTI is part of it.
    pub(crate) fn is_transactional(&self) -> bool {
        match self {
            Self::Atomic(_) => true,
            Self::Batch(requests) => requests.iter().any(Self::is_transactional),
            Self::Empty | Self::One(_) | Self::Pipeline(_) | Self::Page(_) => false,
        }
    }

    /// Whether its values are longer than this, about.
    #[inline]
    pub(crate) fn is_longer_than(&self, bytes: usize) -> bool {
        match self {
            Self::One(packet) => packet.args.bytes.len() > bytes,
            _ => self.length() > bytes,
        }
    }

    /// How long its values are, about.
    pub(crate) fn length(&self) -> usize {
        match self {
            Self::Batch(requests) => requests.iter().map(Self::length).sum(),
            _ => self.packets().iter().map(|packet| packet.args.bytes.len()).sum(),
        }
    }

    /// Refuses values that are longer than this.
    pub(crate) fn check_size(&self, most: usize) -> Result<()> {
        match self {
            Self::Batch(requests) => requests.iter().try_for_each(|request| request.check_size(most)),
            _ => self.packets().iter().try_for_each(|packet| {
                if packet.args.bytes.len() <= most {
                    return Ok(());
                }
                let longest = packet.args.iter().map(<[u8]>::len).max().unwrap_or_default();
                if longest > most { Err(Error::too_large(longest, Some(most))) } else { Ok(()) }
            }),
        }
    }

    /// Goes through the commands as they are sent.
    pub(crate) fn visit<'r>(&'r self, each: &mut dyn FnMut(Wire<'r>)) {
        match self {
            Self::Empty => {}
            Self::One(packet) => each(Wire::Packet(packet)),
            Self::Pipeline(packets) | Self::Page(packets) => {
                packets.iter().for_each(|packet| each(Wire::Packet(packet)));
            }
            Self::Atomic(packets) => {
                each(Wire::Bare("MULTI"));
                packets.iter().for_each(|packet| each(Wire::Packet(packet)));
                each(Wire::Bare("EXEC"));
            }
            Self::Batch(requests) => requests.iter().for_each(|request| request.visit(each)),
        }
    }

    #[inline]
    pub(crate) fn encode(&self, namespace: &str, out: &mut Vec<u8>) {
        if let Self::One(packet) = self {
            return packet.encode(namespace, out);
        }
        self.visit(&mut |wire| match wire {
            Wire::Packet(packet) => packet.encode(namespace, out),
            Wire::Bare(name) => Packet::new(name, Keys::None).encode("", out),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(packet: &Packet, namespace: &str) -> String {
        let mut out = Vec::new();
        packet.encode(namespace, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_command_is_an_array_of_bulks_with_its_keys_behind_the_namespace() {
        let mut packet = Packet::new("SET", Keys::One(KeyText::Static("cart:user:7")));
        packet.args.push(b"v");
        packet.args.push(b"EX");
        packet.args.push_int(3600);
        let plain = "*5\r\n$3\r\nSET\r\n$11\r\ncart:user:7\r\n$1\r\nv\r\n$2\r\nEX\r\n$4\r\n3600\r\n";
        assert_eq!(wire(&packet, ""), plain);
        assert_eq!(wire(&packet, "test:"), plain.replace("$11\r\n", "$16\r\ntest:"));
        assert_eq!(packet.args.iter().collect::<Vec<_>>(), [&b"v"[..], b"EX", b"3600"]);
    }

    #[test]
    fn a_value_written_in_place_gets_its_length_in_front() {
        for length in [0_usize, 1, 9, 10, 99, 100, 1000, 70_000] {
            let value = vec![b'x'; length];
            let mut in_place = Args::default();
            in_place.push(b"before");
            in_place
                .push_with(|out| {
                    out.extend_from_slice(&value);
                    Ok::<_, ()>(())
                })
                .unwrap();
            in_place.push(b"after");
            assert_eq!(in_place.iter().collect::<Vec<_>>(), [&b"before"[..], &value, b"after"]);
        }
    }

    #[test]
    fn a_value_that_fails_half_way_leaves_nothing_behind() {
        let mut args = Args::default();
        args.push(b"before");
        let result = args.push_with(|out| {
            out.extend_from_slice(b"half");
            Err("no")
        });
        assert_eq!(result, Err("no"));
        assert_eq!(args.iter().collect::<Vec<_>>(), [b"before"]);
    }

    #[test]
    fn an_atomic_request_is_framed() {
        let mut out = Vec::new();
        let request = Request::Atomic(vec![Packet::new("INCR", Keys::One(KeyText::Static("n")))]);
        request.encode("", &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "*1\r\n$5\r\nMULTI\r\n*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n*1\r\n$4\r\nEXEC\r\n"
        );
        assert_eq!(request.replies(), 3);
    }
}
