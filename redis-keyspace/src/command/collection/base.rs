//! What the operations of collections share.

use std::borrow::Borrow;

use super::elements::EncodedElements;
use crate::command::base::Command;
pub(super) use crate::command::key_options::{BuildOptions, KeyOptions};
use crate::error::{Error, Result};
use crate::kind::SingleValue;
use crate::protocol::{
    Args, Decode, KeyLifetime, Keys, MOST_IN_SCRIPT, Packet, PacketLifetime, Replies, Reply, Request, read,
};
use crate::schema::{Key, Keyspace};

/// The maximum number of arguments for elements in one command. The rest is for its name, key and
/// options.
const MOST_ARGUMENTS: usize = MOST_IN_SCRIPT - 8;

impl<T> Command<T> {
    /// Creates a command that reads a collection.
    pub(super) fn read_of<S: Keyspace, V>(
        key: &Key<S, V>,
        command: &'static str,
        fill: impl FnOnce(&mut Args) -> Result<()>,
        decode: Decode<T>,
    ) -> Self {
        Self::on_key(key, command, fill, decode).repeatable().reading().on_replica()
    }

    /// Creates a command that removes elements, so it never creates the key.
    pub(super) fn removal_of<S: Keyspace, V>(
        key: &Key<S, V>,
        command: &'static str,
        fill: impl FnOnce(&mut Args) -> Result<()>,
        decode: Decode<T>,
    ) -> Self {
        Self::on_key(key, command, fill, decode).ending_fills()
    }

    /// Creates a command that writes, which ends fills of the key.
    pub(super) fn writing<S: Keyspace, V>(
        key: &Key<S, V>,
        command: &'static str,
        request: Result<Request>,
        decode: Decode<T>,
    ) -> Self {
        let request = request.map_err(|error| key.explain(command, error));
        let mut command = Self::new::<S>(command, Some(key.template()), request, decode);
        command.set_target(key.redis().into());
        command.end_fills();
        command
    }

    /// Creates a command that may create the key. It then sets the declared lifetime.
    pub(super) fn write_of<S: Keyspace, V>(
        key: &Key<S, V>,
        command: &'static str,
        args: Result<Args>,
        decode: Decode<T>,
    ) -> Self {
        let request = args.and_then(|args| {
            let mut packet = Packet { args, ..Packet::new(command, Keys::One(key.text())) };
            keep(key, &mut packet)?;
            Ok(Request::One(packet))
        });
        Self::writing(key, command, request, decode)
    }

    /// Creates a command that changes elements and never creates the key. It sets the lifetime only
    /// if the declaration says that each write renews it.
    pub(super) fn change_of<S: Keyspace, V>(
        key: &Key<S, V>,
        command: &'static str,
        args: Result<Args>,
        decode: Decode<T>,
    ) -> Self {
        if key.template().renews_lifetime() {
            return Self::write_of(key, command, args, decode);
        }
        Self::on_key(key, command, |out| append(out, args), decode).ending_fills()
    }

    /// Creates a command that reads with any number of elements as arguments. Without elements,
    /// nothing is sent.
    pub(super) fn read_of_many<S: Keyspace, V>(
        key: &Key<S, V>,
        command: &'static str,
        elements: Result<EncodedElements>,
        decode: Decode<T>,
    ) -> Self {
        let is_empty = elements.as_ref().is_ok_and(EncodedElements::is_empty);
        Self::read_of(key, command, |out| append_all(out, elements), decode).unless(is_empty)
    }

    /// Creates a command that removes any number of elements. Without elements, nothing is sent.
    pub(super) fn removal_of_many<S: Keyspace, V>(
        key: &Key<S, V>,
        command: &'static str,
        elements: Result<EncodedElements>,
        decode: Decode<T>,
    ) -> Self {
        let is_empty = elements.as_ref().is_ok_and(EncodedElements::is_empty);
        Self::removal_of(key, command, |out| append_all(out, elements), decode).unless(is_empty)
    }

    /// Creates a command that reads a collection in two ways in one atomic step.
    pub(super) fn reads_of<S: Keyspace, V>(
        key: &Key<S, V>,
        command: &'static str,
        reads: Result<[Packet; 2]>,
        decode: Decode<T>,
    ) -> Self {
        let request = reads.map(|reads| Request::Atomic(reads.into()));
        let request = request.map_err(|error| key.explain(command, error));
        Self::new::<S>(command, Some(key.template()), request, decode)
            .repeatable()
            .reading()
            .on_replica()
            .on_target(key.redis().into())
    }

