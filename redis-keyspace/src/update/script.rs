//! Compare and set, by a script: what is written replaces exactly what was read.

use std::sync::LazyLock;

use crate::command::{Args, Keys, Packet};
use crate::error::Result;
use crate::expiry::Expiry;
use crate::key::KeyText;

/// What is at the key must be what is expected, or nothing; else nothing is done, and what is there is given. `ARGV`: `1` and the
/// value that is expected, or `0` and anything for nothing; `set`, the new value and what `SET` takes behind it, or `del`.
const TEXT: &str = "\
local there = redis.call('GET', KEYS[1])
if ARGV[1] == '1' then
  if there ~= ARGV[2] then return {0, there} end
elseif there then
  return {0, there}
end
if ARGV[3] == 'set' then
  redis.call('SET', KEYS[1], ARGV[4], unpack(ARGV, 5))
else
  redis.call('DEL', KEYS[1])
end
return {1}";

/// The name under which a server knows a script that it has run before.
static DIGEST: LazyLock<String> = LazyLock::new(|| sha1_smol::Sha1::from(TEXT).digest().to_string());

/// How a script is sent.
#[derive(Clone, Copy)]
pub(super) enum Sent {
    /// By its name, which the server may not know.
    ByName,
    Whole,
}

/// What is to become of the value.
pub(super) enum Action<'v> {
    Set(&'v [u8], Expiry),
    Delete,
}

/// The command that does this to the key if there is still what was read.
pub(super) fn packet(
    key: KeyText,
    expected: Option<&[u8]>,
    action: &Action<'_>,
    sent: Sent,
) -> Result<Packet> {
    let (name, script) = match sent {
        Sent::ByName => ("EVALSHA", DIGEST.as_str()),
        Sent::Whole => ("EVAL", TEXT),
    };
    let mut head = Args::default();
    head.push(script.as_bytes());
    head.push(b"1");
    let mut packet = Packet::new(name, Keys::One(key)).with_head(head);
    let args = &mut packet.args;
    args.push(if expected.is_some() { b"1" } else { b"0" });
    args.push(expected.unwrap_or_default());
    match action {
        Action::Set(value, expiry) => {
            args.push(b"set");
            args.push(value);
            expiry.push_for_set(args)?;
        }
        Action::Delete => args.push(b"del"),
    }
    Ok(packet)
}

/// Teaches an embedded server the script, which it can't read.
#[cfg(feature = "embedded")]
pub(crate) fn register(server: &redis_keyspace_embedded::Server) {
    use redis_keyspace_embedded::Reply;

    server.register_script(TEXT, |script, keys, values| {
        let ([key], [known, expected, action, rest @ ..]) = (keys, values) else {
            return Reply::error("ERR the script takes one key and at least three values");
        };
        let there = script.call(&[&b"GET"[..], key]);
        let fits = match (&there, &known[..] == b"1") {
            (Reply::Bulk(there), true) => there == expected,
            (Reply::Nil, false) => true,
            (Reply::Bulk(_) | Reply::Nil, _) => false,
            (error, _) => return error.clone(),
        };
        if !fits {
            return Reply::Array(vec![Reply::Integer(0), there]);
        }
        let mut command: Vec<&[u8]> =
            if &action[..] == b"set" { vec![b"SET", key] } else { vec![b"DEL", key] };
        command.extend(rest.iter().map(|word| &word[..]));
        match script.call(&command) {
            error @ Reply::Error(_) => error,
            _ => Reply::Array(vec![Reply::Integer(1)]),
        }
    });
}
