//! Reads a collection page by page.

use std::sync::Arc;

use tokio::time::sleep;

use crate::client::{Binding, CallOptions, Observed, OnServer, Subject, naming_types, run, run_at, run_on};
use crate::connect::ServerRun;
use crate::error::{Error, ErrorKind, Result};
use crate::key::{KeyText, slot_within};
use crate::protocol::{Keys, Packet, Replies, Reply, Request, read};
use crate::schema::KeyspaceMeta;
use crate::time::{Backoff, Deadline};

/// The maximum number of restarts of a scan. A server that keeps changing can't be scanned.
const RESTARTS: u32 = 64;
const FIRST_PAUSE: std::time::Duration = std::time::Duration::from_millis(20);
const LONGEST_PAUSE: std::time::Duration = std::time::Duration::from_secs(1);

/// What a scan reads.
pub(super) struct PageOptions {
    pub(super) keyspace: &'static KeyspaceMeta,
    pub(super) command: &'static str,
    pub(super) key: KeyText,
    pub(super) call: CallOptions,
    pub(super) page_size: u32,
    /// Whether the values of a hash are left out, if the server can do that.
    pub(super) without_values: bool,
}

/// The place that gave a cursor, which is valid only there.
#[derive(Clone, PartialEq, Eq)]
struct ScanPlace {
    /// The address of the node of a cluster in memory. Of a single server, nothing.
    node: Option<usize>,
    run: Option<ServerRun>,
}

/// A scan of a collection in progress.
pub(super) struct ElementPages {
    options: PageOptions,
    binding: Arc<Binding>,
    /// The start of the next page; `None` after the last page.
    cursor: Option<u64>,
    place: Option<ScanPlace>,
    restarts: u32,
    pauses: Backoff,
    /// Whether the server sends values that are not wanted.
    drops_values: bool,
}

/// A page: its elements, and whether each has a value behind it.
pub(super) struct ElementPage {
    pub(super) parts: Vec<Reply>,
    pub(super) has_values: bool,
}

impl ElementPages {
    pub(super) fn new(options: PageOptions) -> Result<Self> {
        let binding = options.call.target.resolve(Some(options.keyspace))?;
        // A disabled handle has no keys.
        let cursor = (!binding.is_disabled).then_some(0);
        let pauses = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        Ok(Self { options, binding, cursor, place: None, restarts: 0, pauses, drops_values: false })
    }

    /// Reads the next page, or returns `None` after the last one.
    pub(super) async fn next(&mut self) -> Result<Option<ElementPage>> {
        let Some(cursor) = self.cursor else { return Ok(None) };
        let subject = self.subject();
        let observed = Observed::command(&subject);
        observed.to(&self.binding);
        let outcome = self.read(cursor).await;
        observed.outcome(&subject, outcome.as_ref().err());
        outcome.map(Some)
    }

    async fn read(&mut self, mut cursor: u64) -> Result<ElementPage> {
        loop {
            let deadline = self.binding.deadline(self.options.call.timeout);
            let (reply, place) = match self.ask(cursor, deadline).await {
                Err(error) if self.options.without_values && error.is_about_missing_command() => {
                    // An older server: the values are read and dropped.
                    self.options.without_values = false;
                    self.drops_values = true;
                    continue;
                }
                outcome => outcome?,
            };
            let (next, mut parts) = read_page(reply)?;
            if self.drops_values {
                parts = parts.into_iter().step_by(2).collect();
            }
            let has_values =
                self.options.command != "SSCAN" && !self.options.without_values && !self.drops_values;
            let Some(place) = place else {
                // The key is being moved: this page was read at the start, wherever it is now.
                if next.is_some() {
                    self.restart().await?;
                } else {
                    self.cursor = None;
                }
                return Ok(ElementPage { parts, has_values });
            };
            let is_same = self.place.as_ref().is_none_or(|before| *before == place);
            self.place = Some(place);
            if is_same || cursor == 0 {
                self.cursor = next;
                return Ok(ElementPage { parts, has_values });
            }
            self.restart().await?;
            cursor = 0;
        }
    }

