//! Starting a master, its replicas and its sentinels.

use std::ffi::OsString;
use std::thread;

use super::RealSentinels;
use super::links::{Links, Party};
use crate::{RealServer, RealServerBuilder, TlsFiles};

/// The options of [`RealSentinels`].
#[derive(Clone, Debug)]
#[must_use = "nothing runs before `start`"]
pub struct RealSentinelsBuilder {
    replicas: usize,
    sentinels: usize,
    quorum: usize,
    down_after: u64,
    failover_timeout: u64,
    password: Option<String>,
    sentinel_password: Option<String>,
    tls: Option<TlsFiles>,
    links: bool,
    arguments: Vec<OsString>,
    sentinel_arguments: Vec<OsString>,
}

impl Default for RealSentinelsBuilder {
    fn default() -> Self {
        Self {
            replicas: 2,
            sentinels: 3,
            quorum: 2,
            down_after: 500,
            failover_timeout: 3000,
            password: None,
            sentinel_password: None,
            tls: None,
            links: false,
            arguments: Vec::new(),
            sentinel_arguments: Vec::new(),
        }
    }
}

impl RealSentinelsBuilder {
    /// Sets the number of replicas, 2 by default.
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    /// Sets the number of sentinels, 3 by default.
    pub fn sentinels(mut self, sentinels: usize) -> Self {
        self.sentinels = sentinels;
        self
    }

    /// Sets how many sentinels must agree that the master is down, 2 by default. To replace it,
    /// most of all sentinels must vote in any case.
    pub fn quorum(mut self, quorum: usize) -> Self {
        self.quorum = quorum;
        self
    }

    /// Sets the time after which a silent server counts as down, in milliseconds, 500 by default.
    pub fn down_after(mut self, milliseconds: u64) -> Self {
        self.down_after = milliseconds;
        self
    }