    /// Also runs a command that removes elements, in the same atomic step. `decode` sees the reply
    /// of that command, too.
    pub(super) fn and_trim(mut self, trim: Packet, decode: Decode<T>) -> Self {
        self.request = self.request.map(|request| match request {
            Request::One(packet) => Request::Atomic(vec![packet, trim]),
            // A pipeline is one command, and the command that ends fills.
            Request::Atomic(mut packets) | Request::Pipeline(mut packets) => {
                packets.push(trim);
                Request::Atomic(packets)
            }
            request => request,
        });
        self.decode = decode;
        self
    }

    /// Sends nothing if the answer is known: that of a key that does not exist.
    pub(super) fn unless(mut self, is_known: bool) -> Self {
        if is_known && self.request.is_ok() {
            self.request = Ok(Request::Empty);
        }
        self
    }

    /// Creates a command with any number of elements, each of which has as many arguments. Many
    /// elements are sent as several commands in one transaction. Without elements, nothing is sent.
    pub(super) fn write_many_of<S: Keyspace, V>(
        key: &Key<S, V>,
        command: &'static str,
        options: &[&str],
        elements: Result<EncodedElements>,
        decode: Decode<T>,
    ) -> Self {
        let request =
            elements.and_then(|elements| many(key, command, options, elements, |packet| keep(key, packet)));
        Self::writing(key, command, request, decode)
    }

    /// Like [`change_of`](Self::change_of), with any number of elements.
    pub(super) fn change_many_of<S: Keyspace, V>(
        key: &Key<S, V>,
        command: &'static str,
        elements: Result<EncodedElements>,
        decode: Decode<T>,
    ) -> Self {
        if key.template().renews_lifetime() {
            return Self::write_many_of(key, command, &[], elements, decode);
        }
        let request = elements.and_then(|elements| many(key, command, &[], elements, |_| Ok(())));
        Self::writing(key, command, request, decode)
    }
}

/// Adds the declared lifetime to a command that may create its key.
pub(super) fn keep<S: Keyspace, V>(key: &Key<S, V>, packet: &mut Packet) -> Result<()> {
    let template = key.template();
    let renews = template.renews_lifetime();
    packet.with_declared_lifetime(PacketLifetime::OfKey { renews }, template.inherits_lifetime);
    packet.set_key_lifetime(KeyLifetime::new(template.lifetime().into(), renews)?);
    Ok(())
}

fn many<S: Keyspace, V>(
    key: &Key<S, V>,
    command: &'static str,
    options: &[&str],
    elements: EncodedElements,
    finish: impl Fn(&mut Packet) -> Result<()>,
) -> Result<Request> {
    if elements.is_empty() {
        return Ok(Request::Empty);
    }
    let packet = |elements| {
        let mut packet = Packet::new(command, Keys::One(key.text()));
        options.iter().for_each(|option| packet.args.push(option.as_bytes()));
        packet.args.append(elements);
        finish(&mut packet)?;
        Ok(packet)
    };
    match elements.in_one_part_of(MOST_ARGUMENTS) {
        Ok(elements) => Ok(Request::One(packet(elements)?)),
        Err(parts) => Ok(Request::Atomic(parts.into_iter().map(packet).collect::<Result<_>>()?)),
    }
}

/// Fails if a command that can't be divided has more arguments for elements than a script takes.
pub(super) fn check_count(arguments: usize) -> Result<()> {
    if arguments <= MOST_ARGUMENTS {
        return Ok(());
    }
    Err(Error::invalid_input(format!(
        "{arguments} arguments in one command are more than the {MOST_ARGUMENTS} that a script takes; nothing was sent; \
         use several commands"
    )))
}

/// Adds arguments that were encoded before.
pub(super) fn append(args: &mut Args, more: Result<Args>) -> Result<()> {
    args.append(more?);
    Ok(())
}

fn append_all(args: &mut Args, elements: Result<EncodedElements>) -> Result<()> {
    args.append(elements?.into_args());
    Ok(())
}

/// Encodes elements, each as one argument.
pub(super) fn each<S: Keyspace, V, T: SingleValue, B: Borrow<T::Borrowed>>(
    key: &Key<S, V>,
    elements: impl IntoIterator<Item = B>,
) -> Result<EncodedElements> {
    EncodedElements::encode(elements, |element, args| push::<S, V, T>(key, element.borrow(), args))
}

/// Encodes an element as the only argument.
pub(super) fn one<S: Keyspace, V, T: SingleValue>(key: &Key<S, V>, element: &T::Borrowed) -> Result<Args> {
    let mut args = Args::default();
    push::<S, V, T>(key, element, &mut args)?;
    Ok(args)
}

/// The length that an encoded element usually has at most, and that of its frame.
pub(super) const fn usual_length<T: SingleValue>() -> usize {
    // Plain data, such as integers and ids, is short. Anything else is as long as the value of a
    // key.
    if std::mem::needs_drop::<T::Owned>() { 296 } else { 16 + 3 * size_of::<T::Owned>() }
}

