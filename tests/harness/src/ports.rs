//! Free ports for servers.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::ops::Range;

/// Redis' default port. Tests never use it: another server may run there.
const STANDARD_PORT: u16 = 6379;
/// A cluster node also listens this far above its port.
pub(crate) const BUS_OFFSET: u16 = 10_000;
/// The highest usable port, so that the bus port exists.
const HIGHEST_PORT: u16 = u16::MAX - BUS_OFFSET;
/// The ports of servers that come back on the same port, such as cluster nodes. Neither these nor
/// the bus ports above them are ephemeral, so no outgoing connection takes the port of a server
/// that is down.
const NODE_PORTS: Range<u16> = 10_000..20_000;

/// A port that no other server of the harness gets, in this process or another, even while its
/// server is down.
#[derive(Debug)]
pub(crate) struct NodePort {
    number: u16,
    // Redis uses only TCP, so a UDP socket on the same number can hold it. The system releases it,
    // however the test ends.
    _hold: UdpSocket,
}

impl NodePort {
    /// Returns a free port whose bus port is free, too.
    pub(crate) fn free() -> Self {
        let span = u64::from(NODE_PORTS.end - NODE_PORTS.start);
        for _ in 0..10_000 {
            let offset = u16::try_from(RandomState::new().hash_one(0) % span).expect("the span is a u16");
            let number = NODE_PORTS.start + offset;
            let tcp = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
            if let Ok(hold) = UdpSocket::bind((Ipv4Addr::LOCALHOST, number))
                && tcp(number).is_ok()
                && tcp(number + BUS_OFFSET).is_ok()
            {
                return Self { number, _hold: hold };
            }
        }
        panic!("no free port for a cluster node in {NODE_PORTS:?}");
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }
}

/// Returns a free port for a server that is not a cluster node.
pub(crate) fn free_port() -> u16 {
    // Unsuitable ports stay bound until one fits, so the system offers another.
    let mut refused = Vec::new();
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        if port != STANDARD_PORT && port <= HIGHEST_PORT {
            return port;
        }
        refused.push(listener);
    }
}
