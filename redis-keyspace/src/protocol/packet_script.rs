//! Commands that run a script, which the server may not know.

use super::args::{Args, write_bulk, write_length};
use super::packet::{Packet, SentAs};
use super::reply::{Replies, Reply};
use super::request::Request;
use super::script::{LuaScript, PacketScript};
use super::script_form::ScriptForm;
use super::wire_buffer::WireBuffer;
use crate::error;

impl Packet {
    /// Returns the script by which the command is sent, and whether the server may not know it.
    #[inline]
    pub(super) fn sent_script(&self) -> Option<(&'static LuaScript, bool)> {
        match self.sent_as {
            SentAs::Itself => None,
            SentAs::Script(script) => Some((script.script, script.sends_whole)),
            SentAs::Keeping(lifetime) => Some((self.kept_script(lifetime), lifetime.sends_script)),
        }
    }

    /// Appends the command, with the whole script or with its digest.
    pub(super) fn encode_script(
        &self,
        form: ScriptForm,
        is_alone: bool,
        namespace: &str,
        out: &mut WireBuffer,
    ) {
        let script = match self.sent_as {
            SentAs::Itself => return,
            SentAs::Script(script) => script,
            SentAs::Keeping(lifetime) => return self.encode_kept(lifetime, form, namespace, out),
        };
        let (name, text) = if is_alone && script.is_read_only {
            script.script.read_only_words(form)
        } else {
            script.script.words(form)
        };
        let bytes = &mut out.bytes;
        bytes.reserve(128 + text.len() + self.keys.length() + self.args.copied_length());
        write_length(bytes, b'*', 3 + self.keys.count() + self.args.len());
        write_bulk(bytes, &[name]);
        write_bulk(bytes, &[text]);
        write_bulk(bytes, &[itoa::Buffer::new().format(self.keys.count())]);
        self.keys.visit(namespace, &mut |parts| write_bulk(bytes, parts));
        self.args.write_to(out);
    }

    /// Returns the command with the whole script, for clients that encode commands themselves.
    /// `None` if the command runs no script.
    pub(crate) fn as_whole_script(&self) -> Option<Self> {
        let SentAs::Script(script) = self.sent_as else { return self.as_kept_script() };
        let (name, text) = script.script.words(ScriptForm::Whole);
        let mut head = Args::default();
        head.push(text.as_bytes());
        head.push_int(self.keys.count());
        Some(Self { args: self.args.clone(), ..Self::new(name, self.keys.clone()).with_head(head) })
    }

    /// Returns the same command, sent with the whole script.
    fn sending_whole(&self, is_read_only: bool) -> Self {
        let mut packet = self.clone();
        match &mut packet.sent_as {
            SentAs::Itself => {}
            SentAs::Script(script) => {
                script.sends_whole = true;
                script.is_read_only &= is_read_only;
            }
            SentAs::Keeping(lifetime) => lifetime.sends_script = true,
        }
        packet
    }
}

impl Request {
    /// Returns the commands that the server did not run because it did not know the script, with
    /// the whole script, and the positions of their replies.
    pub(crate) fn with_unknown_scripts(&self, replies: &Replies) -> Option<(Self, Vec<usize>)> {
        let replies = replies.as_slice();
        if !replies.iter().any(|reply| is_unknown_script(reply) || lacks_read_only(reply)) {
            return None;
        }
        let requests = match self {
            Self::Batch(requests) => requests.as_slice(),
            request => std::slice::from_ref(request),
        };
        let (mut again, mut places, mut at) = (Vec::new(), Vec::new(), 0);
        for request in requests {
            let count = request.replies();
            let own = replies.get(at..at + count).unwrap_or_default();
            if let Some(whole) = request.again_with_script(own) {
                again.push(whole);
                places.extend(at..at + count);
            }
            at += count;
        }
        let request = match again.len() {
            0 => return None,
            1 => again.pop()?,
            _ => Self::Batch(again),
        };
        Some((request, places))
    }

    /// Returns the request with the whole script, if its script did not run. The commands that the
    /// library added run again too: a fill may have started since.
    fn again_with_script(&self, replies: &[Reply]) -> Option<Self> {
        let did_not_run = |packet: &Packet, reply: &Reply| {
            let is_read_only = matches!(packet.sent_as, SentAs::Script(script) if script.is_read_only);
            packet.sent_script().is_some() && is_unknown_script(reply)
                || is_read_only && lacks_read_only(reply)
        };
        let mut asked = self.packets().iter().zip(replies).filter(|(packet, _)| !packet.aside).peekable();
        asked.peek()?;
        if !asked.all(|(packet, reply)| did_not_run(packet, reply)) {
            return None;
        }
        let is_read_only = !replies.iter().any(lacks_read_only);
        match self {
            Self::One(packet) => Some(Self::One(packet.sending_whole(is_read_only))),
            Self::Pipeline(packets) => Some(Self::Pipeline(
                packets.iter().map(|packet| packet.sending_whole(is_read_only)).collect(),
            )),
            _ => None,
        }
    }

