//! What all subscriptions share: the messages as bytes, until the handle is closed.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::future::BoxFuture;

use super::event::Event;
use crate::client::{Binding, CallOptions, Observed, Subject};
use crate::connect::{Delivery, Listener, Topic};
use crate::error::{Error, Result};
use crate::protocol::NewerCommand;
use crate::schema::{KeyspaceMeta, TemplateMeta};
use crate::time::Deadline;

/// How many messages may wait for their reader by default.
pub(super) const BUFFER: u32 = 1024;

/// The channel of a message, and the message.
pub(super) type RawMessage = (Bytes, Bytes);

/// A subscription whose messages are not decoded.
pub(super) struct Feed {
    listener: Listener,
    /// Keeps the pool open.
    pub(super) binding: Arc<Binding>,
    /// Ready when the handle is closed.
    closed: BoxFuture<'static, ()>,
    subject: Subject,
}

/// What a feed is opened with.
pub(super) struct FeedOptions {
    pub(super) keyspace: &'static KeyspaceMeta,
    pub(super) template: &'static TemplateMeta,
    pub(super) command: &'static str,
    pub(super) buffer: u32,
    /// Covers everything that the call waits for, also before it subscribes.
    pub(super) deadline: Deadline,
}

impl Feed {
    /// Subscribes, and waits until the server has confirmed it.
    pub(super) async fn open(binding: Arc<Binding>, topic: Topic, options: &FeedOptions) -> Result<Self> {
        let subject = Subject::new(Some(options.keyspace), Some(options.template), options.command);
        let observed = Observed::command(&subject);
        observed.to(&binding);
        let name = Arc::clone(&topic.name);
        let opening = async {
            binding.require_server()?;
            let most = usize::try_from(options.buffer.max(1)).unwrap_or(usize::MAX);
            let listener = binding.pool().subscribe(topic, most)?;
            listener.established(options.deadline).await?;
            Ok(listener)
        };
        let outcome = opening.await.map_err(|error| explained(error, options.command, &name, &binding));
        observed.outcome(&subject, outcome.as_ref().err());
        let listener = outcome?;
        let flag = Arc::clone(&binding.closed);
        Ok(Self { listener, binding, closed: Box::pin(async move { flag.closed().await }), subject })
    }

    /// Returns the next event; `None` at the end.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Event<RawMessage>>>> {
        if self.closed.as_mut().poll(context).is_ready() {
            self.listener.end();
            // It must not be polled again.
            self.closed = Box::pin(std::future::pending());
        }
        let event = match ready!(self.listener.poll_next(context)) {
            None => return Poll::Ready(None),
            Some(Delivery::Message { channel, payload }) => Ok(Event::Message((channel, payload))),
            Some(Delivery::Resubscribed) => Ok(Event::Resubscribed),
            Some(Delivery::Lagged(count)) => Ok(Event::Lagged(count)),
            Some(Delivery::TooLong(length)) => Err(Error::too_large_to_read(length)),
            Some(Delivery::Failed(error)) => Err(error),
        };
        Poll::Ready(Some(event.map_err(|error| self.explain(error, None))))
    }

    /// Returns the name of a channel without the namespace, if it can be one of the library.
    pub(super) fn own_name(&self, channel: &Bytes) -> Option<String> {
        let name = str::from_utf8(channel).ok()?.strip_prefix(&*self.binding.namespace)?;
        self.binding.pool().settings.sizes().check_key(name).ok()?;
        Some(name.to_owned())
    }

    /// Adds the declaration to an error.
    pub(super) fn explain(&self, error: Error, key: Option<&str>) -> Error {
        error.about(self.subject.command, self.subject.template.map(TemplateMeta::name), key)
    }
}

/// Adds what helps to an error.
fn explained(error: Error, command: &str, name: &str, binding: &Binding) -> Error {
    if error.is_about_missing_command()
        && let Some(newer) = NewerCommand::named(command)
    {
        let software = binding.pool().facts.abilities.software();
        return error.of_missing_command(newer.name, &newer.servers(), software.as_deref());
    }
    if error.code() == Some("NOPERM") {
        return error.explained(&format!(
            "a subscription to a pattern needs a rule with exactly this text, `&{name}`, and one to a channel a rule that \
             matches it; `Catalog::acl_rules` lists them"
        ));
    }
    error
}

/// Resolves the server of a subscription.
pub(super) fn resolve(call: &CallOptions, keyspace: &'static KeyspaceMeta) -> Result<Arc<Binding>> {
    call.target.resolve(Some(keyspace))
}
