//! Tests of what a session reads, and how much memory it keeps.

use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncWriteExt, DuplexStream};

use super::inbox::Delivery;
use super::session::{Arrival, KEEP_SIZE, SubscriptionSession};
use super::topic::{ServerTopic, TopicKind};
use crate::config::Settings;
use crate::connect::stream::ByteStream;
use crate::protocol::SHARED;

fn session(settings: Settings) -> (SubscriptionSession, DuplexStream) {
    let (stream, peer) = tokio::io::duplex(64 << 20);
    (SubscriptionSession::over(ByteStream::Memory(stream), &Arc::new(settings)), peer)
}

fn message(kind: &str, names: &[&str], length: usize) -> String {
    let mut text = format!(">{}\r\n${}\r\n{kind}\r\n", names.len() + 2, kind.len());
    names.iter().for_each(|name| text += &format!("${}\r\n{name}\r\n", name.len()));
    text + &format!("${length}\r\n{}\r\n", "x".repeat(length))
}

async fn arrival(session: &mut SubscriptionSession) -> Arrival {
    loop {
        match session.next().unwrap() {
            Some(arrival) => return arrival,
            None => session.read().await.unwrap(),
        }
    }
}

async fn payload(session: &mut SubscriptionSession) -> Bytes {
    match arrival(session).await {
        Arrival::Message { message: Delivery::Message { payload, .. }, .. } => payload,
        other => panic!("{other:?}"),
    }
}

/// How many bytes a string keeps alive that nothing else uses.
fn kept(text: Bytes) -> usize {
    text.try_into_mut().unwrap().capacity()
}

#[tokio::test]
async fn a_message_keeps_at_most_twice_its_length_after_a_huge_one() {
    // The next message arrives after the huge one, or with it.
    for is_apart in [true, false] {
        let (mut session, mut peer) = session(Settings::default());
        let (huge, next) = (message("message", &["a"], 10 << 20), message("message", &["a"], SHARED));
        let (start, end) = next.split_at(if is_apart { 0 } else { 100 });
        peer.write_all((huge + start).as_bytes()).await.unwrap();
        let huge = payload(&mut session).await;
        assert_eq!(huge.len(), 10 << 20);
        drop(huge);
        peer.write_all(end.as_bytes()).await.unwrap();
        let next = payload(&mut session).await;
        drop(session);
        assert_eq!(next.len(), SHARED);
        let kept = kept(next);
        assert!(kept <= 2 * SHARED + 2, "{kept}");
    }
}

#[tokio::test]
async fn the_buffer_of_a_huge_message_is_freed() {
    let (mut session, mut peer) = session(Settings::default());
    for length in [10 << 20, 10] {
        peer.write_all(message("message", &["a"], length).as_bytes()).await.unwrap();
        assert_eq!(payload(&mut session).await.len(), length);
    }
    assert!(session.input_capacity() <= KEEP_SIZE);
}

/// The limit is the one of values.
#[tokio::test]
async fn names_may_be_longer_than_values() {
    let settings = Settings { max_value_bytes: 10, ..Settings::default() };
    let (mut session, mut peer) = session(settings);
    let name = "n".repeat(5000);
    let topic = ServerTopic { kind: TopicKind::Channel, name: name.as_str().into() };
    session.subscribe(vec![topic.clone()], true).await.unwrap();
    peer.write_all(format!(">3\r\n$9\r\nsubscribe\r\n$5000\r\n{name}\r\n:1\r\n").as_bytes()).await.unwrap();
    assert!(matches!(arrival(&mut session).await, Arrival::Subscribed(found) if found == topic));
    assert!(!session.is_owed());
    for length in [10, 11, 1 << 20] {
        peer.write_all(message("message", &[&name], length).as_bytes()).await.unwrap();
        let Arrival::Message { name: found, message, .. } = arrival(&mut session).await else { panic!() };
        assert_eq!(found, name);
        match message {
            Delivery::Message { payload, .. } => assert_eq!((payload.len(), length), (10, 10)),
            Delivery::TooLong(found) => assert!(found == length && length > 10),
            other => panic!("{other:?}"),
        }
    }
    // Longer than any name of a key. It is counted as skipped, because it has no name.
    let longer = "n".repeat(1 << 20);
    peer.write_all(message("pmessage", &["n*", &longer], 10).as_bytes()).await.unwrap();
    let Arrival::Message { message, .. } = arrival(&mut session).await else { panic!() };
    assert!(matches!(message, Delivery::Message { channel, .. } if channel.is_empty()));
}
