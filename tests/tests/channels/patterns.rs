//! All channels of a template.

use redis_keyspace::channel::{Event, PatternSubscription};
use redis_keyspace::kind::SingleValue;
use redis_keyspace::{ErrorKind, Keyspace, Redis};
use redis_keyspace_tests::{both_servers, eventually, raw, wired};

use crate::{Chat, Note, ParsedChat, ParsedTeam, Team};

async fn next<S: Keyspace, T: SingleValue>(
    subscription: &mut PatternSubscription<S, T>,
) -> (S::Parsed, T::Owned) {
    let event = subscription.next().await.expect("the subscription continues").expect("a message");
    let Event::Message((found, message)) = event else { panic!("a message is missing") };
    (found.arguments(), message)
}

both_servers! {
    async fn messages_come_with_typed_keys(_redis: Redis) {
        let mut all = Chat::note_keys().all().subscribe().await.unwrap();
        let mut from_one = Chat::note_keys().from(1).subscribe().await.unwrap();
        let mut to_two = Chat::note_keys().to(2).subscribe().await.unwrap();
        let note = |number| Note { from: "ann".to_owned(), number };
        for (from, to) in [(1, 1), (1, 2), (2, 2), (12, 2), (1, 22)] {
            Chat::note(from, to).publish(&note(from * 100 + to)).await.unwrap();
        }
        for (from, to) in [(1, 1), (1, 2), (2, 2), (12, 2), (1, 22)] {
            assert_eq!(next(&mut all).await, (ParsedChat::Note { from, to }, note(from * 100 + to)));
        }
        for to in [1, 2, 22] {
            assert_eq!(next(&mut from_one).await.0, ParsedChat::Note { from: 1, to });
        }
        for from in [1, 2, 12] {
            assert_eq!(next(&mut to_two).await.0, ParsedChat::Note { from, to: 2 });
        }
    }

    /// An argument of `*` is the text `*`.
    async fn hostile_arguments_widen_nothing(redis: Redis) {
        for hostile in ["*", "?", "[a-z]", "\\*", "a*"] {
            let mut messages = Chat::room_keys().id(hostile).subscribe().await.unwrap();
            assert_eq!(Chat::room("a").publish("not meant").await.unwrap(), 0, "{hostile}");
            assert_eq!(Chat::room(hostile).publish("meant").await.unwrap(), 1, "{hostile}");
            let (arguments, text) = next(&mut messages).await;
            assert_eq!(arguments, ParsedChat::Room { id: hostile.to_owned() });
            assert_eq!(text, "meant");
            drop(messages);
            eventually("it is unsubscribed", async || Chat::room(hostile).on(&redis).publish("x").await.unwrap() == 0).await;
        }
    }

    /// The glob matches more than the template.
    async fn foreign_channels_are_skipped_and_counted(redis: Redis) {
        let mut notes = Chat::note_keys().subscribe().await.unwrap();
        let foreign = ["chat:note:1", "chat:note:1:x", "chat:note:1:2:3", "chat:note:01:2", "chat:note:1:2%"];
        for name in foreign {
            raw::<u64>(&redis, &["PUBLISH", &wired(name), "{}"]).await;
        }
        Chat::note(1, 2).publish(&Note { from: String::new(), number: 5 }).await.unwrap();
        assert_eq!(next(&mut notes).await.1.number, 5);
        // `chat:note:1` does not match the glob.
        assert_eq!(notes.skipped(), 4);
    }

    /// A rule for a pattern can't contain a space, so the glob that is sent contains none.
    async fn a_space_matches_only_itself(redis: Redis) {
        let tenant = redis.for_tenant("big co").unwrap();
        let mut rooms = Team::room_keys().on(&tenant).subscribe().await.unwrap();
        let mut of_one = Team::room_keys().id("a b").on(&tenant).subscribe().await.unwrap();
        for name in ["t:big co:team:chat-room:x", "t:big-co:team:chat room:x"] {
            raw::<u64>(&redis, &["PUBLISH", &wired(name), "foreign"]).await;
        }
        Team::room("a-b").on(&tenant).publish("one").await.unwrap();
        Team::room("a b").on(&tenant).publish("two").await.unwrap();
        let room = |id: &str| ParsedTeam::Room { id: id.to_owned() };
        assert_eq!(next(&mut rooms).await, (room("a-b"), "one".to_owned()));
        assert_eq!(next(&mut rooms).await, (room("a b"), "two".to_owned()));
        assert_eq!(next(&mut of_one).await, (room("a b"), "two".to_owned()));
    }

    async fn a_channel_and_its_pattern_both_receive(_redis: Redis) {
        let mut single = Chat::room("a").subscribe().await.unwrap();
        let mut all = Chat::room_keys().subscribe().await.unwrap();
        assert_eq!(Chat::room("a").publish("x").await.unwrap(), 2);
        assert_eq!(crate::message(&mut single).await, "x");
        assert_eq!(next(&mut all).await.1, "x");
        drop(single);
        eventually("it is unsubscribed", async || Chat::room("a").subscribers().await.unwrap() == 0).await;
        Chat::room("a").publish("y").await.unwrap();
        assert_eq!(next(&mut all).await.1, "y");
    }

    async fn undecodable_messages_are_errors(redis: Redis) {
        let mut notes = Chat::note_keys().subscribe().await.unwrap();
        raw::<u64>(&redis, &["PUBLISH", &wired("chat:note:1:2"), "junk"]).await;
        let error = notes.next().await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.key()), (ErrorKind::Decode, Some("chat:note:1:2")));
        Chat::note(3, 4).publish(&Note { from: String::new(), number: 1 }).await.unwrap();
        assert_eq!(next(&mut notes).await.0, ParsedChat::Note { from: 3, to: 4 });
    }

    async fn patterns_do_not_apply_to_sharded_channels(_redis: Redis) {
        let error = Chat::shard_keys().subscribe().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }

    /// The keys of the messages use the handle of the pattern.
    async fn keys_keep_their_handle(redis: Redis) {
        let mut all = Chat::room_keys().on(&redis).subscribe().await.unwrap();
        Chat::room("a").publish("x").await.unwrap();
        let Event::Message((found, _)) = all.next().await.unwrap().unwrap() else { panic!() };
        let key = found.into_key();
        let outside = tokio::spawn(async move { key.subscribers().await });
        assert_eq!(outside.await.unwrap().unwrap(), 0);
    }
}
