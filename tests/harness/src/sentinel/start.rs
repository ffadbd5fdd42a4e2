//! Starting a master, its replicas and its sentinels.

use std::ffi::OsString;
use std::thread;

use super::RealSentinels;
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
        let mut servers = RealSentinels { nodes: Vec::new(), sentinels: Vec::new(), tls: self.tls.is_some() };
        servers.nodes.push(self.node().start());
        let master = servers.node_address(0).port().to_string();
        let replica = || self.node().arg("--replicaof").arg("127.0.0.1").arg(&master);
        servers.nodes.extend(start_all(self.replicas, &replica));
        servers.sentinels = start_all(self.sentinels, &|| self.sentinel(&master));
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

fn start_all(count: usize, builder: &(dyn Fn() -> RealServerBuilder + Sync)) -> Vec<RealServer> {
    thread::scope(|scope| {
        let starting: Vec<_> = (0..count).map(|_| scope.spawn(|| builder().start())).collect();
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
