//! The two directions of a lane's connection. Only the driver reads. The writer is shared, because
//! a caller on an idle lane writes its command itself, which saves waking the driver.

use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use socket2::SockRef;
#[cfg(feature = "embedded")]
use tokio::io::AsyncWrite;
use tokio::net::tcp;
#[cfg(unix)]
use tokio::net::unix;
use tokio_util::io::poll_read_buf;

use crate::connect::stream::ByteStream;
#[cfg(feature = "tls")]
use crate::connect::tls::{TlsReader, TlsWriter};
#[cfg(feature = "embedded")]
use crate::sync::lock;

pub(crate) enum Reader {
    Tcp(tcp::OwnedReadHalf),
    #[cfg(feature = "tls")]
    Tls(TlsReader),
    #[cfg(unix)]
    Unix(unix::OwnedReadHalf),
    #[cfg(feature = "embedded")]
    Memory(tokio::io::ReadHalf<tokio::io::DuplexStream>),
}

pub(crate) enum Writer {
    Tcp(tcp::OwnedWriteHalf),
    #[cfg(feature = "tls")]
    Tls(TlsWriter),
    #[cfg(unix)]
    Unix(unix::OwnedWriteHalf),
    #[cfg(feature = "embedded")]
    Memory(std::sync::Mutex<tokio::io::WriteHalf<tokio::io::DuplexStream>>),
}

pub(crate) fn split(stream: ByteStream) -> (Reader, Writer) {
    match stream {
        ByteStream::Tcp(stream) => {
            let (reader, writer) = stream.into_split();
            (Reader::Tcp(reader), Writer::Tcp(writer))
        }
        #[cfg(feature = "tls")]
        ByteStream::Tls(stream) => {
            let (reader, writer) = stream.into_split();
            (Reader::Tls(reader), Writer::Tls(writer))
        }
        #[cfg(unix)]
        ByteStream::Unix(stream) => {
            let (reader, writer) = stream.into_split();
            (Reader::Unix(reader), Writer::Unix(writer))
        }
        #[cfg(feature = "embedded")]
        ByteStream::Memory(stream) => {
            let (reader, writer) = tokio::io::split(stream);
            (Reader::Memory(reader), Writer::Memory(std::sync::Mutex::new(writer)))
        }
    }
}

impl Reader {
    pub(crate) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        input: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(reader) => poll_read_buf(Pin::new(reader), context, input),
            #[cfg(feature = "tls")]
            Self::Tls(reader) => reader.poll_read(context, input),
            #[cfg(unix)]
            Self::Unix(reader) => poll_read_buf(Pin::new(reader), context, input),
            #[cfg(feature = "embedded")]
            Self::Memory(reader) => poll_read_buf(Pin::new(reader), context, input),
        }
    }
}

impl Writer {
    /// Whether the connection should be replaced soon.
    #[inline]
    pub(crate) fn is_worn_out(&self) -> bool {
        match self {
            #[cfg(feature = "tls")]
            Self::Tls(writer) => writer.is_worn_out(),
            _ => false,
        }
    }

    /// Closes the connection, even while other tasks hold this writer.
    pub(crate) fn shut_down(&self) {
        // An error means that the connection is closed already.
        let _ = match self {
            Self::Tcp(writer) => SockRef::from(writer.as_ref()).shutdown(Shutdown::Both),
            #[cfg(feature = "tls")]
            Self::Tls(writer) => writer.shut_down(),
            #[cfg(unix)]
            Self::Unix(writer) => SockRef::from(writer.as_ref()).shutdown(Shutdown::Both),
            #[cfg(feature = "embedded")]
            Self::Memory(writer) => {
                let context = &mut Context::from_waker(std::task::Waker::noop());
                let ended = Pin::new(&mut *lock(writer)).poll_shutdown(context);
                if let Poll::Ready(ended) = ended { ended } else { Ok(()) }
            }
        };
    }

    /// Writes what fits now, without registering a waker.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(writer) => writer.try_write(bytes),
            #[cfg(feature = "tls")]
            Self::Tls(writer) => writer.try_write(bytes),
            #[cfg(unix)]
            Self::Unix(writer) => writer.try_write(bytes),
            #[cfg(feature = "embedded")]
            Self::Memory(_) => {
                match self.poll_write(&mut Context::from_waker(std::task::Waker::noop()), bytes) {
                    Poll::Ready(written) => written,
                    Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
                }
            }
        }
    }

    /// Writes what fits now, or registers the waker of the driver.
    pub(crate) fn poll_write(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        macro_rules! socket {
            ($writer:expr) => {
                loop {
                    match $writer.try_write(bytes) {
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                            ready!($writer.as_ref().poll_write_ready(context))?;
                        }
                        written => return Poll::Ready(written),
                    }
                }
            };
        }
        match self {
            Self::Tcp(writer) => socket!(writer),
            #[cfg(feature = "tls")]
            Self::Tls(writer) => writer.poll_write(context, bytes),
            #[cfg(unix)]
            Self::Unix(writer) => socket!(writer),
            #[cfg(feature = "embedded")]
            Self::Memory(writer) => {
                use tokio::io::AsyncWrite;
                let mut writer = lock(writer);
                Pin::new(&mut *writer).poll_write(context, bytes)
            }
        }
    }
}