    /// Whether `self` is a script that must not write, and `again` the same without this
    /// restriction, because the server lacks the commands for it.
    pub(crate) fn lost_read_only(&self, again: &Self) -> bool {
        let is_read_only = |request: &Self| match request {
            Self::One(Packet { sent_as: SentAs::Script(script), .. }) => script.is_read_only,
            _ => false,
        };
        is_read_only(self) && !is_read_only(again)
    }

    /// Returns the script of a request that is a script and nothing else.
    pub(crate) fn only_script(&mut self) -> Option<&mut PacketScript> {
        match self {
            Self::One(Packet { sent_as: SentAs::Script(script), .. }) => Some(script),
            _ => None,
        }
    }
}

fn is_unknown_script(reply: &Reply) -> bool {
    matches!(reply, Reply::Error(said) if error::is_unknown_script(said))
}

/// Whether the server lacks the command for scripts that must not write, or the user may not run
/// it.
fn lacks_read_only(reply: &Reply) -> bool {
    let Reply::Error(said) = reply else { return false };
    let is_about =
        ["unknown command", "unknown redis command", "NOPERM"].iter().any(|words| said.contains(words));
    is_about && (said.contains("_RO") || said.contains("_ro"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyText;
    use crate::protocol::Keys;

    static SCRIPT: LuaScript = LuaScript::new("return 1");

    fn call(is_read_only: bool) -> Packet {
        let mut packet = Packet::new("EVALSHA", Keys::One(KeyText::Static("k")));
        packet.args.push(b"7");
        packet.sent_as = SentAs::Script(PacketScript { script: &SCRIPT, sends_whole: false, is_read_only });
        packet
    }

    fn wire(request: &Request) -> String {
        let mut out = WireBuffer::default();
        request.encode("n:", &mut out);
        let wire = String::from_utf8(out.drain(usize::MAX)).unwrap();
        wire.lines().filter(|line| !line.starts_with(['$', '*'])).collect::<Vec<_>>().join(" ")
    }

    fn error(said: &str) -> Reply {
        Reply::Error(said.to_owned())
    }

    const DIGEST: &str = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db";

    #[test]
    fn a_script_is_sent_by_its_digest_and_whole_where_it_may_be_unknown() {
        let by_digest = format!("EVALSHA {DIGEST} 1 n:k 7");
        assert_eq!(wire(&Request::One(call(false))), by_digest);
        assert_eq!(wire(&Request::One(call(true))), format!("EVALSHA_RO {DIGEST} 1 n:k 7"));
        let whole = "EVAL return 1 1 n:k 7";
        let two = || vec![call(false), call(true)];
        assert_eq!(wire(&Request::Pipeline(two())), format!("{whole} {by_digest}"));
        let ending = Packet::ending_fills(&Keys::One(KeyText::Static("k")));
        let write = Request::Pipeline(vec![ending, call(false)]);
        assert_eq!(wire(&write), format!("UNLINK n:k%fill{{n:k}} {by_digest}"));
        let batch = vec![Request::One(call(false)), Request::Atomic(two()), Request::One(call(true))];
        // A transaction that is rejected does not load the script.
        let expected = format!("{whole} MULTI {whole} {by_digest} EXEC {by_digest}");
        assert_eq!(wire(&Request::Batch(batch)), expected);
        assert_eq!(wire(&Request::One(call(true).as_whole_script().unwrap())), whole);
    }

    #[test]
    fn a_script_that_did_not_run_is_sent_again() {
        let unknown = || error("NOSCRIPT No matching script.");
        let again = |request: &Request, replies: Vec<Reply>| {
            let (again, places) = request.with_unknown_scripts(&Replies::Many(replies))?;
            Some((wire(&again), places, request.lost_read_only(&again)))
        };
        let one = Request::One(call(true));
        assert_eq!(again(&one, vec![Reply::Nil]), None);
        assert_eq!(
            again(&one, vec![unknown()]),
            Some(("EVAL_RO return 1 1 n:k 7".to_owned(), vec![0], false))
        );
        for said in [
            "ERR unknown command `EVALSHA_RO`, with args beginning with: `x`",
            "NOPERM this user has no permissions to run the 'evalsha_ro' command",
        ] {
            assert_eq!(
                again(&one, vec![error(said)]),
                Some(("EVAL return 1 1 n:k 7".to_owned(), vec![0], true))
            );
            assert_eq!(again(&Request::One(call(false)), vec![error(said)]), None);
        }
        let ending = Packet::ending_fills(&Keys::One(KeyText::Static("k")));
        let write = Request::Pipeline(vec![ending, call(false)]);
        let batch = Request::Batch(vec![one, write]);
        let (sent, places, _) = again(&batch, vec![Reply::Nil, Reply::Int(0), unknown()]).unwrap();
        assert_eq!(sent, "UNLINK n:k%fill{n:k} EVAL return 1 1 n:k 7");
        assert_eq!(places, [1, 2]);
    }
}
