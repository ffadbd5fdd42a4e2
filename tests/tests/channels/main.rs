//! Channels: messages, patterns, reconnections, slow readers, and notifications about keys.

mod clusters;
mod messages;
mod notifications;
mod patterns;
mod permissions;
mod readers;
mod reconnections;
mod runtimes;

use redis_keyspace::channel::{Event, Subscription};
use redis_keyspace::kind::SingleValue;
use redis_keyspace::{Channel, Json, Keyspace, Text};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    from: String,
    number: u64,
}

#[derive(Keyspace)]
#[keyspace(prefix = "chat")]
#[allow(dead_code, reason = "fields are declarations")]
struct Chat {
    #[key("room:{id}")]
    room: fn(id: &str) -> Channel<Text>,
    #[key("note:{from}:{to}")]
    note: fn(from: u64, to: u64) -> Channel<Json<Note>>,
    #[key("number")]
    number: Channel<u64>,
    #[key("shard:{id}", sharded = true)]
    shard: fn(id: &str) -> Channel<Text>,
}

#[derive(Keyspace)]
#[keyspace(prefix = "team", tenant = "t")]
#[allow(dead_code, reason = "fields are declarations")]
struct Team {
    #[key("chat room:{id}")]
    room: fn(id: &str) -> Channel<Text>,
}

/// Returns the next message. Fails at any other event.
async fn message<T: SingleValue>(subscription: &mut Subscription<T>) -> T::Owned {
    match subscription.next().await.expect("the subscription continues").expect("a message") {
        Event::Message(message) => message,
        Event::Resubscribed => panic!("resubscribed"),
        Event::Lagged(count) => panic!("{count} messages are missing"),
        _ => panic!("an unknown event"),
    }
}

/// Reads until the server has confirmed the subscription again.
async fn resubscribed<T: SingleValue>(subscription: &mut Subscription<T>) {
    while !matches!(subscription.next().await.expect("it continues"), Ok(Event::Resubscribed)) {}
}
