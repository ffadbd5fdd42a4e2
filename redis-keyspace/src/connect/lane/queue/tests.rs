use std::pin::Pin;
use std::task::Context;

use tokio::io::{AsyncRead, DuplexStream, ReadBuf};

use super::*;
use crate::config::Settings;
use crate::connect::lane::wire::split;
use crate::connect::stream::ByteStream;

/// Creates a queue, and the server's side of its connection.
fn queue() -> (Queue, DuplexStream) {
    let (ours, server) = tokio::io::duplex(1 << 16);
    let settings = Settings::default();
    let (_, writer) = split(ByteStream::Memory(ours));
    (Queue::new(writer, Room::new(&settings, 2), Patience::new(&settings)), server)
}

fn submit(queue: &Queue) {
    let ping = Request::One(Packet::new("PING", Keys::None));
    let submitted = queue.submit(&ping, "", Deadline::after(Duration::from_secs(60)));
    assert!(matches!(submitted, Submitted::Waiting(_)));
}

/// Returns how many requests the server has received since the last call.
fn received(server: &mut DuplexStream) -> usize {
    let mut bytes = [0; 1 << 12];
    let mut buffer = ReadBuf::new(&mut bytes);
    let _ = Pin::new(server).poll_read(&mut Context::from_waker(Waker::noop()), &mut buffer);
    buffer.filled().split(|&byte| byte == b'*').count() - 1
}

/// Answers all requests at once.
fn answer(queue: &Queue) {
    let mut state = queue.lock();
    let mut replies = vec![Reply::Ok; state.pending.len()];
    assert!(state.assign(&mut replies, &mut Vec::new()));
    queue.count(&state);
}

#[tokio::test]
async fn the_first_request_is_written_at_once_and_the_others_wait_for_the_driver() {
    let (queue, mut server) = queue();
    submit(&queue);
    assert_eq!((received(&mut server), queue.in_flight()), (1, 1));
    for _ in 0..CROWD - 1 {
        submit(&queue);
    }
    assert_eq!((received(&mut server), queue.in_flight()), (0, CROWD));
    assert!(queue.lock().is_crowded());
    // These callers are few: the first that sends again does not wait for the others.
    queue.lock().out.clear();
    answer(&queue);
    submit(&queue);
    assert_eq!((received(&mut server), queue.in_flight()), (1, 1));
    assert!(!queue.lock().is_crowded());
}

#[tokio::test]
async fn no_caller_depends_on_a_driver_that_hands_out_replies() {
    let (queue, mut server) = queue();
    assert!(queue.answering(FEW).is_none(), "few callers are answered at once");
    let answering = queue.answering(FEW + 1);
    assert!(answering.is_some() && queue.answering.load(Ordering::Relaxed));
    // The driver of this queue never ends its work.
    submit(&queue);
    assert_eq!((received(&mut server), queue.in_flight()), (1, 1));
    drop(answering);
    assert!(!queue.answering.load(Ordering::Relaxed));
}

/// Otherwise some servers drop the error reply to AUTH, and every later reply would be that of
/// another request.
#[tokio::test]
async fn a_request_can_wait_for_the_replies_before_it() {
    let (queue, mut server) = queue();
    let deadline = Deadline::after(Duration::from_secs(60));
    let request = Request::One(Packet::new("AUTH", Keys::None));
    submit(&queue);
    submit(&queue);
    assert!(matches!(queue.submit_after_replies(&request, deadline), Submitted::Waiting(_)));
    submit(&queue);
    assert!(matches!(queue.submit_after_replies(&request, deadline), Submitted::Waiting(_)));
    assert_eq!((received(&mut server), queue.in_flight()), (1, 5));
    let ready = |answered: usize| {
        let mut state = queue.lock();
        assert!(state.assign(&mut vec![Reply::Ok; answered], &mut Vec::new()));
        String::from_utf8(state.out.drain(usize::MAX)).unwrap()
    };
    let (ping, auth) = ("*1\r\n$4\r\nPING\r\n", "*1\r\n$4\r\nAUTH\r\n");
    assert_eq!(ready(0), ping, "the second one is not held");
    assert_eq!(ready(1), "");
    assert_eq!(ready(1), format!("{auth}{ping}"));
    assert_eq!(ready(1), "");
    assert_eq!(ready(1), auth);
    assert_eq!(ready(1), "");
    assert_eq!(queue.lock().unwritten(), 0);
    // With nothing before it, it is written at once.
    queue.lock().out.clear();
    assert!(matches!(queue.submit_after_replies(&request, deadline), Submitted::Waiting(_)));
    assert_eq!(received(&mut server), 1);
}

#[tokio::test]
async fn a_request_after_many_answers_waits_for_the_driver() {
    let (queue, mut server) = queue();
    for _ in 0..=CROWD {
        submit(&queue);
    }
    assert_eq!(received(&mut server), 1);
    queue.lock().out.clear();
    answer(&queue);
    submit(&queue);
    assert_eq!((received(&mut server), queue.in_flight()), (0, 1));
    // The driver lets the other callers run first, and writes once.
    assert!(queue.lock().is_crowded());
    queue.lock().out.clear();
    // A single answer means that the crowd has gone.
    answer(&queue);
    submit(&queue);
    assert_eq!(received(&mut server), 1);
}
