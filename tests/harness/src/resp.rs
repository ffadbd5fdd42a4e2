//! A small blocking client, so tests can inspect a server without the driver and `redis-cli`.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::PATIENCE;

/// A reply, in RESP2's terms. A map of RESP3 is an array; its other new types are not supported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A null bulk string or a null array.
    Nil,
    /// `+OK`
    Status(String),
    /// `-ERR ..`, without the dash.
    Error(String),
    /// `:1`
    Integer(i64),
    /// A bulk string.
    Bytes(Vec<u8>),
    /// An array.
    Array(Vec<Reply>),
}

impl fmt::Display for Reply {
    /// Formats like `redis-cli --raw`, one element per line, but prints null as `(nil)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("(nil)"),
            Self::Status(text) | Self::Error(text) => f.write_str(text),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Bytes(bytes) => f.write_str(&String::from_utf8_lossy(bytes)),
            Self::Array(replies) => {
                for (nth, reply) in replies.iter().enumerate() {
                    let newline = if nth == 0 { "" } else { "\n" };
                    write!(f, "{newline}{reply}")?;
                }
                Ok(())
            }
        }
    }
}

trait Stream: Read + Write + Send + fmt::Debug {}
impl<T: Read + Write + Send + fmt::Debug> Stream for T {}

/// A blocking connection. Every read and write times out after [`PATIENCE`].
#[derive(Debug)]
pub struct Client {
    stream: BufReader<Box<dyn Stream>>,
}

impl Client {
    /// Connects over TCP.
    pub fn tcp(address: SocketAddr) -> io::Result<Self> {
        Self::over(TcpStream::connect_timeout(&address, PATIENCE)?)
    }

    /// Uses a TCP connection.
    pub(crate) fn over(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(Box::new(stream)) })
    }

    /// Connects to a unix socket.
    pub fn unix(path: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(Box::new(stream)) })
    }

    /// Sends one command and waits for its reply. The server's errors are replies, not `Err`.
    pub fn call<A: AsRef<[u8]>>(&mut self, command: &[A]) -> io::Result<Reply> {
        self.send(command)?;
        self.receive()
    }

    /// Sends one command without receiving its reply.
    pub fn send<A: AsRef<[u8]>>(&mut self, command: &[A]) -> io::Result<()> {
        self.send_all(&[command])
    }

    /// Sends several commands in one write.
    pub fn send_all<A: AsRef<[u8]>>(&mut self, commands: &[&[A]]) -> io::Result<()> {
        let mut wire = Vec::new();
        for command in commands {
            wire.extend_from_slice(format!("*{}\r\n", command.len()).as_bytes());
            for argument in *command {
                let argument = argument.as_ref();
                wire.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
                wire.extend_from_slice(argument);
                wire.extend_from_slice(b"\r\n");
            }
        }
        let stream = self.stream.get_mut();
        stream.write_all(&wire)?;
        stream.flush()
    }

    /// Waits for the next reply. A closed connection is `UnexpectedEof`.
    pub fn receive(&mut self) -> io::Result<Reply> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let Some(line) = line.strip_suffix("\r\n") else { return Err(io::ErrorKind::UnexpectedEof.into()) };
        let (kind, text) = line.split_at_checked(1).ok_or(io::ErrorKind::InvalidData)?;
        let number = || text.parse::<i64>().map_err(|_| io::Error::from(io::ErrorKind::InvalidData));
        match kind {
            "+" => Ok(Reply::Status(text.to_owned())),
            "-" => Ok(Reply::Error(text.to_owned())),
            ":" => number().map(Reply::Integer),
            "$" => match usize::try_from(number()?) {
                Err(_) => Ok(Reply::Nil),
                Ok(len) => {
                    let mut bytes = vec![0; len + 2];
                    self.stream.read_exact(&mut bytes)?;
                    bytes.truncate(len);
                    Ok(Reply::Bytes(bytes))
                }
            },
            "*" => match usize::try_from(number()?) {
                Err(_) => Ok(Reply::Nil),
                Ok(len) => (0..len).map(|_| self.receive()).collect::<io::Result<_>>().map(Reply::Array),
            },
            "_" => Ok(Reply::Nil),
            "%" => {
                let pairs = usize::try_from(number()?).map_err(|_| io::ErrorKind::InvalidData)?;
                (0..2 * pairs).map(|_| self.receive()).collect::<io::Result<_>>().map(Reply::Array)
            }
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}
