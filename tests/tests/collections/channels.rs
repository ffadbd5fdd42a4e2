//! The operations of channels. The suite `channels` tests subscriptions.

use redis_keyspace::channel::Event;

use crate::Keys;

checks! {
    publish: async {
        let mut numbers = Keys::numbers(1).subscribe().await.unwrap();
        let received = Keys::numbers(1).publish(&7).await.unwrap();
        // On a cluster, the subscription may be at another node.
        assert!(received <= 1);
        assert_eq!(numbers.next().await.unwrap().unwrap(), Event::Message(7));
        let mut sharded = Keys::sharded(1).subscribe().await.unwrap();
        assert_eq!(Keys::sharded(1).publish(&8).await.unwrap(), 1);
        assert_eq!(sharded.next().await.unwrap().unwrap(), Event::Message(8));
    },
    subscribers: async {
        assert_eq!(Keys::numbers(2).subscribers().await.unwrap(), 0);
        assert_eq!(Keys::sharded(2).subscribers().await.unwrap(), 0);
        let _sharded = Keys::sharded(2).subscribe().await.unwrap();
        assert_eq!(Keys::sharded(2).subscribers().await.unwrap(), 1);
    },
}
