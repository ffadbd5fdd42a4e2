//! Subscriptions that outlive their runtime.

use redis_keyspace::{ErrorKind, Redis};
use redis_keyspace_tests::{PATIENCE, shared_server, unique_namespace, within};
use tokio::runtime::Builder;

use crate::{Chat, message};

#[test]
fn a_subscription_ends_with_the_runtime_of_its_connection() {
    let builder = Redis::builder().url(&shared_server().url()).unwrap().timeout(PATIENCE);
    let redis = builder.namespace(unique_namespace()).unwrap().build().unwrap();
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    let mut room = runtime.block_on(async {
        let mut room = Chat::room("a").subscribe().on(&redis).await.unwrap();
        Chat::room("a").publish("x").on(&redis).await.unwrap();
        assert_eq!(message(&mut room).await, "x");
        room
    });
    runtime.shutdown_background();
    within(PATIENCE, async {
        let error = room.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{error}");
        assert!(room.next().await.is_none());
        // On this runtime, the handle has its own connections.
        let mut room = Chat::room("a").subscribe().on(&redis).await.unwrap();
        Chat::room("a").publish("y").on(&redis).await.unwrap();
        assert_eq!(message(&mut room).await, "y");
    });
}
