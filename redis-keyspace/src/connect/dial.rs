//! TCP connections to a host.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::resolve::resolve;

/// How long a peer may be silent before the system sends a TCP keepalive probe.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// How long an address may take before the next one is tried as well. The addresses of a name may
/// lead to networks or machines that answer nothing.
const NEXT_ADDRESS: Duration = Duration::from_millis(200);

/// Connects to the first address of the host that accepts a connection. The caller limits the time.
pub(super) async fn dial(host: &str, port: u16) -> io::Result<TcpStream> {
    let addresses = alternating(resolve(host, port).await?);
    let stream = first_of(addresses, TcpStream::connect).await?;
    // Disables Nagle's algorithm. With it, a single small command would wait for an
    // acknowledgement. The driver leaves it on by default.
    stream.set_nodelay(true)?;
    let keepalive = socket2::TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 3);
    socket2::SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    Ok(stream)
}

/// Returns the addresses in an order in which IPv4 and IPv6 alternate, because often one of them
/// can't be reached at all. The resolver decides which comes first.
fn alternating(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first().map(SocketAddr::is_ipv4) else { return addresses };
    let (mut one, mut other): (VecDeque<_>, VecDeque<_>) =
        addresses.into_iter().partition(|address| address.is_ipv4() == first);
    let mut all = Vec::with_capacity(one.len() + other.len());
    while !one.is_empty() || !other.is_empty() {
        all.extend(one.pop_front());
        all.extend(other.pop_front());
    }
    all
}

/// Returns the first connection. Starts with the next address if the ones before it fail or take
/// long.
async fn first_of<T, F>(addresses: Vec<SocketAddr>, connect: impl Fn(SocketAddr) -> F) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    let mut rest = addresses.into_iter();
    let (mut attempts, mut failure) = (FuturesUnordered::new(), None);
    loop {
        match rest.next() {
            Some(address) => attempts.push(connect(address)),
            None if attempts.is_empty() => break,
            None => {}
        }
        let outcome = if rest.len() == 0 {
            attempts.next().await
        } else {
            timeout(NEXT_ADDRESS, attempts.next()).await.unwrap_or_default()
        };
        match outcome {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(error)) => failure = failure.or(Some(error)),
            None => {}
        }
    }
    Err(failure.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address")))
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn sockets_send_at_once_and_notice_a_dead_peer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = dial("127.0.0.1", listener.local_addr().unwrap().port()).await.unwrap();
        assert!(stream.nodelay().unwrap());
        assert!(socket2::SockRef::from(&stream).keepalive().unwrap());
    }

    fn addresses(ports: &[u16]) -> Vec<SocketAddr> {
        ports.iter().map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), *port)).collect()
    }

    const SILENT: u16 = 1;
    const REFUSES: u16 = 2;
    const LATE: u16 = 3;

    async fn connect(address: SocketAddr) -> io::Result<u16> {
        match address.port() {
            SILENT => std::future::pending().await,
            REFUSES => Err(io::ErrorKind::ConnectionRefused.into()),
            LATE => {
                tokio::time::sleep(3 * NEXT_ADDRESS).await;
                Ok(LATE)
            }
            port => Ok(port),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_does_not_answer_does_not_hide_the_next_one() {
        for (ports, answers) in [
            (&[SILENT, 7][..], 7),
            (&[SILENT, REFUSES, SILENT, 7], 7),
            (&[LATE, SILENT, REFUSES], LATE),
            (&[REFUSES, LATE, 7], 7),
            (&[7, SILENT], 7),
        ] {
            assert_eq!(first_of(addresses(ports), connect).await.unwrap(), answers, "{ports:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn if_no_address_accepts_the_first_failure_is_the_error() {
        let error = first_of(addresses(&[REFUSES, REFUSES]), connect).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let error = first_of(Vec::new(), connect).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn the_families_alternate() {
        let order = |addresses: &[&str]| {
            let addresses = addresses.iter().map(|address| SocketAddr::new(address.parse().unwrap(), 1));
            let hosts = alternating(addresses.collect()).into_iter().map(|address| address.ip().to_string());
            hosts.collect::<Vec<_>>()
        };
        assert_eq!(order(&["::1", "::2", "::3", "10.0.0.1"]), ["::1", "10.0.0.1", "::2", "::3"]);
        assert_eq!(order(&["10.0.0.1", "::1", "::2"]), ["10.0.0.1", "::1", "::2"]);
        assert_eq!(order(&[]), Vec::<String>::new());
    }
}
