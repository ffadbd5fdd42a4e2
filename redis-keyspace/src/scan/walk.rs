//! Going through a database page by page.

use std::sync::Arc;

use super::target::{ScanOptions, Wanted};
use crate::client::{Binding, Observed, Subject, run_on};
use crate::connect::ServerRun;
use crate::error::{Error, ErrorKind, Result};
use crate::key::{KeyText, slot_within};
use crate::protocol::{KEYS_PER_COMMAND, Keys, Packet, Reply, Request, read};
use crate::schema::KeyspaceMeta;

/// How often a scan starts anew. A server that is another one all the time is none to scan.
const RESTARTS: u32 = 64;

/// A scan under way.
pub(super) struct Walk {
    binding: Arc<Binding>,
    keyspace: &'static KeyspaceMeta,
    /// The glob is of the keys as they stand on the server.
    wanted: Wanted,
    options: ScanOptions,
    /// Where the next page starts; `None` when there is none.
    cursor: Option<u64>,
    /// The run of the server that the cursor is of, once that is known.
    server: Option<ServerRun>,
    /// How often it was another one.
    restarts: u32,
}

/// What one round trip brought.
pub(super) struct PageTurn {
    /// The replies to what was sent along.
    pub(super) replies: Vec<Reply>,
    /// The keys of the page, without the namespace.
    pub(super) keys: Vec<String>,
    /// How many keys the glob let through that are no text, or too long to be used.
    pub(super) unreadable: u64,
    /// Why there is no page, while what was sent along has its replies.
    pub(super) failure: Option<Error>,
    /// Whether the server is another one than before, so that the walk has started anew.
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
        // A namespace contains nothing that a glob could take for its own.
        let glob = binding.wire_name(&wanted.glob);
        // What the glob names literally is part of every key that it matches.
        binding.pool().settings.sizes().check_key(&wanted.glob)?;
        let wanted = Wanted { glob, ..wanted.clone() };
        // A disabled handle has no keys.
        let cursor = (!binding.is_disabled).then_some(0);
        Ok(Self { binding, keyspace, wanted, options, cursor, server: None, restarts: 0 })
    }

    pub(super) fn page_size(&self) -> u32 {
        self.options.page_size
    }

    /// Whether there is another page.
    pub(super) fn goes_on(&self) -> bool {
        self.cursor.is_some()
    }

    /// Divides the keys of a page, or what stands for them, into those that can be in one command. They may change places.
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
    pub(super) async fn turn(&mut self, mut packets: Vec<Packet>, repeatable: bool) -> Result<PageTurn> {
        packets.extend(self.cursor.map(|cursor| self.page(cursor)));
        let mut turn = PageTurn {
            replies: Vec::new(),
            keys: Vec::new(),
            unreadable: 0,
            failure: None,
            restarted: false,
        };
        if packets.is_empty() || self.binding.is_disabled {
            return Ok(turn);
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
        turn.replies = read::many(replies);
        if self.cursor.is_some() {
            let page = turn.replies.pop().ok_or_else(|| Error::protocol("no reply to SCAN"))?;
            if let Err(error) = self.read_page(page, &mut turn) {
                turn.failure = Some(error.about("SCAN", None, None));
            }
        }
        turn.restarted = self.server.is_some() && self.server != server;
        self.server = server;
        if turn.restarted {
            // A cursor says where the next page starts in the tables of one run of a server, and nothing to another.
            self.cursor = Some(0);
            self.restarts += 1;
            if self.restarts > RESTARTS {
                return Err(Error::new(
                    ErrorKind::Unavailable,
                    format!("the server was another one {RESTARTS} times since the scan began"),
                ));
            }
        }
        Ok(turn)
    }

    /// Asks for the page that starts here.
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

    fn read_page(&mut self, page: Reply, turn: &mut PageTurn) -> Result<()> {
        if let Some(only) = &self.wanted.only {
            self.cursor = None;
            return match read::checked(page)? {
                Reply::Status(kind) => {
                    turn.keys.extend((self.wanted.redis_type == Some(&kind)).then(|| only.clone()));
                    Ok(())
                }
                _ => Err(Error::protocol("TYPE did not give the name of one")),
            };
        }
        let unexpected = || Error::protocol("SCAN did not give a cursor and a list of keys");
        let Reply::Array(parts) = read::checked(page)? else { return Err(unexpected()) };
        let Ok([Reply::Bulk(cursor), Reply::Array(keys)]) = <[Reply; 2]>::try_from(parts) else {
            return Err(unexpected());
        };
        let cursor: Option<u64> = str::from_utf8(&cursor).ok().and_then(|cursor| cursor.parse().ok());
        self.cursor = Some(cursor.ok_or_else(unexpected)?).filter(|&cursor| cursor != 0);
        let sizes = self.binding.pool().settings.sizes();
        turn.keys.reserve(keys.len());
        for key in keys {
            let Reply::Bulk(key) = key else { return Err(unexpected()) };
            match String::from_utf8(key) {
                Ok(mut key) if key.starts_with(&*self.binding.namespace) => {
                    key.drain(..self.binding.namespace.len());
                    if sizes.check_key(&key).is_ok() {
                        turn.keys.push(key);
                    } else {
                        turn.unreadable += 1;
                    }
                }
                _ => turn.unreadable += 1,
            }
        }
        Ok(())
    }
}
