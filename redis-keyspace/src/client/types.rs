//! Names the key that has a wrong type, and the type, when a command reports a wrong one.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::binding::Binding;
use super::run::run;
use super::subject::Subject;
use crate::error::{Error, ErrorKind};
use crate::key::KeyText;
use crate::kind::Layout;
use crate::protocol::{Keys, Packet, Replies, Reply, Request, read};
use crate::schema::{KeyspaceMeta, TemplateMeta};
use crate::time::Deadline;

/// How long a command may take to find out which types its keys have.
pub(crate) const NAMING: Duration = Duration::from_secs(1);
/// For more keys, no types are requested.
pub(crate) const MOST_ASKED: usize = 1000;

/// Whether a key of a command has another type than the command needs.
#[inline]
pub(crate) fn has_wrong_type(replies: &Replies) -> bool {
    match replies {
        Replies::One(reply) => is_wrong_type(reply),
        replies => any_has_wrong_type(replies),
    }
}

fn any_has_wrong_type(replies: &Replies) -> bool {
    match (replies, replies.as_slice()) {
        // The results of a transaction, or of the part of one that a command needs.
        (Replies::Many(_), [Reply::Ok, .., Reply::Array(results)] | [Reply::Array(results)]) => {
            results.iter().any(is_wrong_type)
        }
        (_, replies) => replies.iter().any(is_wrong_type),
    }
}

#[inline]
fn is_wrong_type(reply: &Reply) -> bool {
    // Servers before 7.0 put the place in a script in front of the code.
    matches!(reply, Reply::Error(said) if said.starts_with("WRONGTYPE")
        || said.contains("WRONGTYPE") && Error::server(said).kind() == ErrorKind::WrongType)
}

/// Returns the replies to a request on keys of one keyspace. If a key has another type than the
/// request needs, the error names it.
pub(crate) async fn naming_types(
    binding: &Arc<Binding>,
    request: &Request,
    subject: Subject,
    deadline: Deadline,
    replies: Replies,
) -> Replies {
    if !has_wrong_type(&replies) {
        return replies;
    }
    let (binding, request, others) = (Arc::clone(binding), request.clone(), Vec::new());
    let deadline = deadline.at_most(NAMING);
    Box::pin(WrongTypeOf { binding, request, subject, others, deadline }.named(replies)).await
}

/// A command that failed because of the type of a key.
pub(crate) struct WrongTypeOf {
    pub(crate) binding: Arc<Binding>,
    pub(crate) request: Request,
    pub(crate) subject: Subject,
    /// The keyspaces of further keys of the command.
    pub(crate) others: Vec<&'static KeyspaceMeta>,
    pub(crate) deadline: Deadline,
}

/// A key of such a command, with its declaration.
struct Suspect {
    key: KeyText,
    template: &'static TemplateMeta,
    /// Whether the command also accepts a set instead of a sorted set.
    accepts_set: bool,
}

/// What is known about the types of the keys of a command.
enum FoundType {
    /// The type of a key that has another type than its template says.
    Another {
        suspect: Suspect,
        found: String,
    },
    /// A key whose string has another format.
    AnotherString(Suspect),
    /// The only key has its declared type, or does not exist any more. It has been replaced or
    /// deleted since, or the command does not fit the declaration.
    Declared {
        suspect: Suspect,
        found: String,
    },
    /// The same for several keys.
    AllAsDeclared,
    Unknown,
}

impl WrongTypeOf {
    /// Asks for the types of the keys, because the server's error names no key and no type, and
    /// returns the replies with an error that names them. If the server does not answer, the error
    /// stays as it is.
    pub(crate) async fn named(self, replies: Replies) -> Replies {
        let is_format = replies.as_slice().iter().any(is_wrong_format);
        let finding = self.find(is_format).await;
        let command = self.subject.command;
        let explained = |reply: Reply| match reply {
            Reply::Error(said) if is_wrong_type(&Reply::Error(said.clone())) => {
                Reply::failed(finding.explain(command, Error::server(&said)))
            }
            reply => reply,
        };
        match replies {
            Replies::One(reply) => Replies::One(explained(reply)),
            Replies::Two(replies) => Replies::Two(replies.map(explained)),
            Replies::Many(mut replies) => {
                if let [Reply::Ok, .., Reply::Array(results)] | [Reply::Array(results)] =
                    replies.as_mut_slice()
                {
                    *results = std::mem::take(results).into_iter().map(explained).collect();
                }
                Replies::Many(replies.into_iter().map(explained).collect())
            }
        }
    }

    async fn find(&self, is_format: bool) -> FoundType {
        let mut suspects = self.suspects();
        if suspects.is_empty() {
            return FoundType::Unknown;
        }
        let Some(types) = self.ask(&suspects, |key| Packet::new("TYPE", Keys::One(key))).await else {
            return FoundType::Unknown;
        };
        let types = types.into_iter().map(|reply| match reply {
            Reply::Status(found) => Some(found),
            _ => None,
        });
        let Some(types) = types.collect::<Option<Vec<_>>>() else { return FoundType::Unknown };
        let wrong = suspects.iter().zip(&types).position(|(suspect, found)| suspect.is_wrong(found));
        if let Some((place, found)) = wrong.and_then(|place| Some((place, types.get(place)?))) {
            return FoundType::Another { suspect: suspects.swap_remove(place), found: found.clone() };
        }
        if is_format {
            return self.find_format(suspects, types).await;
        }
        match (<[Suspect; 1]>::try_from(suspects), <[String; 1]>::try_from(types)) {
            (Ok([suspect]), Ok([found])) => FoundType::Declared { suspect, found },
            _ => FoundType::AllAsDeclared,
        }
    }

