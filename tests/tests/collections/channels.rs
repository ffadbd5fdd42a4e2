//! The operations of channels. The suite `channels` tests subscriptions.

use redis_keyspace::ErrorKind;
use redis_keyspace::channel::Event;
use redis_keyspace_tests::{is_available, is_known};

use crate::Keys;

checks! {
    publish: async {
        let mut numbers = Keys::numbers(1).subscribe().await.unwrap();
        let received = Keys::numbers(1).publish(&7).await.unwrap();
        // On a cluster, the subscription may be at another node.
        assert!(received <= 1);
        assert_eq!(numbers.next().await.unwrap().unwrap(), Event::Message(7));
        let sharded = Keys::sharded(1).subscribe().await;
        if !is_available(&sharded, &["SPUBLISH"]).await {
            let published = Keys::sharded(1).publish(&8).await;
            assert!(!is_available(&published, &["SPUBLISH"]).await);
            return;
        }
        let mut sharded = sharded.unwrap();
        assert_eq!(Keys::sharded(1).publish(&8).await.unwrap(), 1);
        assert_eq!(sharded.next().await.unwrap().unwrap(), Event::Message(8));
    },
    subscribe: async {
        let mut numbers = Keys::numbers(3).subscribe().await.unwrap();
        Keys::numbers(3).publish(&1).await.unwrap();
        Keys::numbers(3).publish(&2).await.unwrap();
        for number in [1, 2] {
            assert_eq!(numbers.next().await.unwrap().unwrap(), Event::Message(number));
        }
    },
    subscribers: async {
        assert_eq!(Keys::numbers(2).subscribers().await.unwrap(), 0);
        let subscribers = Keys::sharded(2).subscribers().await;
        if !is_known(&["SPUBLISH"]).await {
            // A user with the rules for such a server may not even ask.
            let kind = subscribers.unwrap_err().kind();
            assert!(matches!(kind, ErrorKind::MissingCommand | ErrorKind::PermissionDenied), "{kind:?}");
            return;
        }
        assert_eq!(subscribers.unwrap(), 0);
        let _sharded = Keys::sharded(2).subscribe().await.unwrap();
        assert_eq!(Keys::sharded(2).subscribers().await.unwrap(), 1);
    },
}