    /// Starts again, because a cursor is valid only at the server that gave it.
    async fn restart(&mut self) -> Result<()> {
        self.cursor = Some(0);
        self.restarts += 1;
        if self.restarts > RESTARTS {
            return Err(Error::new(
                ErrorKind::Unavailable,
                format!(
                    "the server restarted or was replaced, or the key was moved, more than {RESTARTS} times during the \
                     scan; scan again when it is stable"
                ),
            ));
        }
        sleep(self.pauses.pause()).await;
        Ok(())
    }

    /// Asks for a page. The place is unknown if the key is being moved; then, the page is the first
    /// one.
    async fn ask(&self, cursor: u64, deadline: Deadline) -> Result<(Reply, Option<ScanPlace>)> {
        let binding = &self.binding;
        let before = self.place.as_ref();
        if binding.pool().cluster().is_none() {
            let request = Request::One(self.command(cursor));
            let preferred = before.and_then(|place| place.run);
            match run_on(binding, &request, deadline, true, None, preferred).await? {
                OnServer::Answered(replies, run) => {
                    let reply = self.reply(&request, deadline, replies).await?;
                    return Ok((reply, Some(ScanPlace { node: None, run })));
                }
                OnServer::Cluster(_) => {}
            }
        }
        let slot = slot_within(&binding.namespace, self.options.key.as_str());
        let owner = binding
            .pool()
            .cluster()
            .and_then(|cluster| cluster.owners(std::iter::once(slot)).pop().flatten());
        if let Some(node) = owner {
            let address = Arc::as_ptr(&node).addr();
            let is_known = before.is_none_or(|place| place.node == Some(address));
            // A cursor of another node means nothing to this one.
            let request = Request::One(self.command(if is_known { cursor } else { 0 }));
            let preferred = before.filter(|_| is_known).and_then(|place| place.run);
            match run_at(binding, &node, &request, deadline, preferred).await {
                Ok((replies, run)) => match self.reply(&request, deadline, replies).await {
                    Err(error) if error.redirect().is_some() => {}
                    reply => return Ok((reply?, Some(ScanPlace { node: Some(address), run: Some(run) }))),
                },
                Err(error) if error.is_outage() || error.redirect().is_some() => {}
                Err(error) => return Err(error),
            }
        }
        // The key is elsewhere, or its node is being replaced: this finds it, and learns where it
        // is.
        let request = Request::One(self.command(0));
        let replies: Replies = run(Arc::clone(binding), &request, deadline, true, None).await?;
        Ok((self.reply(&request, deadline, replies).await?, None))
    }

    /// Returns the only reply. If the key has another type, the error names it.
    async fn reply(&self, request: &Request, deadline: Deadline, replies: Replies) -> Result<Reply> {
        read::one(naming_types(&self.binding, request, self.subject(), deadline, replies).await)
    }

    fn subject(&self) -> Subject {
        Subject::new(Some(self.options.keyspace), None, self.options.command)
    }

    fn command(&self, cursor: u64) -> Packet {
        let PageOptions { command, key, page_size, without_values, .. } = &self.options;
        let mut packet = Packet::new(command, Keys::One(key.clone()));
        packet.args.push_int(cursor);
        packet.args.push(b"COUNT");
        packet.args.push_int(*page_size);
        if *without_values {
            packet.args.push(b"NOVALUES");
        }
        packet
    }
}

/// Returns the cursor of the next page, if there is one, and the elements.
fn read_page(reply: Reply) -> Result<(Option<u64>, Vec<Reply>)> {
    let unexpected = || Error::protocol("a scan did not return a cursor and a list of elements");
    let Reply::Array(parts) = read::checked(reply)? else { return Err(unexpected()) };
    let Ok([Reply::Bulk(cursor), Reply::Array(elements)]) = <[Reply; 2]>::try_from(parts) else {
        return Err(unexpected());
    };
    let cursor: Option<u64> = str::from_utf8(&cursor).ok().and_then(|cursor| cursor.parse().ok());
    Ok((Some(cursor.ok_or_else(unexpected)?).filter(|&cursor| cursor != 0), elements))
}
