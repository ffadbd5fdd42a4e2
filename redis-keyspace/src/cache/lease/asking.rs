//! Requests for leases. No granted lease is left without an owner.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::future::BoxFuture;
use tokio::runtime::Handle;

use super::place::{Grant, LeaseAnswer, LeaseMode, LeasePlace, unexpected};
use crate::client::{UndoAttempts, may_have_run};
use crate::error::{ErrorKind, Result};
use crate::protocol::{Reply, ScriptCall};
use crate::random::token;
use crate::task::spawn;

type Asked = BoxFuture<'static, Vec<Result<Reply>>>;

/// A request in flight. If it is dropped before the reply arrives, a background task awaits the
/// reply and releases every granted lease. A lease whose request failed may have been granted, or
/// may still be; it is released, too.
struct Asking<'p> {
    places: &'p [LeasePlace],
    tokens: Vec<String>,
    asked: Option<Asked>,
    /// The runtime of the background task.
    runtime: Option<Handle>,
}

/// Requests the leases of several keys.
pub(super) async fn ask(
    places: &[LeasePlace],
    mode: LeaseMode,
    looks: bool,
) -> Vec<Result<LeaseAnswer<Grant>>> {
    let Some(first) = places.first().cloned() else { return Vec::new() };
    if first.field.is_some() {
        return ask_for_fields(&first, places, mode, looks).await;
    }
    let tokens: Vec<_> = places.iter().map(|_| token()).collect();
    let calls: Vec<_> =
        places.iter().zip(&tokens).map(|(place, token)| place.begin_call(token, mode, looks)).collect();
    let asked: Asked = Box::pin(async move { first.run(calls, true).await });
    let replies = Asking::new(places, tokens, asked).await;
    places.iter().zip(replies).map(|(place, reply)| place.answer(mode, reply?)).collect()
}

/// Requests the lease of a hash for several of its fields.
async fn ask_for_fields(
    hash: &LeasePlace,
    fields: &[LeasePlace],
    mode: LeaseMode,
    looks: bool,
) -> Vec<Result<LeaseAnswer<Grant>>> {
    let token = token();
    let mut call = hash.begin_call(&token, mode, looks);
    fields.iter().filter_map(|place| place.field.as_deref()).for_each(|field| call.args.push(field));
    let place = hash.clone();
    let asked: Asked = Box::pin(async move { place.run(vec![call], true).await });
    let places = std::slice::from_ref(hash);
    let mut replies = Asking::new(places, vec![token], asked).await;
    let reply = replies.pop().unwrap_or_else(|| Err(unexpected()));
    match reply.and_then(|reply| hash.answer_for_fields(fields.len(), mode, looks, reply)) {
        Ok(answers) => answers.into_iter().map(Ok).collect(),
        Err(error) => fields.iter().map(|_| Err(error.clone())).collect(),
    }
}

impl Future for Asking<'_> {
    type Output = Vec<Result<Reply>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(asked) = &mut self.asked else { return Poll::Pending };
        let replies = ready!(asked.as_mut().poll(context));
        self.asked = None;
        if replies.iter().any(|reply| reply.as_ref().is_err_and(may_have_run))
            && let (Some(runtime), Some(first)) = (&self.runtime, self.places.first())
        {
            let (unknown, _) = self.releases().of(&replies);
            spawn(runtime, release_late(first.clone(), unknown));
        }
        Poll::Ready(replies)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let (Some(asked), Some(runtime), Some(first)) =
            (self.asked.take(), self.runtime.take(), self.places.first().cloned())
        else {
            return;
        };
        let releases = self.releases();
        spawn(&runtime, async move {
            let (unknown, answered) = releases.of(&asked.await);
            if !answered.is_empty() {
                first.run(answered, true).await;
            }
            release_late(first, unknown).await;
        });
    }
}

impl<'p> Asking<'p> {
    fn new(places: &'p [LeasePlace], tokens: Vec<String>, asked: Asked) -> Self {
        Self { places, tokens, asked: Some(asked), runtime: Handle::try_current().ok() }
    }

    fn releases(&self) -> Releases {
        let places = self.places.iter().zip(&self.tokens);
        Releases(places.map(|(place, token)| place.call(b"release", token)).collect())
    }
}

/// The calls that release the leases of a request.
struct Releases(Vec<ScriptCall>);

impl Releases {
    /// Returns those of leases that may have been granted without an answer, and those of the
    /// others.
    fn of(self, replies: &[Result<Reply>]) -> (Vec<ScriptCall>, Vec<ScriptCall>) {
        let (mut unknown, mut answered) = (Vec::new(), Vec::new());
        for (call, reply) in self.0.into_iter().zip(replies) {
            match reply {
                Ok(_) => answered.push(call),
                Err(error) if may_have_run(error) => unknown.push(call),
                Err(_) => {}
            }
        }
        (unknown, answered)
    }
}

/// Releases leases that a request in flight may still acquire.
async fn release_late(place: LeasePlace, mut calls: Vec<ScriptCall>) {
    let mut attempts = UndoAttempts::new();
    while !calls.is_empty() && attempts.next().await {
        let replies = place.run(calls.clone(), true).await;
        let is_closed =
            |reply: &Result<Reply>| reply.as_ref().is_err_and(|error| error.kind() == ErrorKind::Closed);
        if replies.iter().any(is_closed) {
            return;
        }
        let mut replies = replies.into_iter();
        calls.retain(|_| !matches!(replies.next(), Some(Ok(Reply::Int(1)))));
    }
}
