//! Requests for leases that outlive their caller.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::future::BoxFuture;
use tokio::runtime::Handle;

use super::place::{Grant, LeaseAnswer, LeaseMode, LeasePlace, unexpected};
use crate::error::Result;
use crate::protocol::Reply;
use crate::random::token;

type Asked = BoxFuture<'static, Vec<Result<Reply>>>;

/// A request in flight. If it is dropped before the reply arrives, a background task awaits the
/// reply and releases every granted lease.
struct Asking<'p> {
    places: &'p [LeasePlace],
    tokens: Vec<String>,
    asked: Option<Asked>,
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
    let replies = Asking { places, tokens, asked: Some(asked) }.await;
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
    let mut replies = Asking { places, tokens: vec![token], asked: Some(asked) }.await;
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
        Poll::Ready(replies)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if let (Some(asked), Ok(runtime), Some(first)) =
            (self.asked.take(), Handle::try_current(), self.places.first().cloned())
        {
            let places = self.places.iter().zip(&self.tokens);
            let releases: Vec<_> = places.map(|(place, token)| place.call(b"release", token)).collect();
            runtime.spawn(async move {
                asked.await;
                first.run(releases, true).await
            });
        }
    }
}
