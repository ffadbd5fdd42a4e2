//! Names the type that was found at a key when a command reports a wrong one.

use std::sync::Arc;
use std::time::Duration;

use super::binding::Binding;
use super::run::run;
use crate::error::Error;
use crate::protocol::{Packet, Replies, Reply, Request, read};
use crate::schema::TemplateMeta;
use crate::time::Deadline;

/// How long a command may take to find out which type a key has.
pub(crate) const NAMING: Duration = Duration::from_secs(1);

/// Whether the key of a command has another type than the command needs.
pub(crate) fn has_wrong_type(replies: &Replies) -> bool {
    match replies.as_slice() {
        // The results of a transaction.
        [Reply::Ok, .., Reply::Array(results)] => results.iter().any(is_wrong_type),
        replies => replies.iter().any(is_wrong_type),
    }
}

fn is_wrong_type(reply: &Reply) -> bool {
    matches!(reply, Reply::Error(said) if said.starts_with("WRONGTYPE"))
}

/// Asks for the type of the key, because the server's error names no type, and returns the replies
/// with an error that names both. If the server does not answer, the error stays as it is.
pub(crate) async fn naming_types(
    binding: Arc<Binding>,
    request: Request,
    template: &'static TemplateMeta,
    deadline: Deadline,
    replies: Replies,
) -> Replies {
    let found = found_type(binding, &request, deadline).await;
    let expected = template.redis_type();
    // Since the command, the key may have been deleted or replaced. Several kinds are strings.
    let found = found.filter(|found| found != "none" && (found != expected || expected == "string"));
    let explained = |reply: Reply| match reply {
        Reply::Error(said) if is_wrong_type(&Reply::Error(said.clone())) => {
            let error = Error::server(&said);
            Reply::failed(match &found {
                Some(found) if found == expected => {
                    error.explained(&format!("expected {}, found another {found}", template.kind()))
                }
                Some(found) => {
                    error.explained(&format!("expected {expected} ({}), found {found}", template.kind()))
                }
                None => error,
            })
        }
        reply => reply,
    };
    match replies {
        Replies::One(reply) => Replies::One(explained(reply)),
        Replies::Two(replies) => Replies::Two(replies.map(explained)),
        Replies::Many(mut replies) => {
            if let [Reply::Ok, .., Reply::Array(results)] = replies.as_mut_slice() {
                *results = std::mem::take(results).into_iter().map(explained).collect();
            }
            Replies::Many(replies.into_iter().map(explained).collect())
        }
    }
}

async fn found_type(binding: Arc<Binding>, request: &Request, deadline: Deadline) -> Option<String> {
    let packet = request.requested().find(|packet| packet.keys.count() == 1)?;
    let asked = Request::One(Packet::new("TYPE", packet.keys.clone()));
    match run(binding, asked, deadline, true, None).await.and_then(read::one) {
        Ok(Reply::Status(found)) => Some(found),
        _ => None,
    }
}
