//! Scans a database page by page.

use std::sync::Arc;

use super::target::{ScanOptions, Wanted};
use crate::client::{Binding, Observed, Subject, run_on};
use crate::connect::ServerRun;
use crate::error::{Error, ErrorKind, Result};
use crate::key::{KeyText, slot_within};
use crate::protocol::{KEYS_PER_COMMAND, Keys, Packet, Reply, Request, read};
use crate::schema::KeyspaceMeta;

/// The maximum number of restarts of a scan. A server that keeps changing can't be scanned.
const RESTARTS: u32 = 64;

/// A scan in progress.
pub(super) struct Walk {
    binding: Arc<Binding>,
    keyspace: &'static KeyspaceMeta,
    /// The glob includes the namespace.
    wanted: Wanted,
    options: ScanOptions,
    /// The start of the next page; `None` after the last page.
    cursor: Option<u64>,
    /// The run of the server that the cursor belongs to, if it is known.
    server: Option<ServerRun>,
    /// How often the run changed.
    restarts: u32,
}

/// The result of one round trip of a scan.
pub(super) struct WalkStep {
    /// The replies to the commands that were sent with the `SCAN`.
    pub(super) replies: Vec<Reply>,
    /// The keys of the page, without the namespace.
    pub(super) keys: Vec<String>,
    /// The number of keys that the glob matched, but that are not UTF-8 or too long.
    pub(super) unreadable: u64,
    /// The error of the page. The commands that were sent with it still have their replies.
    pub(super) failure: Option<Error>,
    /// Whether the server changed, so that the scan starts again.
    pub(super) restarted: bool,
}

impl Walk {
    pub(super) fn new(
        wanted: &Wanted,
        options: ScanOptions,
        keyspace: &'static KeyspaceMeta,
    ) -> Result<Self> {
        wanted.check()?;
        let binding = options.call.target.resolve(Some(keyspace))?;
        // A namespace contains no glob characters.
        let glob = binding.wire_name(&wanted.glob);
        // Every key that the glob matches contains its literal parts, so it is at least as long as
        // they are.
        binding.pool().settings.sizes().check_key(&wanted.glob)?;
        let wanted = Wanted { glob, ..wanted.clone() };
        // A disabled handle has no keys.
        let cursor = (!binding.is_disabled).then_some(0);
        Ok(Self { binding, keyspace, wanted, options, cursor, server: None, restarts: 0 })
    }

    pub(super) fn page_size(&self) -> u32 {
        self.options.page_size
    }

    /// Whether another page follows.
    pub(super) fn has_next_page(&self) -> bool {
        self.cursor.is_some()
    }

    /// Divides the keys of a page, or items that stand for them, into groups that fit into one
    /// command. May reorder the items.
    pub(super) fn divide<'k, T>(
        &self,
        keys: &'k mut [T],
        text: impl Fn(&T) -> &str + Copy + 'k,
    ) -> impl Iterator<Item = &'k [T]> {
        let is_cluster = self.binding.pool().is_cluster();
        let binding = Arc::clone(&self.binding);
        let slot = move |key: &T| if is_cluster { slot_within(&binding.namespace, text(key)) } else { 0 };
        if is_cluster {
            keys.sort_by_cached_key(&slot);
        }
        let of_one_slot = keys.chunk_by(move |one, other| !is_cluster || slot(one) == slot(other));
        of_one_slot.flat_map(|keys| keys.chunks(KEYS_PER_COMMAND))
    }

    /// Sends these commands together with the `SCAN` of the next page, if there is one.
    pub(super) async fn step(&mut self, mut packets: Vec<Packet>, repeatable: bool) -> Result<WalkStep> {
        packets.extend(self.cursor.map(|cursor| self.page(cursor)));
        let mut step = WalkStep {
            replies: Vec::new(),
            keys: Vec::new(),
            unreadable: 0,
            failure: None,
            restarted: false,
        };
        if packets.is_empty() || self.binding.is_disabled {
            return Ok(step);
        }
        let deadline = self.binding.deadline(self.options.call.timeout);
        let binding = Arc::clone(&self.binding);
        let request = Request::Page(packets);
        let subject = Subject::new(Some(self.keyspace), None, "SCAN");
        let observed = Observed::command(&subject);
        observed.to(&binding);
        let outcome = run_on(binding, request, deadline, repeatable, None, self.server).await;
        observed.outcome(&subject, outcome.as_ref().err());
        let (replies, server) = outcome?;
        observed.received(&subject, replies.as_slice());
        step.replies = read::many(replies);
        if self.cursor.is_some() {
            let page = step.replies.pop().ok_or_else(|| Error::protocol("no reply to SCAN"))?;
            if let Err(error) = self.read_page(page, &mut step) {
                step.failure = Some(error.about("SCAN", None, None));
            }
        }
        step.restarted = self.server.is_some() && self.server != server;
        self.server = server;
        if step.restarted {
            // A cursor is valid only for the hash tables of one run of a server.
            self.cursor = Some(0);
            self.restarts += 1;
            if self.restarts > RESTARTS {
                return Err(Error::new(
                    ErrorKind::Unavailable,
                    format!(
                        "the server restarted or was replaced more than {RESTARTS} times during the scan; \
                         scan again when it is stable"
                    ),
                ));
            }
        }
        Ok(step)
    }

    /// Returns the command for the page that starts at this cursor.
    fn page(&self, cursor: u64) -> Packet {
        if let Some(only) = &self.wanted.only {
            return Packet::new("TYPE", Keys::One(KeyText::Shared(only.as_str().into())));
        }
        let mut packet = Packet::new("SCAN", Keys::None);
        packet.args.push_int(cursor);
        packet.args.push(b"MATCH");
        packet.args.push(self.wanted.glob.as_bytes());
        packet.args.push(b"COUNT");
        packet.args.push_int(self.options.page_size);
        if let Some(redis_type) = self.wanted.redis_type {
            packet.args.push(b"TYPE");
            packet.args.push(redis_type.as_bytes());
        }
        packet
    }

    fn read_page(&mut self, page: Reply, step: &mut WalkStep) -> Result<()> {
        if let Some(only) = &self.wanted.only {
            self.cursor = None;
            return match read::checked(page)? {
                Reply::Status(kind) => {
                    step.keys.extend((self.wanted.redis_type == Some(&kind)).then(|| only.clone()));
                    Ok(())
                }
                _ => Err(Error::protocol("TYPE did not return a type name")),
            };
        }
        let unexpected = || Error::protocol("SCAN did not return a cursor and a list of keys");
        let Reply::Array(parts) = read::checked(page)? else { return Err(unexpected()) };
        let Ok([Reply::Bulk(cursor), Reply::Array(keys)]) = <[Reply; 2]>::try_from(parts) else {
            return Err(unexpected());
        };
        let cursor: Option<u64> = str::from_utf8(&cursor).ok().and_then(|cursor| cursor.parse().ok());
        self.cursor = Some(cursor.ok_or_else(unexpected)?).filter(|&cursor| cursor != 0);
        let sizes = self.binding.pool().settings.sizes();
        step.keys.reserve(keys.len());
        for key in keys {
            let Reply::Bulk(key) = key else { return Err(unexpected()) };
            match String::from_utf8(key.into()) {
                Ok(mut key) if key.starts_with(&*self.binding.namespace) => {
                    key.drain(..self.binding.namespace.len());
                    if sizes.check_key(&key).is_ok() {
                        step.keys.push(key);
                    } else {
                        step.unreadable += 1;
                    }
                }
                _ => step.unreadable += 1,
            }
        }
        Ok(())
    }
}
