//! `SET` with its options.

use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, SystemTime};

use super::base::{Command, polled_already};
use super::builder::{CommandOptions, Deferred, command_builder};
use crate::client::{CallOptions, Subject};
use crate::error::{Error, Result};
use crate::key::KeyText;
use crate::kind::SingleValue;
use crate::protocol::{
    Decode, GuardedReply, Keys, Packet, PacketLifetime, Replies, Reply, Request, guarded, read,
};
use crate::schema::{Key, Keyspace, TemplateMeta};
use crate::time::Expiry;

/// A write of one value, created by [`Key::set`]. Await it, or pass it to a
/// [batch](crate::Redis::batch).
///
/// By default, the value gets the TTL of the template, in the same command.
///
/// # Errors
///
/// As for [`Key::set`]. Invalid options are [`InvalidInput`](crate::ErrorKind::InvalidInput)
/// errors, and nothing is sent.
///
/// # Cancellation
///
/// Dropping it before its first poll sends nothing. After that, the command may still run.
///
/// # Round trips
///
/// One.
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct SetValue<S, V, R>(Deferred<SetOptions<S, V, R>, R>);

/// The command that reads the previous value before a `SET` that cannot return it.
const READ_FIRST: &str = "GET";

/// A write that is not finished.
struct SetOptions<S, V, R> {
    /// `None` once the command is built.
    packet: Option<Result<Packet>>,
    template: &'static TemplateMeta,
    expiry: Expiry,
    /// Whether the expiry is the one that the template declares.
    is_declared: bool,
    condition: Option<Condition>,
    returns_old: bool,
    decode: Decode<R>,
    call: CallOptions,
    /// The error if no reader could decode the value.
    unreadable: Option<Error>,
    types: PhantomData<fn() -> (S, V)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    Absent,
    Present,
}

impl<S: Keyspace, V: SingleValue> SetValue<S, V, ()> {
    /// `K` is the kind of the key; `V` encodes the value.
    pub(crate) fn new<K>(key: &Key<S, K>, value: &V::Borrowed) -> Self {
        let mut packet = Packet::new("SET", Keys::One(key.text()));
        let (encoded, unreadable) = push_value::<S, V>(key, value, &mut packet);
        Self(Deferred::Building(SetOptions {
            packet: Some(encoded.map(|()| packet).map_err(|error| key.explain("SET", error))),
            template: key.template(),
            expiry: key.template().lifetime().into(),
            is_declared: true,
            condition: None,
            returns_old: false,
            decode: unit,
            call: CallOptions::of_key(key),
            unreadable,
            types: PhantomData,
        }))
    }
}

impl<S: Keyspace, V: SingleValue, R> SetOptions<S, V, R> {
    fn returning<R2>(self, decode: Decode<R2>) -> SetOptions<S, V, R2> {
        let Self { packet, template, expiry, is_declared, condition, returns_old, .. } = self;
        let Self { call, unreadable, types, .. } = self;
        SetOptions {
            packet,
            template,
            expiry,
            is_declared,
            condition,
            returns_old,
            decode,
            call,
            unreadable,
            types,
        }
    }

    fn expiring(&mut self, expiry: Expiry) {
        self.expiry = expiry;
        self.is_declared = false;
    }

    fn only_if(self, condition: Condition) -> SetOptions<S, V, bool> {
        let mut options = self.returning(done);
        options.condition = Some(condition);
        options.returns_old = false;
        options
    }

