//! The bound: the least that a client of this protocol can do. One socket, requests and replies
//! encoded by hand, one task that writes, one that reads, and one channel for each caller.
//!
//! It has no timeouts, limits, reconnection or error handling, so no program should use it. It
//! shows how fast a client could be.

use std::collections::VecDeque;
use std::io::Write as _;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use redis_keyspace::bytes::{Bytes, BytesMut};
use redis_keyspace_benches::{Cart, Error, LARGE_KEY, Server, TTL};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Notify, oneshot};

use crate::measure::{Op, Peer};
use crate::peer::missing;

const READ_SIZE: usize = 64 * 1024;

#[derive(Clone)]
pub struct Bound(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    submitted: Notify,
}

#[derive(Default)]
struct State {
    out: Vec<u8>,
    waiting: VecDeque<Waiting>,
}

enum Waiting {
    One(oneshot::Sender<Reply>),
    Many(usize, Vec<Reply>, oneshot::Sender<Vec<Reply>>),
}

enum Reply {
    Bulk(Bytes),
    Array(Vec<Self>),
    /// A status or an integer.
    Line,
    Nil,
}

impl Bound {
    /// Connects. With `yields`, the writer lets other tasks run once before each write, so that
    /// more requests share it.
    pub async fn connect(server: &Server, unix: bool, yields: bool) -> Result<Self, Error> {
        let shared = Arc::new(Shared::default());
        if unix {
            let (reader, writer) = tokio::net::UnixStream::connect(server.socket()).await?.into_split();
            tokio::spawn(write(Arc::clone(&shared), writer, yields));
            tokio::spawn(read(Arc::clone(&shared), reader));
        } else {
            let stream = tokio::net::TcpStream::connect(("127.0.0.1", server.port())).await?;
            stream.set_nodelay(true)?;
            let (reader, writer) = stream.into_split();
            tokio::spawn(write(Arc::clone(&shared), writer, yields));
            tokio::spawn(read(Arc::clone(&shared), reader));
        }
        Ok(Self(shared))
    }

    async fn one(&self, encode: impl FnOnce(&mut Vec<u8>)) -> Result<Reply, Error> {
        let (sender, receiver) = oneshot::channel();
        self.submit(Waiting::One(sender), encode);
        Ok(receiver.await?)
    }

    async fn many(&self, replies: usize, encode: impl FnOnce(&mut Vec<u8>)) -> Result<Vec<Reply>, Error> {
        let (sender, receiver) = oneshot::channel();
        self.submit(Waiting::Many(replies, Vec::with_capacity(replies), sender), encode);
        Ok(receiver.await?)
    }

    fn submit(&self, waiting: Waiting, encode: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = state.out.is_empty();
        encode(&mut state.out);
        state.waiting.push_back(waiting);
        drop(state);
        if idle {
            self.0.submitted.notify_one();
        }
    }
}

async fn write(shared: Arc<Shared>, mut writer: impl AsyncWrite + Unpin, yields: bool) {
    let mut out = Vec::new();
    loop {
        shared.submitted.notified().await;
        if yields {
            tokio::task::yield_now().await;
        }
        out.clear();
        std::mem::swap(&mut out, &mut shared.state.lock().unwrap_or_else(PoisonError::into_inner).out);
        if writer.write_all(&out).await.is_err() {
            return;
        }
    }
}

async fn read(shared: Arc<Shared>, mut reader: impl AsyncRead + Unpin) {
    let mut input = BytesMut::with_capacity(READ_SIZE);
    let mut replies = Vec::new();
    loop {
        input.reserve(READ_SIZE);
        if reader.read_buf(&mut input).await.unwrap_or(0) == 0 {
            return;
        }
        while let Some(shape) = parse(&input, 0) {
            let bytes = input.split_to(shape.end()).freeze();
            replies.push(shape.reply(&bytes));
        }
        let mut state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        for reply in replies.drain(..) {
            match state.waiting.front_mut() {
                Some(Waiting::Many(missing, so_far, _)) => {
                    so_far.push(reply);
                    *missing -= 1;
                    if *missing == 0
                        && let Some(Waiting::Many(_, replies, sender)) = state.waiting.pop_front()
                    {
                        let _ = sender.send(replies);
                    }
                }
                Some(Waiting::One(_)) => {
                    if let Some(Waiting::One(sender)) = state.waiting.pop_front() {
                        let _ = sender.send(reply);
                    }
                }
                None => return,
            }
        }
    }
}

/// Where a complete reply is in the input.
enum Shape {
    Bulk(Range<usize>),
    /// The elements, and the end.
    Array(Vec<Self>, usize),
    /// The end.
    Line(usize),
    Nil(usize),
}

