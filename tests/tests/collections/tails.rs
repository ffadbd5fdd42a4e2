//! Reading a stream to its end and beyond, when something goes wrong.

use std::time::Duration;

use redis_keyspace::embedded::{Fault, Server};
use redis_keyspace::stream::StreamId;
use redis_keyspace::{ErrorKind, Keyspace, Redis, Stream};
use redis_keyspace_tests::{PATIENCE, within};

use crate::Keys;

#[derive(Keyspace)]
#[keyspace(prefix = "tails", ttl = "1h", on_unavailable = "miss")]
struct Tails {
    log: fn(id: u64) -> Stream<u64>,
}

/// A handle that stores nothing answers at once, so a wait would not be one.
#[test]
fn waiting_on_a_disabled_handle_is_an_error() {
    let redis = Redis::builder().disabled().build().unwrap();
    within(
        PATIENCE,
        redis.scope(async {
            let mut tail = Keys::log(60).tail();
            assert_eq!(tail.next().await.unwrap_err().kind(), ErrorKind::ServerNotConfigured);
            let mut tail = Keys::log(60).tail().after(StreamId::MIN);
            assert_eq!(tail.next().await.unwrap_err().kind(), ErrorKind::ServerNotConfigured);
            let waiting = Keys::log(60).xread(StreamId::MIN).block(Duration::from_secs(1));
            assert_eq!(waiting.await.unwrap_err().kind(), ErrorKind::ServerNotConfigured);
            assert!(Keys::log(60).xread(StreamId::MIN).await.unwrap().is_empty());
        }),
    );
}

/// A miss would mean that the stream is empty, and then everything in it is new.
#[test]
fn an_outage_at_the_start_of_a_tail_makes_no_old_entry_new() {
    let server = Server::new();
    within(
        PATIENCE,
        Redis::with_embedded_server(server.clone()).scope(async {
            let log = Tails::log(1);
            for value in [1, 2, 3] {
                log.xadd(&value).await.unwrap();
            }
            let mut tail = log.tail();
            let lost = server.inject(Fault::close_before().on("XREVRANGE"));
            tail.next().await.unwrap_err();
            drop(lost);
            let adding = async {
                for value in 4.. {
                    log.xadd(&value).await.unwrap();
                }
            };
            tokio::select! {
                next = tail.next() => assert!(next.unwrap().value > 3),
                () = adding => unreachable!("it ends only with the test"),
            }
        }),
    );
}

/// A missing page would be taken for the end.
#[test]
fn an_outage_between_two_pages_is_an_error() {
    let server = Server::new();
    within(
        PATIENCE,
        Redis::with_embedded_server(server.clone()).scope(async {
            let log = Tails::log(2);
            for value in [1, 2, 3] {
                log.xadd(&value).await.unwrap();
            }
            let mut pages = log.xrange(..).count(2).pages();
            assert_eq!(pages.next().await.unwrap().unwrap().value, 1);
            assert_eq!(pages.next().await.unwrap().unwrap().value, 2);
            server.refuse_connections(true);
            server.disconnect_all();
            pages.next().await.unwrap().unwrap_err();
            server.refuse_connections(false);
        }),
    );
}