    /// Finds the string that should be a HyperLogLog. All keys have their declared types, or do not
    /// exist.
    async fn find_format(&self, suspects: Vec<Suspect>, types: Vec<String>) -> FoundType {
        let declared = suspects.into_iter().zip(types);
        let declared = declared.filter(|(suspect, _)| suspect.template.kind.layout == Layout::HyperLogLog);
        let (mut suspects, types): (Vec<_>, Vec<_>) = declared.unzip();
        if suspects.is_empty() {
            return FoundType::Unknown;
        }
        if let ([_], [found]) = (suspects.as_slice(), types.as_slice())
            && found == "string"
            && let Some(suspect) = suspects.pop()
        {
            return FoundType::AnotherString(suspect);
        }
        let Some(counts) = self.ask(&suspects, |key| Packet::new("PFCOUNT", Keys::One(key))).await else {
            return FoundType::Unknown;
        };
        match counts.iter().position(is_wrong_type) {
            Some(place) if place < suspects.len() => FoundType::AnotherString(suspects.swap_remove(place)),
            None if counts.iter().all(|count| matches!(count, Reply::Int(_))) => FoundType::AllAsDeclared,
            _ => FoundType::Unknown,
        }
    }

    /// Returns the keys whose types matter to the command, each once.
    fn suspects(&self) -> Vec<Suspect> {
        let packets = || self.request.requested();
        let first = packets().flat_map(|packet| packet.keys.as_slice()).next();
        let is_only = packets()
            .flat_map(|packet| packet.keys.as_slice())
            .all(|key| Some(key.as_str()) == first.map(KeyText::as_str));
        let keyspaces = || self.subject.keyspace.into_iter().chain(self.others.iter().copied());
        let (mut suspects, mut known) = (Vec::new(), HashSet::new());
        for packet in packets() {
            // Raw commands are sent as they are written.
            let name = packet.name.to_ascii_uppercase();
            // The first key of these commands may have any type: it is replaced.
            let is_replaced = name.ends_with("STORE") || name == "BITOP";
            let keys = packet.keys.as_slice();
            let keys = keys.get(usize::from(is_replaced)..).unwrap_or_default();
            let accepts_set = matches!(
                &*name,
                "ZUNION" | "ZINTER" | "ZDIFF" | "ZINTERCARD" | "ZUNIONSTORE" | "ZINTERSTORE" | "ZDIFFSTORE"
            );
            for key in keys {
                if !known.insert(key.as_str()) {
                    continue;
                }
                if known.len() > MOST_ASKED {
                    return Vec::new();
                }
                let of_key = || keyspaces().find_map(|keyspace| keyspace.template_of(key.own()));
                let template = match (is_only, self.subject.template) {
                    (true, Some(template)) => Some(template),
                    (_, template) => of_key().or(template),
                };
                suspects.extend(template.map(|template| Suspect { key: key.clone(), template, accepts_set }));
            }
        }
        suspects
    }

    /// Sends a command for each key. Returns the replies if all keys have one.
    async fn ask(&self, suspects: &[Suspect], command: impl Fn(KeyText) -> Packet) -> Option<Vec<Reply>> {
        let packets: Vec<_> = suspects.iter().map(|suspect| command(suspect.key.clone())).collect();
        let asked = match <[Packet; 1]>::try_from(packets) {
            Ok([packet]) => Request::One(packet),
            Err(packets) => Request::Pipeline(packets),
        };
        let replies = run(Arc::clone(&self.binding), asked, self.deadline, true, None).await.ok()?;
        Some(read::many(replies)).filter(|replies| replies.len() == suspects.len())
    }
}

/// Whether a string does not have the format of a HyperLogLog.
fn is_wrong_format(reply: &Reply) -> bool {
    match reply {
        Reply::Array(results) => results.iter().any(is_wrong_format),
        reply => matches!(reply, Reply::Error(said) if said.contains("HyperLogLog")) && is_wrong_type(reply),
    }
}

impl Suspect {
    fn is_wrong(&self, found: &str) -> bool {
        let expected = self.template.redis_type();
        let is_accepted = self.accepts_set && (expected, found) == ("zset", "set");
        found != "none" && found != expected && !is_accepted
    }

    /// Names the key in an error.
    fn name(&self, command: &'static str, error: Error, found: &str) -> Error {
        error.explained(found).about(command, Some(self.template.name()), Some(self.key.as_str()))
    }
}

impl FoundType {
    fn explain(&self, command: &'static str, error: Error) -> Error {
        match self {
            Self::Another { suspect, found } => {
                let (expected, kind) = (suspect.template.redis_type(), suspect.template.kind());
                suspect.name(command, error, &format!("expected {expected} ({kind}), found {found}"))
            }
            Self::AnotherString(suspect) => {
                let kind = suspect.template.kind();
                suspect.name(command, error, &format!("expected {kind}, found another string"))
            }
            Self::Declared { suspect, found } => {
                let (expected, kind) = (suspect.template.redis_type(), suspect.template.kind());
                let now = match found.as_str() {
                    "none" => "the key does not exist any more",
                    _ => "the key has this type: it was replaced since, or the command needs another type",
                };
                suspect.name(command, error, &format!("declared as {expected} ({kind}), and {now}"))
            }
            Self::AllAsDeclared => error.explained(
                "every key has its declared type, or does not exist: one was replaced since, or the command needs another type",
            ),
            Self::Unknown => error,
        }
    }
}