/// Encodes an element as the next argument.
pub(super) fn push<S: Keyspace, V, T: SingleValue>(
    key: &Key<S, V>,
    element: &T::Borrowed,
    args: &mut Args,
) -> Result<()> {
    let checks = key.checks();
    args.push_usual(usual_length::<T>(), |out| checks.encode::<T>(element, out))
}

// The decoders. A nil is the answer of a key that does not exist, also if nothing was sent, and
// when Redis is unavailable and the declaration says that reads then return a miss.

/// Returns the only reply.
pub(super) fn answer(request: &Request, replies: Replies) -> Result<Reply> {
    if matches!(request, Request::Empty) { Ok(Reply::Nil) } else { read::one(replies) }
}

pub(super) fn size(request: &Request, replies: Replies) -> Result<u64> {
    match answer(request, replies)? {
        Reply::Nil => Ok(0),
        reply => read::to_count(reply),
    }
}

pub(super) fn flag(request: &Request, replies: Replies) -> Result<bool> {
    match answer(request, replies)? {
        Reply::Nil => Ok(false),
        reply => read::to_bool(reply),
    }
}

/// Decodes the sum of the counts that the commands of a transaction return.
pub(super) fn total(_: &Request, replies: Replies) -> Result<u64> {
    counts(replies).map(|counts| counts.iter().sum())
}

/// Decodes the count that the last command returns.
pub(super) fn last(_: &Request, replies: Replies) -> Result<u64> {
    counts(replies).map(|counts| counts.last().copied().unwrap_or_default())
}

fn counts(replies: Replies) -> Result<Vec<u64>> {
    read::many(replies).into_iter().map(read::to_count).collect()
}

/// Returns the replies to two commands.
pub(super) fn both(replies: Replies) -> Result<[Reply; 2]> {
    <[Reply; 2]>::try_from(read::many(replies)).map_err(|_| unexpected("two replies were expected"))
}

/// Returns the replies of the commands before the last one, of which only an error matters.
pub(super) fn without_trim(replies: Replies) -> Result<Replies> {
    let mut replies = read::many(replies);
    let trimmed = replies.pop();
    // An error of the write says more than that of the trim.
    for reply in &replies {
        if reply.is_error() {
            return read::checked(reply.clone()).map(Replies::One);
        }
    }
    trimmed.map_or(Ok(Reply::Nil), read::checked)?;
    Ok(Replies::Many(replies))
}

/// Decodes an element that may be missing.
pub(super) fn element<T: SingleValue>(request: &Request, replies: Replies) -> Result<Option<T::Owned>> {
    read::to_value::<T>(answer(request, replies)?)
}

/// Decodes all elements.
pub(super) fn elements<T: SingleValue>(request: &Request, replies: Replies) -> Result<Vec<T::Owned>> {
    match answer(request, replies)? {
        reply if is_miss(&reply) => Ok(Vec::new()),
        reply => list(reply)?.into_iter().map(present::<T>).collect(),
    }
}

/// Decodes elements that may each be missing.
pub(super) fn optional_elements<T: SingleValue>(
    request: &Request,
    replies: Replies,
) -> Result<Vec<Option<T::Owned>>> {
    match answer(request, replies)? {
        Reply::Nil => Ok(missing(request, || None)),
        reply => list(reply)?.into_iter().map(read::to_value::<T>).collect(),
    }
}

/// Returns one answer for each argument, for a key that does not exist.
pub(super) fn missing<T>(request: &Request, answer: impl Fn() -> T) -> Vec<T> {
    let asked = request.requested().map(|packet| packet.args.len()).sum();
    std::iter::repeat_with(answer).take(asked).collect()
}

/// Whether this is the answer to a read of several keys that returns a miss when Redis is
/// unavailable, or to one that was not sent.
pub(super) fn is_miss(reply: &Reply) -> bool {
    match reply {
        Reply::Nil => true,
        Reply::Array(parts) => parts.iter().all(|part| *part == Reply::Nil),
        _ => false,
    }
}

/// Returns the parts of a list; none for nil.
pub(super) fn list(reply: Reply) -> Result<Vec<Reply>> {
    match read::checked(reply)? {
        Reply::Array(parts) | Reply::Map(parts) => Ok(parts),
        Reply::Nil => Ok(Vec::new()),
        _ => Err(unexpected("a list was expected")),
    }
}

/// Decodes an element that must be there.
pub(super) fn present<T: SingleValue>(reply: Reply) -> Result<T::Owned> {
    read::to_value::<T>(reply)?.ok_or_else(|| unexpected("an element is nil"))
}

/// The error of a reply that the command does not define.
pub(super) fn unexpected(problem: &str) -> Error {
    Error::protocol(format!("the server's reply has an unexpected shape: {problem}"))
}
