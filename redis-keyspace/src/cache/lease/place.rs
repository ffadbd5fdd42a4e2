//! Where the leases of a key are stored, and the requests for them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::script::SCRIPT;
use crate::cache::form::FillForm;
use crate::cache::packed;
use crate::client::{Binding, Observed, Subject, missing_command};
use crate::error::{Error, Result};
use crate::key::{Companion, KeyText};
use crate::protocol::{Args, Keys, Reply, ScriptCall, read};
use crate::schema::{Key, Keyspace, TemplateMeta, sweep_mark};
use crate::time::Deadline;

/// How long a lease lasts without renewal. If its process dies, other processes wait this long.
const LEASE: Duration = Duration::from_secs(5);
/// The same for a lease that other processes can join instead of waiting. It is longer, because a
/// loader that blocks its thread delays the renewal.
const SHARED: Duration = Duration::from_secs(30);

const RIGHTS: &str = "`Catalog::acl_rules` lists the permissions that filling a key requires";

/// How a lease is requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeaseMode {
    /// Joins the lease of another process. Both may load, and the first to store wins.
    Share,
    /// The same, for a caller that has waited. Callers that wait must not wait long for this lease.
    Join,
    /// Only one process may load. Used for one key at a time, because with several keys two
    /// processes could wait for each other.
    Wait,
    /// Like `Wait`, for work that must not run twice: a companion key of an unknown format version
    /// is an error.
    Work,
    /// Acquires the lease only if no other process holds it.
    Try,
    /// Acquires the lease in any case. Another holder loses it.
    Force,
}

impl LeaseMode {
    fn name(self) -> &'static [u8] {
        match self {
            Self::Share | Self::Join => b"share",
            Self::Wait => b"wait",
            Self::Work => b"work",
            Self::Try => b"try",
            Self::Force => b"force",
        }
    }
}

/// The reply to a request for a lease. Values and stale copies are bytes.
pub(crate) enum LeaseAnswer<L> {
    /// The key has a value now.
    Value(Bytes),
    /// The key is known to have no value.
    Absent,
    /// This caller holds the lease, or shares it. The second field is the stale copy, if any.
    Leads(L, Option<Bytes>),
    /// Another process holds the lease. `after_nothing`: the lease before it ended without a value.
    Held { token: String, stale: Option<Bytes>, after_nothing: bool },
}

/// A granted lease: its token, and how long it lasts without renewal.
pub(super) struct Grant {
    pub(super) token: String,
    pub(super) lasts: Duration,
    /// The value that the field has, if it can't be used.
    pub(super) replaces: Option<Bytes>,
}

/// Where a key's leases are stored on the server, and the options of requests for them.
#[derive(Clone)]
pub(crate) struct LeasePlace {
    pub(super) binding: Arc<Binding>,
    pub(super) key: KeyText,
    /// The sweep mark of the template. `None` for leases that a deletion by pattern does not end.
    mark: Option<KeyText>,
    subject: Subject,
    pub(super) timeout: Duration,
    /// How long leases last, if they are for work that must not run twice.
    lasts: Option<Duration>,
    /// The token of a lease to take over even though it is held.
    instead_of: Option<Arc<str>>,
    pub(super) form: FillForm,
    /// The field to fill, if it is not the whole key.
    pub(super) field: Option<Bytes>,
}

impl LeasePlace {
    pub(crate) fn new<S: Keyspace, V>(
        binding: Arc<Binding>,
        key: &Key<S, V>,
        timeout: Option<Duration>,
    ) -> Self {
        let timeout = timeout.unwrap_or(binding.timeout);
        let subject = Subject::new(Some(S::META), Some(key.template()), "EVALSHA");
        let mark = Some(sweep_mark(key.template()));
        Self {
            binding,
            key: key.text(),
            mark,
            subject,
            timeout,
            lasts: None,
            instead_of: None,
            form: FillForm::Value,
            field: None,
        }
    }

    /// Adapts the place to work that runs once: the lease lasts longer without renewal, and
    /// deletion by pattern does not end it.
    pub(crate) fn of_work(mut self, lasts: Duration) -> Self {
        (self.lasts, self.mark) = (Some(lasts), None);
        self
    }

    /// Sets the commands that read and store the value.
    pub(crate) fn of_form(mut self, form: FillForm) -> Self {
        self.form = form;
        self
    }

    /// Sets the field to fill.
    pub(crate) fn of_field(mut self, field: Option<Bytes>) -> Self {
        self.field = field;
        self
    }

    /// Whether every write renews the lifetime of the key.
    pub(super) fn renews_lifetime(&self) -> bool {
        self.subject.template.is_some_and(TemplateMeta::renews_lifetime)
    }

