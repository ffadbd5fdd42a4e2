//! A [tower](https://docs.rs/tower) layer that runs each request in the scope of a handle. Feature
//! `tower`.
//!
//! Handlers of the service then use that handle, so it need not be installed for the whole process.
//! Two services or tests in one process can use different servers.
//!
//! ```
//! # use std::convert::Infallible;
//! # use std::task::{Context, Poll};
//! use redis_keyspace::tower::ScopeLayer;
//! use redis_keyspace::{Keyspace, Redis, Text};
//! # use tower_layer::Layer;
//! # use tower_service::Service;
//!
//! #[derive(Keyspace)]
//! #[keyspace(prefix = "motd", ttl = "1h")]
//! struct Motd {
//!     today: Text,
//! }
//!
//! # struct Greeting;
//! # impl Service<()> for Greeting {
//! #     type Response = Option<String>;
//! #     type Error = redis_keyspace::Error;
//! #     type Future = futures_core::future::BoxFuture<'static, Result<Option<String>, redis_keyspace::Error>>;
//! #     fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), redis_keyspace::Error>> { Poll::Ready(Ok(())) }
//! #     fn call(&mut self, _: ()) -> Self::Future { Box::pin(async { Motd::today().get().await }) }
//! # }
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
//! let redis = Redis::embedded();
//! Motd::today().set("hello").on(&redis).await?;
//!
//! // With axum: `Router::new().route(..).layer(ScopeLayer::new(redis))`.
//! let mut service = ScopeLayer::new(redis).layer(Greeting);
//! assert_eq!(service.call(()).await?.as_deref(), Some("hello"));
//! # Ok(()) }
//! ```

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::client::{InScope, Redis};

/// A layer that runs each request of a service in the scope of a handle. See [`Redis::scope`].
///
/// The scope covers the service's future, and so the handler. It does not cover tasks that the
/// handler spawns (see [`Redis::in_current_scope`]) or a response body that is produced later.
#[derive(Debug, Clone)]
pub struct ScopeLayer<C = Redis> {
    choose: C,
}

impl ScopeLayer {
    /// Creates a layer that uses the same handle for all requests.
    #[must_use]
    pub fn new(redis: Redis) -> Self {
        Self { choose: redis }
    }
}

impl<C> ScopeLayer<C> {
    /// Creates a layer that chooses the handle for each request. To reject a request that has no
    /// handle, use [`try_by`](Self::try_by).
    ///
    /// ```
    /// use redis_keyspace::Redis;
    /// use redis_keyspace::tower::ScopeLayer;
    ///
    /// struct Request { is_internal: bool }
    ///
    /// # fn main() -> Result<(), redis_keyspace::Error> {
    /// let (internal, public) = (Redis::open("redis://10.0.0.5")?, Redis::open("redis://10.0.0.6")?);
    /// let layer = ScopeLayer::by(move |request: &Request| {
    ///     if request.is_internal { internal.clone() } else { public.clone() }
    /// });
    /// # drop(layer);
    /// # Ok(()) }
    /// ```
    pub fn by<R>(choose: C) -> Self
    where
        C: Fn(&R) -> Redis + Clone,
    {
        Self { choose }
    }

    /// Creates a layer that chooses the handle for each request, or responds itself. In that case,
    /// the service does not receive the request.
    ///
    /// ```
    /// use redis_keyspace::Redis;
    /// use redis_keyspace::tower::ScopeLayer;
    ///
    /// struct Request { customer: String }
    /// enum Response { NotFound, Page(String) }
    ///
    /// # fn main() -> Result<(), redis_keyspace::Error> {
    /// let redis = Redis::open("redis://10.0.0.5")?;
    /// // `for_tenant` rejects names that can't be part of a key.
    /// let layer = ScopeLayer::try_by(move |request: &Request| {
    ///     redis.for_tenant(&request.customer).map_err(|_| Response::NotFound)
    /// });
    /// # drop(layer);
    /// # Ok(()) }
    /// ```
    pub fn try_by<R, P>(choose: C) -> ScopeLayer<Fallible<C>>
    where
        C: Fn(&R) -> Result<Redis, P> + Clone,
    {
        ScopeLayer { choose: Fallible(choose) }
    }
}

/// A function that chooses the handle for a request, or the response to it. Implemented by
/// [`Redis`] and by the closures that [`ScopeLayer::by`] and [`ScopeLayer::try_by`] take.
pub trait ChooseRedis<R, P> {
    /// Returns the handle, or a response.
    ///
    /// # Errors
    ///
    /// The response, if the request is rejected.
    fn choose(&self, request: &R) -> Result<Redis, P>;
}

impl<R, P> ChooseRedis<R, P> for Redis {
    fn choose(&self, _: &R) -> Result<Redis, P> {
        Ok(self.clone())
    }
}

impl<R, P, F: Fn(&R) -> Redis> ChooseRedis<R, P> for F {
    fn choose(&self, request: &R) -> Result<Redis, P> {
        Ok(self(request))
    }
}

/// A function that returns a handle or a response. See [`ScopeLayer::try_by`].
#[derive(Debug, Clone)]
pub struct Fallible<F>(F);

impl<R, P, F: Fn(&R) -> Result<Redis, P>> ChooseRedis<R, P> for Fallible<F> {
    fn choose(&self, request: &R) -> Result<Redis, P> {
        (self.0)(request)
    }
}

impl<S, C: Clone> Layer<S> for ScopeLayer<C> {
    type Service = ScopeService<S, C>;

    fn layer(&self, inner: S) -> ScopeService<S, C> {
        ScopeService { inner, choose: self.choose.clone() }
    }
}

/// A service whose requests run in the scope of a handle. Created by [`ScopeLayer`].
#[derive(Debug, Clone)]
pub struct ScopeService<S, C = Redis> {
    inner: S,
    choose: C,
}

impl<R, S: Service<R>, C: ChooseRedis<R, S::Response>> Service<R> for ScopeService<S, C> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = ScopeFuture<S::Future, S::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let state = match self.choose.choose(&request) {
            Ok(redis) => {
                // A service may start its work in `call`, before its future is polled.
                let future = redis.sync_scope(|| self.inner.call(request));
                ScopeState::Running { future: redis.into_scope(future) }
            }
            Err(response) => ScopeState::Rejected { response: Some(response) },
        };
        ScopeFuture { state }
    }
}

pin_project! {
    /// The future of a [`ScopeService`].
    pub struct ScopeFuture<F, P> {
        #[pin]
        state: ScopeState<F, P>,
    }
}

pin_project! {
    #[project = ScopeProjection]
    enum ScopeState<F, P> {
        Running {
            #[pin]
            future: InScope<F>,
        },
        // `None` after it was returned.
        Rejected { response: Option<P> },
    }
}

impl<F: Future<Output = Result<P, E>>, P, E> Future for ScopeFuture<F, P> {
    type Output = Result<P, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<P, E>> {
        match self.project().state.project() {
            ScopeProjection::Running { future } => future.poll(context),
            ScopeProjection::Rejected { response } => {
                response.take().map_or(Poll::Pending, |response| Poll::Ready(Ok(response)))
            }
        }
    }
}

impl<F, P> fmt::Debug for ScopeFuture<F, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopeFuture").finish_non_exhaustive()
    }
}
