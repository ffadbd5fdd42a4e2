//! Connections between the servers that can be interrupted like those of a network.
//!
//! Each server is known to the others by a port of this process, which forwards to the server. The
//! servers connect from different loopback addresses, so both ends of a connection are known.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::RealSentinels;
use crate::sync::lock;

/// A part of the network of [`RealSentinels`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Party {
    /// A node, by its index.
    Node(usize),
    /// A sentinel, by its index.
    Sentinel(usize),
    /// The program that runs the test.
    Program,
}

/// The network of the servers.
#[derive(Debug)]
pub(super) struct Links {
    state: Arc<State>,
    doors: Vec<Door>,
}

/// The port by which a server is known.
#[derive(Debug)]
struct Door {
    party: Party,
    port: u16,
    upstream: Arc<Mutex<Option<SocketAddr>>>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    network: Mutex<Network>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Network {
    /// The parties that are separated from the others.
    island: HashSet<Party>,
    /// Pairs of parties that do not reach each other.
    cuts: Vec<[Party; 2]>,
    /// The ends of all connections.
    sockets: Vec<TcpStream>,
    closed: bool,
}

impl RealSentinels {
    /// Separates these parties from all others, which still reach each other. Nothing is closed or
    /// refused: bytes and new connections wait until [`reunite`](Self::reunite). Connections of the
    /// harness to its servers are not affected, only those to [`node_address`](Self::node_address)
    /// and [`sentinel_address`](Self::sentinel_address). Panics unless the servers were started
    /// with [`links`](super::RealSentinelsBuilder::links).
    pub fn separate(&self, island: &[Party]) {
        self.change_links(|network| network.island = island.iter().copied().collect());
    }

    /// Separates two parties from each other in the same way. All others reach both.
    pub fn cut(&self, one: Party, other: Party) {
        self.change_links(|network| network.cuts.push([one, other]));
    }

    /// Ends [`separate`](Self::separate) and [`cut`](Self::cut). What was sent meanwhile arrives
    /// now.
    pub fn reunite(&self) {
        self.change_links(|network| {
            network.island.clear();
            network.cuts.clear();
        });
    }

    fn change_links(&self, change: impl FnOnce(&mut Network)) {
        let links = self.links.as_ref().expect("the servers were started with links");
        change(&mut lock(&links.state.network));
        links.state.changed.notify_all();
    }
}

impl Network {
    fn connects(&self, [from, to]: [Party; 2]) -> bool {
        let is_cut = self.cuts.iter().any(|cut| *cut == [from, to] || *cut == [to, from]);
        self.island.contains(&from) == self.island.contains(&to) && !is_cut
    }
}

impl Links {
    /// Creates the ports of all servers. No server is connected yet.
    pub(super) fn new(nodes: usize, sentinels: usize) -> Self {
        let state = Arc::<State>::default();
        let parties = (0..nodes).map(Party::Node).chain((0..sentinels).map(Party::Sentinel));
        let parties: Arc<[Party]> = parties.collect();
        let doors = parties.iter().map(|party| Door::open(*party, &parties, &state)).collect();
        Self { state, doors }
    }

    /// Returns the port by which a server is known.
    pub(super) fn port(&self, party: Party) -> u16 {
        self.door(party).port
    }

    /// Connects the port of a server with the server.
    pub(super) fn connect(&self, party: Party, server: SocketAddr) {
        *lock(&self.door(party).upstream) = Some(server);
    }

    /// Returns the address from which a server must connect to others.
    pub(super) fn source(&self, party: Party) -> Ipv4Addr {
        let nth = self.doors.iter().position(|door| door.party == party).expect("a server of the network");
        source(nth)
    }

    fn door(&self, party: Party) -> &Door {
        self.doors.iter().find(|door| door.party == party).expect("a server of the network")
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        {
            let mut network = lock(&self.state.network);
            network.closed = true;
            for socket in network.sockets.drain(..) {
                // Fails only if the connection ended already.
                let _ = socket.shutdown(Shutdown::Both);
            }
        }
        self.state.changed.notify_all();
        for door in &mut self.doors {
            // A connection is the only way to wake `accept`.
            let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, door.port));
            if let Some(acceptor) = door.acceptor.take() {
                let _ = acceptor.join();
            }
        }
    }
}

impl Door {
    fn open(party: Party, parties: &Arc<[Party]>, state: &Arc<State>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let upstream = Arc::<Mutex<Option<SocketAddr>>>::default();
        let (server, parties, state) = (Arc::clone(&upstream), Arc::clone(parties), Arc::clone(state));
        let acceptor = thread::spawn(move || {
            for client in listener.incoming() {
                if lock(&state.network).closed {
                    return;
                }
                let Ok(client) = client else { continue };
                let from = client.peer_addr().map_or(Party::Program, |peer| sender(peer.ip(), &parties));
                let (server, link) =
                    (Arc::clone(&server), Link { ends: [from, party], state: Arc::clone(&state) });
                thread::spawn(move || link.run(client, &server));
            }
        });
        Self { party, port, upstream, acceptor: Some(acceptor) }
    }
}

/// The loopback address of the connections of the nth server.
fn source(nth: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 1, u8::try_from(nth + 1).expect("few servers"))
}

fn sender(address: IpAddr, parties: &[Party]) -> Party {
    let nth = (0..parties.len()).find(|nth| address == source(*nth));
    nth.map_or(Party::Program, |nth| parties[nth])
}

/// The connection of a party to another.
#[derive(Clone)]
struct Link {
    ends: [Party; 2],
    state: Arc<State>,
}

impl Link {
    fn run(self, client: TcpStream, upstream: &Mutex<Option<SocketAddr>>) {
        if !self.passes() {
            return;
        }
        // If the server is down, the connection closes at once.
        let Some(address) = *lock(upstream) else { return };
        let Ok(server) = TcpStream::connect(address) else { return };
        let clones = [&client, &server].map(TcpStream::try_clone);
        let [Ok(client_end), Ok(server_end)] = clones else { return };
        if !self.register(&client, &server) {
            return;
        }
        let back = self.clone();
        thread::spawn(move || back.forward(server_end, client_end));
        self.forward(client, server);
    }

    /// Keeps handles of the sockets, to close them in the end. Returns `false` if that is now.
    fn register(&self, client: &TcpStream, server: &TcpStream) -> bool {
        let mut network = lock(&self.state.network);
        for socket in [client, server] {
            let _ = socket.set_nodelay(true);
            network.sockets.extend(socket.try_clone());
        }
        !network.closed
    }

    /// Forwards until one end closes, then closes the other.
    fn forward(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut chunk = vec![0; 64 * 1024];
        loop {
            let len = from.read(&mut chunk).unwrap_or(0);
            // The end of a connection also takes the way through the network.
            let passes = self.passes();
            if len == 0 || !passes || to.write_all(&chunk[..len]).is_err() {
                let _ = from.shutdown(Shutdown::Both);
                let _ = to.shutdown(Shutdown::Both);
                return;
            }
        }
    }

    /// Waits while the ends are separated. Returns `false` if the network was closed.
    fn passes(&self) -> bool {
        let mut network = lock(&self.state.network);
        loop {
            if network.closed {
                return false;
            }
            if network.connects(self.ends) {
                return true;
            }
            network = self.state.changed.wait(network).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