    /// Builds the request, and moves the packet out of the builder.
    fn request(&mut self) -> Result<Request> {
        let mut packet = self.packet.take().unwrap_or_else(|| Err(polled_already("SET")))?;
        // An absent value has no TTL to keep.
        let keep = matches!(self.expiry, Expiry::Keep) && self.condition != Some(Condition::Absent);
        let declared = Expiry::from(self.template.lifetime());
        let falls_back = matches!(self.expiry, Expiry::Keep) && !keep;
        let expiry = if falls_back { declared } else { self.expiry };
        let inherits = self.template.inherits_lifetime;
        match self.condition {
            Some(Condition::Absent) => packet.args.push(b"NX"),
            Some(Condition::Present) => packet.args.push(b"XX"),
            None => {}
        }
        if self.is_declared || falls_back {
            packet.with_declared_lifetime(PacketLifetime::after(&packet.args), inherits);
        }
        expiry.push_for_set(&mut packet.args).map_err(|error| {
            let key = packet.keys.as_slice().first();
            error.about("SET", Some(self.template.name()), key.map(KeyText::as_str))
        })?;
        // Servers before 7.0 do not combine `NX` with `GET`.
        let reads_first = self.returns_old && self.condition == Some(Condition::Absent);
        if self.returns_old && !reads_first {
            packet.args.push(b"GET");
        }
        // A handle may set another TTL for the keyspace.
        let never_expires = matches!(declared, Expiry::Never) && !inherits;
        if !keep || self.condition.is_some() || never_expires {
            return Ok(match self.condition {
                _ if !self.template.ends_fills() && reads_first => {
                    Request::Atomic(vec![Packet::new(READ_FIRST, packet.keys.clone()), packet])
                }
                _ if !self.template.ends_fills() => Request::One(packet),
                Some(_) if reads_first => Request::One(guarded(packet, GuardedReply::Previous)),
                Some(_) => Request::One(guarded(packet, GuardedReply::Own)),
                None => Request::ending_fills_of(packet, self.template.keeps_copies()),
            });
        }
        let ending = self.template.ends_fills().then(|| Packet::ending_fills(&packet.keys));
        // KEEPTTL on a missing key would create a key that never expires. So if the key is missing,
        // an empty value with the TTL of the template is created first.
        let mut first = Packet::new("SET", packet.keys.clone());
        first.args.push(b"");
        first.args.push(b"NX");
        first.with_declared_lifetime(PacketLifetime::after(&first.args), inherits);
        declared.push_for_set(&mut first.args)?;
        Ok(Request::Atomic(ending.into_iter().chain([first, packet]).collect()))
    }
}

impl<S: Keyspace, V: SingleValue, R: 'static> SetValue<S, V, R> {
    fn expiring(mut self, expiry: Expiry) -> Self {
        if let Some(options) = self.0.options() {
            options.expiring(expiry);
        }
        self
    }

    /// Overrides the TTL of the template. Fractions of a millisecond are rounded up. A TTL of zero
    /// fails with [`InvalidInput`](crate::ErrorKind::InvalidInput).
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # use std::time::Duration;
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { title: fn(id: u64) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// PageKeys::title(7).set("A page").ttl(Duration::from_secs(60)).await?;
    /// # Ok(()) }).await }
    /// ```
    pub fn ttl(self, ttl: Duration) -> Self {
        self.expiring(Expiry::After(ttl))
    }

    /// Sets the time at which the value expires, instead of the TTL of the template. A time in the
    /// past deletes the key. A time before 1970 fails with
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput).
    pub fn expire_at(self, time: SystemTime) -> Self {
        self.expiring(Expiry::At(time))
    }

    /// Keeps the remaining TTL of the previous value. If the key does not exist, the value gets the
    /// TTL of the template. Atomic, in one round trip.
    pub fn keep_ttl(self) -> Self {
        self.expiring(Expiry::Keep)
    }

    /// Stores the value only if the key does not exist. Returns whether it was stored.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { title: fn(id: u64) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert!(PageKeys::title(7).set("A page").only_if_absent().await?);
    /// assert!(!PageKeys::title(7).set("Another").only_if_absent().await?);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// If the value is not stored, loads in flight and stale copies are unaffected. For this, the
    /// command is sent as a script, unless the template has no fills. Only the copy in the memory
    /// of this process, for when Redis is unavailable, is removed in any case.
    pub fn only_if_absent(self) -> SetValue<S, V, bool> {
        SetValue(self.0.map(|options| options.only_if(Condition::Absent)))
    }

    /// Stores the value only if the key exists. Returns whether it was stored.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { title: fn(id: u64) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert!(!PageKeys::title(7).set("A page").only_if_present().await?);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// If the value is not stored, loads in flight and negative entries are unaffected. For this,
    /// the command is sent as a script, unless the template has no fills. Only the copy in the
    /// memory of this process, for when Redis is unavailable, is removed in any case.
    pub fn only_if_present(self) -> SetValue<S, V, bool> {
        SetValue(self.0.map(|options| options.only_if(Condition::Present)))
    }

    /// Returns the previous value. After [`only_if_absent`](Self::only_if_absent), the value is
    /// read and written in one atomic step.
    pub fn returning_old(self) -> SetValue<S, V, Option<V::Owned>> {
        SetValue(self.0.map(|options| {
            let mut options = options.returning(old::<V>);
            options.returns_old = true;
            options
        }))
    }
}

