//! Requests, which are commands that are sent together.

use super::KEYS_PER_COMMAND;
use super::keys::Keys;
use super::packet::Packet;
use super::script::LuaScript;
use super::script_form::ScriptForm;
use super::sizes::SizeLimits;
use super::wire_buffer::WireBuffer;
use crate::error::Result;
use crate::key::KeyText;

/// Commands that are sent together, and how the server runs them.
#[derive(Clone)]
pub(crate) enum Request {
    /// Nothing is sent: the answer is known, for example for an empty list of keys.
    Empty,
    One(Packet),
    /// One round trip. Each command runs independently.
    Pipeline(Vec<Packet>),
    /// A pipeline of a scan of one server: the commands on the keys of one page, each on keys of
    /// one slot, and the `SCAN` of the next page.
    Page(Vec<Packet>),
    /// One round trip between MULTI and EXEC: all commands run, or none if one can't be queued.
    Atomic(Vec<Packet>),
    /// Several requests in one round trip, each with its own result.
    Batch(Vec<Request>),
}

/// A command on the wire.
pub(crate) enum Wire<'r> {
    Packet(&'r Packet),
    Bare(&'static str),
}

impl Request {
    /// The commands, without MULTI and EXEC.
    pub(crate) fn packets(&self) -> &[Packet] {
        match self {
            Self::Empty | Self::Batch(_) => &[],
            Self::One(packet) => std::slice::from_ref(packet),
            Self::Pipeline(packets) | Self::Page(packets) | Self::Atomic(packets) => packets,
        }
    }

    /// The commands of the caller, without those that the library added.
    pub(crate) fn requested(&self) -> impl Iterator<Item = &Packet> {
        self.packets().iter().filter(|packet| !packet.aside)
    }

    /// Returns the command of the caller, if there is exactly one.
    pub(crate) fn requested_mut(&mut self) -> Option<&mut Packet> {
        let packets = match self {
            Self::Empty | Self::Batch(_) => return None,
            Self::One(packet) => return Some(packet),
            Self::Pipeline(packets) | Self::Page(packets) | Self::Atomic(packets) => packets,
        };
        let mut requested = packets.iter_mut().filter(|packet| !packet.aside);
        let first = requested.next()?;
        requested.next().is_none().then_some(first)
    }

    /// Returns a request of commands that write, preceded by the commands that end fills of these
    /// keys.
    ///
    /// Without `is_atomic`, a whole fill can run between the two. The write then replaces the value
    /// that the fill stored, but not its stale copy or negative entry. So a template that declares
    /// one of these needs `is_atomic`.
    pub(crate) fn ending_fills(packets: Vec<Packet>, keys: &[KeyText], is_atomic: bool) -> Self {
        if keys.is_empty() {
            return match <[Packet; 1]>::try_from(packets) {
                Ok([packet]) => Self::One(packet),
                Err(packets) => Self::Pipeline(packets),
            };
        }
        let endings = keys.chunks(KEYS_PER_COMMAND).map(|keys| match keys {
            [key] => Packet::ending_fills(&Keys::One(key.clone())),
            keys => Packet::ending_fills(&Keys::Many(keys.to_vec())),
        });
        Self::together(endings.chain(packets).collect(), is_atomic)
    }

    /// Returns a request of one command that writes, preceded by the command that ends fills of its
    /// keys; see [`ending_fills`](Self::ending_fills).
    pub(crate) fn ending_fills_of(packet: Packet, is_atomic: bool) -> Self {
        match packet.keys {
            // The usual case needs only one allocation.
            Keys::One(_) => Self::together(vec![Packet::ending_fills(&packet.keys), packet], is_atomic),
            _ => {
                let keys = packet.keys.as_slice().to_vec();
                Self::ending_fills(vec![packet], &keys, is_atomic)
            }
        }
    }

    fn together(packets: Vec<Packet>, is_atomic: bool) -> Self {
        if is_atomic { Self::Atomic(packets) } else { Self::Pipeline(packets) }
    }

    /// The number of replies that the server sends.
    #[inline]
    pub(crate) fn replies(&self) -> usize {
        match self {
            Self::Atomic(packets) => packets.len() + 2,
            Self::Batch(requests) => requests.iter().map(Self::replies).sum(),
            _ => self.packets().len(),
        }
    }

    /// Whether the request contains a MULTI.
    pub(crate) fn is_transactional(&self) -> bool {
        match self {
            Self::Atomic(_) => true,
            Self::Batch(requests) => requests.iter().any(Self::is_transactional),
            Self::Empty | Self::One(_) | Self::Pipeline(_) | Self::Page(_) => false,
        }
    }

    /// Whether the request contains a script.
    pub(crate) fn runs_script(&self) -> bool {
        match self {
            Self::Batch(requests) => requests.iter().any(Self::runs_script),
            _ => self
                .packets()
                .iter()
                .any(|packet| packet.sent_script().is_some() || matches!(packet.name, "EVAL" | "EVALSHA")),
        }
    }

    /// Whether the request is longer than this. The length is approximate.
    #[inline]
    pub(crate) fn is_longer_than(&self, bytes: usize) -> bool {
        self.length() > bytes
    }

    /// The approximate length of the request in bytes: its keys, values and all other arguments.
    #[inline]
    pub(crate) fn length(&self) -> usize {
        match self {
            Self::One(packet) => packet.length(),
            Self::Batch(requests) => requests.iter().map(Self::length).sum(),
            _ => self.packets().iter().map(Packet::length).sum(),
        }
    }

    /// Fails if a key has a name that is reserved for the library.
    #[inline]
    pub(crate) fn check_names(&self) -> Result<()> {
        match self {
            Self::One(packet) => packet.keys.check_names(),
            Self::Batch(requests) => requests.iter().try_for_each(Self::check_names),
            _ => self.packets().iter().try_for_each(|packet| packet.keys.check_names()),
        }
    }

    /// Fails if a key or a value is too long.
    #[inline]
    pub(crate) fn check_size(&self, most: SizeLimits) -> Result<()> {
        match self {
            Self::Batch(requests) => requests.iter().try_for_each(|request| request.check_size(most)),
            _ if self.packets().iter().all(|packet| packet.fits(most)) => Ok(()),
            // Check the commands of the caller first, so that the error names one of them.
            _ => self.requested().chain(self.packets()).try_for_each(|packet| packet.check_size(most)),
        }
    }

    /// Visits the commands as they are sent, including MULTI and EXEC.
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
    pub(crate) fn encode(&self, namespace: &str, out: &mut WireBuffer) {
        if let Self::One(packet) = self {
            return packet.encode(namespace, out);
        }
        // The first command that needs a script sends it, the others its digest. A transaction that
        // is rejected does not load the script, so each has its own first command.
        let (mut sent, mut in_transaction) = (Vec::new(), None);
        // A single command of the caller is sent again with its script if the server did not know
        // it.
        let is_single = matches!(self, Self::Pipeline(_)) && self.requested().count() == 1;
        self.visit(&mut |wire| match wire {
            Wire::Packet(packet) => match packet.sent_script() {
                None => packet.encode(namespace, out),
                Some((script, sends_whole)) => {
                    let sent: &mut Vec<&LuaScript> = in_transaction.as_mut().unwrap_or(&mut sent);
                    let is_sent = is_single || sent.iter().any(|known| std::ptr::eq(*known, script));
                    let is_known = is_sent && !sends_whole;
                    let form = if is_known { ScriptForm::ByDigest } else { ScriptForm::Whole };
                    packet.encode_script(form, false, namespace, out);
                    sent.push(script);
                }
            },
            Wire::Bare(name) => {
                in_transaction = (name == "MULTI").then(Vec::new);
                Packet::new(name, Keys::None).encode("", out);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_atomic_request_is_framed() {
        let mut out = WireBuffer::default();
        let request = Request::Atomic(vec![Packet::new("INCR", Keys::One(KeyText::Static("n")))]);
        request.encode("", &mut out);
        assert_eq!(
            String::from_utf8(out.drain(usize::MAX)).unwrap(),
            "*1\r\n$5\r\nMULTI\r\n*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n*1\r\n$4\r\nEXEC\r\n"
        );
        assert_eq!(request.replies(), 3);
    }
}
