//! Scans a database page by page.

use std::sync::Arc;

use futures_util::future::{join_all, join3};

use super::nodes::{NodePage, NodeWalk};
use super::target::{ScanOptions, Wanted};
use crate::client::{Binding, Observed, OnServer, Subject, run, run_at, run_on, run_rest};
use crate::connect::{Node, ServerRun};
use crate::error::{Error, ErrorKind, Result};
use crate::key::{KeyText, slot_within};
use crate::protocol::{KEYS_PER_COMMAND, Keys, Packet, Replies, Reply, Request, read};
use crate::schema::KeyspaceMeta;
use crate::time::Deadline;

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
    /// The nodes to visit, if the server is a cluster.
    nodes: Option<Box<NodeWalk>>,
}

/// The result of one round trip of a scan.
#[derive(Default)]
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
    /// The slots of a cluster that are read again. The keys of this step count, those before do
    /// not.
    pub(super) reread: Vec<u16>,
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
        Ok(Self { binding, keyspace, wanted, options, cursor, server: None, restarts: 0, nodes: None })
    }

    pub(super) fn page_size(&self) -> u32 {
        self.options.page_size
    }

    /// Whether another page follows.
    pub(super) fn has_next_page(&self) -> bool {
        self.cursor.is_some()
    }

    /// Returns the slot of a key.
    pub(super) fn slot(&self, key: &str) -> u16 {
        slot_within(&self.binding.namespace, key)
    }

    /// Divides the keys of a page, or items that stand for them, into groups that fit into one
    /// command. May reorder the items.
    pub(super) fn divide<'k, T>(
        &self,
        keys: &'k mut [T],
        text: impl Fn(&T) -> &str + Copy + 'k,
    ) -> impl Iterator<Item = &'k [T]> {
        // Commands for the nodes of a cluster are divided when they are sent.
        let is_cluster = self.binding.pool().is_cluster() && self.binding.pool().cluster().is_none();
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
        if (packets.is_empty() && self.cursor.is_none()) || self.binding.is_disabled {
            return Ok(WalkStep::default());
        }
        let deadline = self.binding.deadline(self.options.call.timeout);
        let binding = Arc::clone(&self.binding);
        let subject = Subject::new(Some(self.keyspace), None, "SCAN");
        let observed = Observed::command(&subject);
        observed.to(&binding);
        let asked = packets.len();
        let is_on_nodes = binding.pool().cluster().is_some();
        let outcome = if is_on_nodes {
            Ok(OnServer::Cluster(None))
        } else {
            packets.extend(self.cursor.map(|cursor| self.page(cursor)));
            let request = Request::Page(packets);
            let outcome = run_on(&binding, &request, deadline, repeatable, None, self.server).await;
            packets = if let Request::Page(packets) = request { packets } else { Vec::new() };
            outcome
        };
        let outcome = match outcome {
            Ok(OnServer::Cluster(answered)) => {
                packets.truncate(asked);
                // The pages before were those of one node.
                let restarted = self.nodes.is_none() && self.wanted.only.is_none() && self.cursor != Some(0);
                if restarted {
                    self.cursor = Some(0);
                }
                let mut step = self.step_on_nodes(packets, answered, repeatable, deadline).await;
                observed.outcome(&subject, step.as_ref().err());
                step.iter_mut().for_each(|step| step.restarted |= restarted);
                return step;
            }
            Ok(OnServer::Answered(replies, server)) => Ok((replies, server)),
            Err(error) => Err(error),
        };
        observed.outcome(&subject, outcome.as_ref().err());
        let (replies, server) = outcome?;
        observed.received(&subject, replies.as_slice());
        let mut step = WalkStep { replies: read::many(replies), ..WalkStep::default() };
        if self.cursor.is_some() {
            let page = step.replies.pop().ok_or_else(|| Error::protocol("no reply to SCAN"))?;
            match self.read_page(page, &mut step) {
                Ok(next) => self.cursor = next,
                Err(error) => step.failure = Some(error.about("SCAN", None, None)),
            }
        }
        step.restarted = self.server.is_some() && self.server != server;
        self.server = server;
        if step.restarted {
            // A cursor is valid only for the hash tables of one run of a server. So the page does
            // not count: all its keys are read again.
            step.keys.clear();
            step.unreadable = 0;
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

    /// Sends commands to the nodes of a cluster, and meanwhile reads the next page of one node.
    /// `answered` are the replies of the one node that was sent the commands before.
    async fn step_on_nodes(
        &mut self,
        mut packets: Vec<Packet>,
        answered: Option<Replies>,
        repeatable: bool,
        deadline: Deadline,
    ) -> Result<WalkStep> {
        let binding = Arc::clone(&self.binding);
        if self.nodes.is_none() && self.wanted.only.is_none() && self.cursor.is_some() {
            self.nodes = Some(Box::new(NodeWalk::start(&binding, deadline).await?));
        }
        let asks_size = packets.pop_if(|packet| packet.name == "DBSIZE").is_some();
        // A batch, so that each command has its own outcome.
        let commands = Request::Batch(packets.into_iter().map(Request::One).collect());
        let masters = self.nodes.as_deref().map(NodeWalk::masters).unwrap_or_default().to_vec();
        let commands = async {
            let binding = Arc::clone(&binding);
            match answered {
                Some(replies) => run_rest(binding, commands, deadline, repeatable, replies).await,
                None => run(binding, commands, deadline, repeatable, None).await,
            }
        };
        let size = async { if asks_size { Some(size_of(&binding, &masters, deadline).await) } else { None } };
        let page = self.page_of_nodes(&binding);
        let (replies, page, size) = join3(commands, page, size).await;
        let mut step = WalkStep { replies: read::many(replies?), ..WalkStep::default() };
        let is_last = match page {
            Ok(Some(page)) => self.take_page(page, &mut step),
            Ok(None) => Ok(true),
            Err(error) => Err(error),
        };
        match is_last {
            Ok(true) => self.cursor = None,
            Ok(false) => {}
            Err(error) => step.failure = Some(error.about("SCAN", None, None)),
        }
        step.replies.extend(size);
        Ok(step)
    }

    /// Reads the next page of a node, or looks up the only key.
    async fn page_of_nodes(&mut self, binding: &Arc<Binding>) -> Result<Option<Page>> {
        let timeout = self.options.call.timeout;
        let deadline = binding.deadline(timeout);
        let Some(cursor) = self.cursor else { return Ok(None) };
        let Some(nodes) = &mut self.nodes else {
            let request = Request::One(self.page(cursor));
            let replies = run(Arc::clone(binding), request, deadline, true, None).await?;
            return Ok(Some(Page { reply: read::one(replies)?, server: None }));
        };
        loop {
            let Some(NodePage { node, cursor, server }) = nodes.next(binding, timeout).await? else {
                return Ok(None);
            };
            let request = Request::One(scan_command(&self.wanted, &self.options, cursor));
            let answer = run_at(binding, &node, &request, binding.deadline(timeout), server).await;
            match answer.and_then(|(replies, server)| Ok((read::one(replies)?, server))) {
                Ok((reply, server)) => return Ok(Some(Page { reply, server: Some(server) })),
                // Another node may replace it.
                Err(error) if error.is_outage() || error.is_timeout() => nodes.node_failed(error),
                Err(error) => return Err(error),
            }
        }
    }

    /// Adds the keys of a page to the step. Returns whether it was the last page.
    fn take_page(&mut self, page: Page, step: &mut WalkStep) -> Result<bool> {
        let next = self.read_page(page.reply, step)?;
        let (Some(nodes), Some(server)) = (&mut self.nodes, page.server) else { return Ok(true) };
        let keys = std::mem::take(&mut step.keys);
        step.keys = nodes.page_was_read(&self.binding.namespace, keys, next, server)?;
        step.reread = nodes.take_reread();
        Ok(false)
    }

    /// Returns the command for the page that starts at this cursor.
    fn page(&self, cursor: u64) -> Packet {
        if let Some(only) = &self.wanted.only {
            return Packet::new("TYPE", Keys::One(KeyText::Shared(only.as_str().into())));
        }
        scan_command(&self.wanted, &self.options, cursor)
    }

    /// Adds the keys of a page to the step, and returns the cursor of the next page.
    fn read_page(&self, page: Reply, step: &mut WalkStep) -> Result<Option<u64>> {
        if let Some(only) = &self.wanted.only {
            return match read::checked(page)? {
                Reply::Status(kind) => {
                    step.keys.extend((self.wanted.redis_type == Some(&kind)).then(|| only.clone()));
                    Ok(None)
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
        let next = Some(cursor.ok_or_else(unexpected)?).filter(|&cursor| cursor != 0);
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
        Ok(next)
    }
}

/// The reply to the command of a page, and the run of the node that sent it.
struct Page {
    reply: Reply,
    /// `None` if the page is a single key.
    server: Option<ServerRun>,
}

/// Returns the number of keys on all masters, as the reply of a single server.
async fn size_of(binding: &Binding, masters: &[Arc<Node>], deadline: Deadline) -> Reply {
    let request = Request::One(Packet::new("DBSIZE", Keys::None));
    let sizes = join_all(masters.iter().map(async |node| {
        let (replies, _) = run_at(binding, node, &request, deadline, None).await?;
        read::one(replies).and_then(read::to_int)
    }));
    let sum: Result<i64> = sizes.await.into_iter().sum();
    sum.map_or_else(Reply::failed, Reply::Int)
}

fn scan_command(wanted: &Wanted, options: &ScanOptions, cursor: u64) -> Packet {
    let mut packet = Packet::new("SCAN", Keys::None);
    packet.args.push_int(cursor);
    packet.args.push(b"MATCH");
    packet.args.push(wanted.glob.as_bytes());
    packet.args.push(b"COUNT");
    packet.args.push_int(options.page_size);
    if let Some(redis_type) = wanted.redis_type {
        packet.args.push(b"TYPE");
        packet.args.push(redis_type.as_bytes());
    }
    packet
}