/// Parses the reply at `at`, if all of it has arrived.
fn parse(input: &[u8], at: usize) -> Option<Shape> {
    let line = input.get(at..)?;
    let length = line.iter().position(|byte| *byte == b'\n')?;
    let after = at + length + 1;
    let number = || {
        let digits = line.get(1..length - 1)?;
        if digits.first() == Some(&b'-') {
            return None;
        }
        Some(digits.iter().fold(0_usize, |number, digit| number * 10 + usize::from(digit - b'0')))
    };
    Some(match line[0] {
        b'$' => match number() {
            Some(length) => {
                input.get(after..after + length + 2)?;
                Shape::Bulk(after..after + length)
            }
            None => Shape::Nil(after),
        },
        b'*' => {
            let mut elements = Vec::new();
            let mut end = after;
            for _ in 0..number().unwrap_or(0) {
                let element = parse(input, end)?;
                end = element.end();
                elements.push(element);
            }
            Shape::Array(elements, end)
        }
        _ => Shape::Line(after),
    })
}

impl Shape {
    fn end(&self) -> usize {
        match self {
            Self::Bulk(range) => range.end + 2,
            Self::Array(_, end) | Self::Line(end) | Self::Nil(end) => *end,
        }
    }

    fn reply(self, bytes: &Bytes) -> Reply {
        match self {
            Self::Bulk(range) => Reply::Bulk(bytes.slice(range)),
            Self::Array(elements, _) => {
                Reply::Array(elements.into_iter().map(|element| element.reply(bytes)).collect())
            }
            Self::Line(_) => Reply::Line,
            Self::Nil(_) => Reply::Nil,
        }
    }
}

impl Reply {
    fn cart(self) -> Result<Cart, Error> {
        match self {
            Self::Bulk(bytes) => Ok(serde_json::from_slice(&bytes)?),
            _ => Err(missing()),
        }
    }

    fn done(self) -> Result<(), Error> {
        match self {
            Self::Line => Ok(()),
            _ => Err("an unexpected reply".into()),
        }
    }
}

fn argument(out: &mut Vec<u8>, bytes: &[u8]) {
    let _ = write!(out, "${}\r\n", bytes.len());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// All ids have four digits.
fn key(out: &mut Vec<u8>, user: u64) {
    let _ = write!(out, "$14\r\ncart:user:{user}\r\n");
}

fn get(out: &mut Vec<u8>, user: u64) {
    out.extend_from_slice(b"*2\r\n$3\r\nGET\r\n");
    key(out, user);
}

impl Peer for Bound {
    const OPS: &'static [Op] =
        &[Op::Get, Op::Set, Op::Fill, Op::Del, Op::Mget, Op::Batch, Op::LargeGet, Op::LargeSet];

    async fn get(&mut self, user: u64) -> Result<Cart, Error> {
        self.one(|out| get(out, user)).await?.cart()
    }

    async fn set(&mut self, cart: &Cart) -> Result<(), Error> {
        let json = serde_json::to_vec(cart)?;
        let encode = |out: &mut Vec<u8>| {
            out.extend_from_slice(b"*5\r\n$3\r\nSET\r\n");
            key(out, cart.user);
            argument(out, &json);
            let _ = write!(out, "$2\r\nEX\r\n$4\r\n{TTL}\r\n");
        };
        self.one(encode).await?.done()
    }

    async fn del(&mut self, user: u64) -> Result<(), Error> {
        let encode = |out: &mut Vec<u8>| {
            out.extend_from_slice(b"*2\r\n$3\r\nDEL\r\n");
            key(out, user);
        };
        self.one(encode).await?.done()
    }

    async fn mget(&mut self, users: &[u64]) -> Result<Vec<Cart>, Error> {
        let encode = |out: &mut Vec<u8>| {
            let _ = write!(out, "*{}\r\n$4\r\nMGET\r\n", users.len() + 1);
            users.iter().for_each(|user| key(out, *user));
        };
        match self.one(encode).await? {
            Reply::Array(elements) => elements.into_iter().map(Reply::cart).collect(),
            _ => Err(missing()),
        }
    }

    async fn batch(&mut self, users: &[u64]) -> Result<Vec<Cart>, Error> {
        let replies = self.many(users.len(), |out| users.iter().for_each(|user| get(out, *user))).await?;
        replies.into_iter().map(Reply::cart).collect()
    }

    async fn large_get(&mut self) -> Result<usize, Error> {
        let encode = |out: &mut Vec<u8>| {
            out.extend_from_slice(b"*2\r\n$3\r\nGET\r\n");
            argument(out, LARGE_KEY.as_bytes());
        };
        match self.one(encode).await? {
            Reply::Bulk(bytes) => Ok(bytes.len()),
            _ => Err(missing()),
        }
    }

    async fn large_set(&mut self, value: &Bytes) -> Result<(), Error> {
        let encode = |out: &mut Vec<u8>| {
            out.extend_from_slice(b"*5\r\n$3\r\nSET\r\n");
            argument(out, LARGE_KEY.as_bytes());
            argument(out, value);
            let _ = write!(out, "$2\r\nEX\r\n$4\r\n{TTL}\r\n");
        };
        self.one(encode).await?.done()
    }
}