    /// Takes over the lease with this token even though it is held.
    pub(crate) fn instead_of(mut self, token: Option<Arc<str>>) -> Self {
        self.instead_of = token;
        self
    }

    fn lasts(&self, mode: LeaseMode) -> Duration {
        self.lasts.unwrap_or(if mode == LeaseMode::Share { SHARED } else { LEASE })
    }

    pub(super) fn call(&self, operation: &[u8], token: &str) -> ScriptCall {
        // On a cluster, the mark is in another slot. There, a deletion by pattern visits each
        // companion key instead.
        let mark = self.mark.clone().filter(|_| !self.binding.pool().is_cluster());
        let mut args = Args::default();
        args.push(operation);
        args.push(token.as_bytes());
        ScriptCall { keys: Keys::With(self.key.clone(), Companion::Fill, mark.map(Box::new)), args }
    }

    pub(super) fn begin_call(&self, token: &str, mode: LeaseMode, looks: bool) -> ScriptCall {
        let mut call = self.call(b"begin", token);
        call.args.push_int(self.lasts(mode).as_millis());
        call.args.push(mode.name());
        call.args.push(if looks { b"1" } else { b"0" });
        if self.instead_of.is_some() || !matches!(self.form, FillForm::Value) {
            call.args.push(self.instead_of.as_deref().unwrap_or_default().as_bytes());
        }
        self.push_read(&mut call.args);
        call
    }

    /// Appends the name of the command that reads the key, unless it is `GET`.
    pub(super) fn push_read(&self, args: &mut Args) {
        if !matches!(self.form, FillForm::Value) {
            args.push(self.form.read().as_bytes());
        }
    }

    /// Runs calls for keys of the same binding. Each call has its own outcome.
    pub(super) async fn run(&self, calls: Vec<ScriptCall>, repeatable: bool) -> Vec<Result<Reply>> {
        let deadline = Deadline::after(self.timeout);
        let observed = Observed::command(&self.subject);
        observed.to(&self.binding);
        let arguments = calls.iter().flat_map(|call| call.args.iter());
        observed.value(&self.subject, "sent", arguments.map(<[u8]>::len).max().unwrap_or_default());
        let mut outcomes = self.send(calls.clone(), deadline, repeatable).await;
        let without_marks: Option<Vec<_>> =
            calls.iter().zip(&outcomes).map(|(call, outcome)| self.without_mark(outcome, call)).collect();
        if let Some(again) = without_marks.filter(|again| !again.is_empty()) {
            outcomes = self.send(again, deadline, repeatable).await;
        }
        observed.received(&self.subject, outcomes.iter().flatten());
        observed.outcome(&self.subject, outcomes.iter().find_map(|outcome| outcome.as_ref().err()));
        outcomes
    }

    async fn send(
        &self,
        mut calls: Vec<ScriptCall>,
        deadline: Deadline,
        repeatable: bool,
    ) -> Vec<Result<Reply>> {
        if calls.len() == 1
            && let Some(only) = calls.pop()
        {
            return vec![SCRIPT.run(&self.binding, only, deadline, repeatable).await];
        }
        let count = calls.len();
        match SCRIPT.run_many(&self.binding, calls, deadline, repeatable).await {
            Ok(outcomes) => outcomes,
            Err(error) => (0..count).map(|_| Err(error.clone())).collect(),
        }
    }

    /// Returns the call without the mark, if the server rejected it because it is a cluster. Before
    /// the first login, the client does not know whether the server is one.
    fn without_mark(&self, outcome: &Result<Reply>, call: &ScriptCall) -> Option<ScriptCall> {
        let Keys::With(key, companion, Some(_)) = &call.keys else { return None };
        outcome.as_ref().err().filter(|error| error.code() == Some("CROSSSLOT"))?;
        self.binding.pool().learn_cluster();
        Some(ScriptCall { keys: Keys::With(key.clone(), *companion, None), args: call.args.clone() })
    }

    /// Adds the command and the key to an error.
    pub(super) fn explain(&self, error: Error) -> Error {
        let error = error.about(
            self.subject.command,
            self.subject.template.map(TemplateMeta::name),
            Some(self.key.as_str()),
        );
        if error.code() == Some("NOPERM") { error.explained(RIGHTS) } else { error }
    }

    /// The same for the error of a call that stores a value.
    pub(super) fn explain_store(&self, error: Error) -> Error {
        match self.form.collection() {
            Some(form) if form.has_lasting_fields() => {
                self.explain(missing_command(error, "HPEXPIRE", &self.binding, &self.key))
            }
            _ => self.explain(error),
        }
    }

