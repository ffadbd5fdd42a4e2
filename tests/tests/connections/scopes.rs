//! Which handle a call uses: the current one, a scope that moves into tasks, and the scope of a
//! request.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use redis_keyspace::tower::ScopeLayer;
use redis_keyspace::{ErrorKind, Keyspace, Redis, Result, Text};
use redis_keyspace_tests::{PATIENCE, both_servers, child_test, within};
use tower_layer::Layer;
use tower_service::Service;

#[derive(Keyspace)]
#[keyspace(prefix = "scopes", ttl = "1h")]
struct Keys {
    text: fn(id: u64) -> Text,
}

#[derive(Keyspace)]
#[keyspace(prefix = "elsewhere", server = "elsewhere", ttl = "1h")]
struct ElsewhereKeys {
    text: fn(id: u64) -> Text,
}

both_servers! {
    async fn the_current_handle_is_the_scoped_one(redis: Redis) {
        Keys::text(1).set("x").await.unwrap();
        let current = Redis::current().unwrap();
        assert_eq!(Keys::text(1).get().on(&current).await.unwrap().as_deref(), Some("x"));
        // The scope overrides the handle that is installed under a name.
        let current = Redis::current_for::<ElsewhereKeys>().unwrap();
        assert_eq!(Keys::text(1).get().on(&current).await.unwrap().as_deref(), Some("x"));
        Redis::disabled().scope(async {
            let inner = Redis::current().unwrap();
            assert_eq!(Keys::text(1).get().on(&inner).await.unwrap(), None);
        }).await;
        drop(redis);
    }

    async fn a_scope_can_be_moved_into_tasks(redis: Redis) {
        let set = async || Keys::text(1).set("x").await;
        let lost = tokio::spawn(set()).await.unwrap();
        assert_eq!(lost.unwrap_err().kind(), ErrorKind::ServerNotConfigured);
        tokio::spawn(Redis::in_current_scope(set())).await.unwrap().unwrap();
        assert_eq!(Keys::text(1).get().await.unwrap().as_deref(), Some("x"));
        Keys::text(1).del().await.unwrap();
        // The future runs in the scope in which it was created, not in the scope in which it is
        // polled.
        let taken = Redis::in_current_scope(set());
        Redis::disabled().scope(taken).await.unwrap();
        assert_eq!(Keys::text(1).get().await.unwrap().as_deref(), Some("x"));
        Keys::text(1).del().await.unwrap();
        tokio::spawn(redis.scope(set())).await.unwrap().unwrap();
        assert_eq!(Keys::text(1).get().await.unwrap().as_deref(), Some("x"));
    }

    async fn a_layer_sets_the_scope_of_a_request(redis: Redis) {
        Keys::text(1).set("x").on(&redis).await.unwrap();
        let disabled = Redis::disabled();
        let outside = async move {
            let mut service = ScopeLayer::new(redis.clone()).layer(Reader);
            assert_eq!(service.call(1).await.unwrap().unwrap().as_deref(), Some("x"));
            let chosen = redis.clone();
            let choose = move |id: &u64| if *id == 1 { chosen.clone() } else { disabled.clone() };
            let mut service = ScopeLayer::by(choose).layer(Reader);
            assert_eq!(service.call(1).await.unwrap().unwrap().as_deref(), Some("x"));
            assert_eq!(service.call(2).await.unwrap().unwrap(), None);
            // The name of the tenant comes with the request. An invalid one is rejected.
            let of_tenant = move |id: &u64| {
                let name = if *id == 1 { "acme" } else { "ac:me" };
                redis.for_tenant(name).map_err(Err)
            };
            let mut service = ScopeLayer::try_by(of_tenant).layer(Reader);
            assert_eq!(service.call(1).await.unwrap().unwrap().as_deref(), Some("x"));
            assert_eq!(service.call(2).await.unwrap().unwrap_err().kind(), ErrorKind::InvalidInput);
            assert!(ScopeLayer::new(Redis::disabled()).layer(Eager).call(()).await.unwrap());
            assert!(!Eager.call(()).await.unwrap());
        };
        // In a spawned task, which has no scope.
        tokio::spawn(outside).await.unwrap();
    }
}

/// Reads a key in its future.
#[derive(Clone)]
struct Reader;

impl Service<u64> for Reader {
    type Response = Result<Option<String>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = std::result::Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, id: u64) -> Self::Future {
        Box::pin(async move { Ok(Keys::text(id).get().await) })
    }
}

/// Looks for its handle before it returns its future.
#[derive(Clone)]
struct Eager;

impl Service<()> for Eager {
    type Response = bool;
    type Error = Infallible;
    type Future = Ready<std::result::Result<bool, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(Redis::current().is_ok()))
    }
}

/// In a separate process, because it installs handles.
#[test]
fn the_current_handle_is_the_installed_one() {
    const CHILD: &str = "SCOPES_CHILD";
    if std::env::var_os(CHILD).is_none() {
        child_test!("the_current_handle_is_the_installed_one").env(CHILD, "1").spawn().passes();
        return;
    }
    let kind = |handle: Result<Redis>| handle.unwrap_err().kind();
    assert_eq!(kind(Redis::current()), ErrorKind::ServerNotConfigured);
    within(PATIENCE, async {
        let redis = Redis::embedded().install();
        Keys::text(1).set("x").on(&redis).await.unwrap();
        let current = Redis::current().unwrap();
        assert_eq!(Keys::text(1).get().on(&current).await.unwrap().as_deref(), Some("x"));
        assert_eq!(kind(Redis::current_for::<ElsewhereKeys>()), ErrorKind::ServerNotConfigured);
        Redis::embedded().install_as("elsewhere");
        ElsewhereKeys::text(1).set("y").await.unwrap();
        let current = Redis::current_for::<ElsewhereKeys>().unwrap();
        assert_eq!(ElsewhereKeys::text(1).get().on(&current).await.unwrap().as_deref(), Some("y"));
    });
}
