//! Tests of the reads and writes of a session, over sockets whose buffers are small.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Waker};

use bytes::BytesMut;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::server::TlsStream as ServerStream;

use super::client_config::client_config;
use super::pem::Pems;
use super::session::{TlsReader, TlsStream, TlsWriter};
use crate::config::Tls;

/// Connects a client to a server that reads only when the test does.
async fn connected() -> (TlsReader, TlsWriter, ServerStream<TcpStream>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(4096).unwrap();
    let socket = socket.connect(listener.local_addr().unwrap()).await.unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    let accepting = tokio::spawn(tokio_rustls::TlsAcceptor::from(Arc::new(config)).accept(accepted));

    let tls = Tls::new().danger_accept_any_certificate();
    let config = client_config(&tls, &Pems::read(&tls).unwrap()).unwrap();
    let name = "localhost".try_into().unwrap();
    let mut stream = TlsStream::new(socket, Arc::new(config), name).unwrap();
    stream.handshake(|| {}).await.unwrap();
    let (reader, writer) = stream.into_split();
    (reader, writer, accepting.await.unwrap().unwrap())
}

/// Returns some bytes that do not repeat within a record.
fn pattern(from: usize, length: usize) -> Vec<u8> {
    (from..from + length).flat_map(|nth| u32::try_from(nth).unwrap().to_be_bytes()).collect()
}

#[tokio::test]
async fn each_byte_is_sent_once_although_the_socket_was_full() {
    let (_reader, writer, mut server) = connected().await;
    let mut expected = Vec::new();
    let mut pending = loop {
        let bytes = pattern(expected.len(), 2000);
        match writer.try_write(&bytes) {
            Ok(written) => {
                assert_eq!(written, bytes.len(), "a part is never reported");
                expected.extend_from_slice(&bytes);
            }
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                break bytes;
            }
        }
    };
    // No other caller can write before these bytes.
    assert_eq!(writer.try_write(b"x").unwrap_err().kind(), io::ErrorKind::WouldBlock);
    assert!(writer.poll_write(&mut Context::from_waker(Waker::noop()), &pending).is_pending());
    // Others have added their requests meanwhile.
    pending.extend(pattern(expected.len() + 10_000, 50_000));
    expected.extend_from_slice(&pending);
    let total = expected.len();
    let reading = tokio::spawn(async move {
        let mut received = vec![0; total];
        server.read_exact(&mut received).await.unwrap();
        (received, server)
    });
    let mut written = 0;
    while written < pending.len() {
        written += poll_fn(|context| writer.poll_write(context, &pending[written..])).await.unwrap();
    }
    assert_eq!(written, pending.len());
    let (received, mut server) = reading.await.unwrap();
    assert!(received == expected);
    // Nothing is left behind, and the end of the session is announced.
    assert_eq!(writer.try_write(b"end").unwrap(), 3);
    writer.shut_down().unwrap();
    let mut rest = Vec::new();
    server.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"end");
}

#[tokio::test]
async fn a_session_at_the_limit_of_its_keys_is_replaced_and_drops_nothing() {
    let (_reader, writer, mut server) = connected().await;
    writer.set_limit(10);
    for nth in 0..9 {
        assert!(!writer.is_worn_out(), "after {nth} records");
        assert_eq!(writer.try_write(b"record").unwrap(), 6);
    }
    // The lane closes while some records are left. A write beyond them fails.
    assert!(writer.is_worn_out());
    let error = writer.try_write(b"record").unwrap_err();
    assert!(error.to_string().contains("as many records"), "{error}");
    let error = poll_fn(|context| writer.poll_write(context, b"record")).await.unwrap_err();
    assert!(error.to_string().contains("as many records"), "{error}");
    writer.shut_down().unwrap();
    let mut received = Vec::new();
    server.read_to_end(&mut received).await.unwrap();
    assert_eq!(received, b"record".repeat(9));
}

/// Reads once.
async fn read(reader: &mut TlsReader) -> io::Result<Vec<u8>> {
    let mut input = BytesMut::with_capacity(1 << 15);
    let read = poll_fn(|context| reader.poll_read(context, &mut input)).await?;
    assert_eq!(read, input.len());
    Ok(input.to_vec())
}

#[tokio::test]
async fn replies_before_an_invalid_record_are_read() {
    let (mut reader, _writer, mut server) = connected().await;
    server.write_all(b"reply").await.unwrap();
    server.flush().await.unwrap();
    // A record that can't be decrypted. It arrives together with the reply.
    server.get_mut().0.write_all(&[0x17, 3, 3, 0, 5, 1, 2, 3, 4, 5]).await.unwrap();
    assert_eq!(read(&mut reader).await.unwrap(), b"reply");
    let error = read(&mut reader).await.unwrap_err();
    assert!(error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()), "{error}");
}

#[tokio::test]
async fn replies_are_read_although_a_write_has_failed() {
    let (mut reader, writer, mut server) = connected().await;
    server.write_all(b"reply").await.unwrap();
    server.flush().await.unwrap();
    writer.close_for_writing().unwrap();
    assert_eq!(writer.try_write(b"request").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(read(&mut reader).await.unwrap(), b"reply");
    assert_eq!(read(&mut reader).await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}

/// Bytes after the end of a session are never decrypted.
#[tokio::test]
async fn an_ended_session_has_no_further_reason() {
    for is_over in [false, true] {
        let (mut reader, _writer, mut server) = connected().await;
        let expected: &[u8] = if is_over { b"" } else { b"reply" };
        if is_over {
            server.get_mut().1.send_close_notify();
        } else {
            server.write_all(expected).await.unwrap();
        }
        server.flush().await.unwrap();
        assert_eq!(read(&mut reader).await.unwrap(), expected);
        // A record that can't be decrypted.
        server.get_mut().0.write_all(&[0x17, 3, 3, 0, 5, 1, 2, 3, 4, 5]).await.unwrap();
        reader.arrival().await.unwrap();
        assert_eq!(reader.reason().is_none(), is_over);
    }
}

#[tokio::test]
async fn long_writes_are_left_to_the_driver() {
    let (_reader, writer, _server) = connected().await;
    let error = writer.try_write(&pattern(0, 10_000)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    assert_eq!(writer.try_write(b"short").unwrap(), 5);
}