    /// Sets the password of the default user of the nodes, which the replicas and the sentinels use
    /// as well. Sentinels save it without quotes, so it has no spaces and no quotes.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        let password = password.into();
        assert!(!password.contains([' ', '"', '\'', '\\']), "sentinels cannot save this password");
        self.password = Some(password);
        self
    }

    /// Adds an ACL user to the nodes, such as `app on >password ~* &* +@all`.
    pub fn user(mut self, rules: &str) -> Self {
        add_user(&mut self.arguments, rules);
        self
    }

    /// Sets the password of the default user of the sentinels, which they use among themselves as
    /// well.
    pub fn sentinel_password(mut self, password: impl Into<String>) -> Self {
        self.sentinel_password = Some(password.into());
        self
    }

    /// Adds an ACL user to the sentinels, such as `app on >password &* +@all`.
    pub fn sentinel_user(mut self, rules: &str) -> Self {
        add_user(&mut self.sentinel_arguments, rules);
        self
    }

    /// Makes all servers listen on a second port with TLS and know each other by it. Client
    /// certificates are not required. The ports without TLS stay open for the test.
    pub fn tls(mut self, files: TlsFiles) -> Self {
        self.tls = Some(files);
        self
    }

    /// Makes all servers know each other by ports of this process, which forward to the servers.
    /// They can be [separated](RealSentinels::separate) and [cut](RealSentinels::cut). Needs a
    /// server of version 7.0 and a system whose whole 127.0.0.0/8 is loopback, such as Linux.
    pub fn links(mut self) -> Self {
        self.links = true;
        self
    }

    /// Adds an argument to the settings of every node, where `--name` starts a setting.
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds an argument to the settings of every sentinel, where `--name` starts a setting.
    pub fn sentinel_arg(mut self, argument: impl Into<OsString>) -> Self {
        self.sentinel_arguments.push(argument.into());
        self
    }

    /// Starts all servers and waits until they work: the sentinels know each other and all
    /// replicas, and the replicas receive writes.
    pub fn start(self) -> RealSentinels {
        let links = self.links.then(|| Links::new(1 + self.replicas, self.sentinels));
        let mut servers =
            RealSentinels { nodes: Vec::new(), sentinels: Vec::new(), tls: self.tls.is_some(), links };
        let start = |party, builder: RealServerBuilder| {
            let Some(links) = &servers.links else { return builder.start() };
            let server = announced(builder, party, links).start();
            links.connect(party, if self.tls.is_some() { server.tls_address() } else { server.address() });
            server
        };
        let first = start(Party::Node(0), self.node());
        let nodes = 1..=self.replicas;
        let master = match &servers.links {
            Some(links) => links.port(Party::Node(0)),
            None if self.tls.is_some() => first.tls_port(),
            None => first.port(),
        };
        let master = master.to_string();
        let replica = || self.node().arg("--replicaof").arg("127.0.0.1").arg(&master);
        let replicas = start_all(nodes, |node| start(Party::Node(node), replica()));
        let sentinels =
            start_all(0..self.sentinels, |sentinel| start(Party::Sentinel(sentinel), self.sentinel(&master)));
        servers.nodes = std::iter::once(first).chain(replicas).collect();
        servers.sentinels = sentinels;
        servers.settled();
        servers
    }

    fn node(&self) -> RealServerBuilder {
        // Without this setting, a replica waits for five seconds before it has the data.
        let mut builder = RealServer::builder().watched().arg("--repl-diskless-sync-delay").arg("0");
        if let Some(password) = &self.password {
            builder = builder.password(password).arg("--masterauth").arg(password);
        }
        self.with_tls(builder).args(&self.arguments)
    }

    fn sentinel(&self, master: &str) -> RealServerBuilder {
        let name = RealSentinels::MASTER;
        let quorum = self.quorum.to_string();
        let mut builder = RealServer::builder().sentinel();
        if let Some(password) = &self.sentinel_password {
            builder = builder.password(password);
        }
        let (down_after, failover_timeout) = (self.down_after.to_string(), self.failover_timeout.to_string());
        builder = sentinel_setting(builder, &["monitor", name, "127.0.0.1", master, &quorum]);
        builder = sentinel_setting(builder, &["down-after-milliseconds", name, &down_after]);
        builder = sentinel_setting(builder, &["failover-timeout", name, &failover_timeout]);
        if let Some(password) = &self.password {
            builder = sentinel_setting(builder, &["auth-pass", name, password]);
        }
        if let Some(password) = &self.sentinel_password {
            builder = sentinel_setting(builder, &["sentinel-pass", password]);
        }
        self.with_tls(builder).args(&self.sentinel_arguments)
    }

    fn with_tls(&self, builder: RealServerBuilder) -> RealServerBuilder {
        match &self.tls {
            Some(files) => builder.tls(files.clone()).arg("--tls-replication").arg("yes"),
            None => builder,
        }
    }
}

/// Makes a server known to others by its link.
fn announced(builder: RealServerBuilder, party: Party, links: &Links) -> RealServerBuilder {
    let (port, source) = (links.port(party).to_string(), links.source(party).to_string());
    let builder = builder.arg("--bind-source-addr").arg(source);
    match party {
        Party::Sentinel(_) => {
            let builder = sentinel_setting(builder, &["announce-ip", "127.0.0.1"]);
            sentinel_setting(builder, &["announce-port", &port])
        }
        _ => {
            let builder = builder.arg("--replica-announce-ip").arg("127.0.0.1");
            builder.arg("--replica-announce-port").arg(port)
        }
    }
}

fn start_all(
    indexes: impl Iterator<Item = usize>,
    start: impl Fn(usize) -> RealServer + Sync,
) -> Vec<RealServer> {
    thread::scope(|scope| {
        let start = &start;
        let starting: Vec<_> = indexes.map(|index| scope.spawn(move || start(index))).collect();
        starting.into_iter().map(|server| server.join().expect("the server starts")).collect()
    })
}

fn add_user(arguments: &mut Vec<OsString>, rules: &str) {
    arguments.push("--user".into());
    arguments.extend(rules.split_whitespace().map(OsString::from));
}

fn sentinel_setting(builder: RealServerBuilder, words: &[&str]) -> RealServerBuilder {
    words.iter().fold(builder.arg("--sentinel"), |builder, word| builder.arg(*word))
}