    /// Reads the reply to a request for a lease.
    pub(super) fn answer(&self, mode: LeaseMode, reply: Reply) -> Result<LeaseAnswer<Grant>> {
        let Reply::Array(parts) = reply else { return Err(unexpected()) };
        let mut parts = parts.into_iter();
        let what = parts.next();
        if what == Some(Reply::Int(0)) {
            let value = parts.next().map(packed::of_reply).transpose()?.flatten();
            return value.map(LeaseAnswer::Value).ok_or_else(unexpected);
        }
        let mut bytes = || match parts.next() {
            Some(Reply::Bulk(bytes)) => Some(bytes),
            _ => None,
        };
        match what {
            Some(Reply::Int(3)) => Ok(LeaseAnswer::Absent),
            Some(Reply::Int(4)) => {
                let version = bytes().unwrap_or_default();
                Err(Error::of_later_version("the `Once` lease", &String::from_utf8_lossy(&version)))
            }
            Some(Reply::Int(whose @ (1 | 2))) => {
                let token =
                    bytes().and_then(|token| String::from_utf8(token.into()).ok()).ok_or_else(unexpected)?;
                let stale = bytes();
                if whose == 1 || matches!(mode, LeaseMode::Share | LeaseMode::Join) {
                    Ok(LeaseAnswer::Leads(Grant { token, lasts: self.lasts(mode), replaces: None }, stale))
                } else {
                    let after_nothing = matches!(parts.nth(1), Some(Reply::Bulk(after)) if after == "1");
                    Ok(LeaseAnswer::Held { token, stale, after_nothing })
                }
            }
            _ => Err(unexpected()),
        }
    }

    /// Reads the reply to a request for the lease of this many fields. Without `looks`, their
    /// values can't be used.
    pub(super) fn answer_for_fields(
        &self,
        count: usize,
        mode: LeaseMode,
        looks: bool,
        reply: Reply,
    ) -> Result<Vec<LeaseAnswer<Grant>>> {
        let Reply::Array(parts) = reply else { return Err(unexpected()) };
        let mut parts = parts.into_iter();
        let token = match (parts.next(), parts.next()) {
            (Some(Reply::Int(0)), Some(Reply::Array(values))) => {
                let values: Result<Option<Vec<Bytes>>> = values.into_iter().map(read::to_bytes).collect();
                let values = values?.ok_or_else(unexpected)?;
                return Ok(values.into_iter().map(LeaseAnswer::Value).collect());
            }
            (Some(Reply::Int(3)), _) => return Ok((0..count).map(|_| LeaseAnswer::Absent).collect()),
            // Several processes may load fields of a hash at the same time.
            (Some(Reply::Int(1 | 2)), Some(Reply::Bulk(token))) => token,
            _ => return Err(unexpected()),
        };
        let token = String::from_utf8(token.into()).map_err(|_| unexpected())?;
        let Some(Reply::Array(values)) = parts.nth(1) else { return Err(unexpected()) };
        let answer = |value| {
            Ok(match read::to_bytes(value)? {
                Some(bytes) if looks => LeaseAnswer::Value(bytes),
                replaces => {
                    let grant = Grant { token: token.clone(), lasts: self.lasts(mode), replaces };
                    LeaseAnswer::Leads(grant, None)
                }
            })
        };
        values.into_iter().map(answer).collect()
    }

    /// Returns whether the leases with these tokens are still held.
    pub(crate) async fn are_held(asked: &[(Self, Arc<str>)]) -> Result<Vec<bool>> {
        let Some((first, _)) = asked.first() else { return Ok(Vec::new()) };
        // The fields of a hash share its lease.
        let mut leases: Vec<&(Self, Arc<str>)> = Vec::new();
        let mut places: HashMap<(&str, &str), usize> = HashMap::new();
        let of_asked: Vec<usize> = asked
            .iter()
            .map(|asked| {
                let (place, token) = asked;
                *places.entry((place.key.as_str(), &**token)).or_insert_with(|| {
                    leases.push(asked);
                    leases.len() - 1
                })
            })
            .collect();
        let calls = leases.iter().map(|(place, token)| place.call(b"peek", token)).collect();
        let is_held = |((place, token), holder): (&(Self, Arc<str>), Result<Reply>)| {
            let holder = holder.map_err(|error| place.explain(error))?;
            Ok(matches!(holder, Reply::Bulk(holder) if holder == token.as_bytes()))
        };
        let holders = first.run(calls, true).await;
        let held: Vec<bool> = leases.into_iter().zip(holders).map(is_held).collect::<Result<_>>()?;
        Ok(of_asked.into_iter().map(|nth| held.get(nth).copied().unwrap_or_default()).collect())
    }
}

pub(super) fn unexpected() -> Error {
    Error::protocol("the script of a fill returned an unexpected reply")
}
