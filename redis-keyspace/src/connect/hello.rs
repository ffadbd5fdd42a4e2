//! What a server says in its reply to `HELLO`.

use crate::protocol::Reply;

/// Whether the reply to HELLO reports this mode.
pub(super) fn says_mode(hello: &Reply, mode: &str) -> bool {
    said_in_hello(hello, "mode") == Some(mode)
}

/// Returns a field of the reply to HELLO.
pub(super) fn said_in_hello<'r>(hello: &'r Reply, field: &str) -> Option<&'r str> {
    let (Reply::Map(entries) | Reply::Array(entries)) = hello else { return None };
    entries.chunks_exact(2).find_map(|entry| match entry {
        [name, value] if text(name) == Some(field) => text(value),
        _ => None,
    })
}

/// Returns the name and the version of the server from the reply to HELLO.
pub(super) fn software(hello: &Reply) -> Option<String> {
    Some(format!("{} {}", said_in_hello(hello, "server")?, said_in_hello(hello, "version")?))
}

pub(super) fn text(reply: &Reply) -> Option<&str> {
    match reply {
        Reply::Bulk(bytes) => str::from_utf8(bytes).ok(),
        Reply::Status(text) => Some(text),
        _ => None,
    }
}