/// Encodes a value into a packet. Also returns the error if no reader could decode it. The handle
/// is not known yet, so the command decides later whether that error matters.
pub(super) fn push_value<S: Keyspace, V: SingleValue>(
    key: &Key<S, impl Sized>,
    value: &V::Borrowed,
    packet: &mut Packet,
) -> (Result<()>, Option<Error>) {
    let (checks, mut unreadable) = (key.checks(), None);
    let encoded = packet.args.push_with(|out| {
        let start = out.len();
        checks.encode_unverified::<V>(value, out)?;
        unreadable = checks.unreadable::<V>(out.get(start..).unwrap_or_default());
        Ok(())
    });
    (encoded, unreadable.map(|error| key.explain("SET", error)))
}

/// Decodes the replies to the two commands of an atomic `SET`, as if it had been sent alone. The
/// first command reads the previous value, or creates the key for `keep_ttl`.
fn unframed<R>(request: &Request, replies: Replies, decode: Decode<R>) -> Result<R> {
    let mut results = match replies {
        Replies::Many(results) if results.len() == 2 && matches!(request, Request::Atomic(_)) => {
            results.into_iter()
        }
        replies => return decode(request, replies),
    };
    let first = results.next().unwrap_or(Reply::Nil);
    if request.packets().first().is_some_and(|packet| packet.name == READ_FIRST) {
        let old = read::checked(first)?;
        read::checked(results.next().unwrap_or(Reply::Nil))?;
        return decode(request, Replies::One(old));
    }
    let created = read::to_done(first)?;
    let second = read::checked(results.next().unwrap_or(Reply::Nil))?;
    // If the first command created the key, there was no previous value.
    let second = if created && matches!(second, Reply::Bulk(_)) { Reply::Nil } else { second };
    decode(request, Replies::One(second))
}

impl<S: Keyspace, V: SingleValue, R: 'static> CommandOptions for SetOptions<S, V, R> {
    type Output = R;

    fn call(&mut self) -> &mut CallOptions {
        &mut self.call
    }

    fn finish(&mut self) -> Command<R> {
        let request = self.request();
        let mut subject = Subject::new(Some(S::META), Some(self.template), "SET");
        // Fails on a disabled handle: programs depend on whether a conditional `SET` stored its
        // value.
        subject.needs_server |= self.condition.is_some();
        Command {
            // A second run of a plain SET stores the same value. With a condition, or when the
            // previous value is returned, a second run would have another result.
            repeatable: self.condition.is_none() && !self.returns_old,
            call: std::mem::take(&mut self.call),
            unreadable: self.unreadable.take(),
            ..Command::with_subject(subject, request, self.decode)
        }
    }
}

fn unit(request: &Request, replies: Replies) -> Result<()> {
    unframed(request, replies, read::unit)
}

fn done(request: &Request, replies: Replies) -> Result<bool> {
    unframed(request, replies, read::done)
}

fn old<V: SingleValue>(request: &Request, replies: Replies) -> Result<Option<V::Owned>> {
    unframed(request, replies, read::value::<V>)
}

command_builder!(SetValue<S, V, R> => R, where S: Keyspace, V: SingleValue, R: 'static);

impl<S, V, R> fmt::Debug for SetOptions<S, V, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Set")
            .field("template", &self.template.template())
            .field("expiry", &self.expiry)
            .finish_non_exhaustive()
    }
}
