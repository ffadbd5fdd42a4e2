//! The options of a handle for the sentinels that name its master, and for its replicas.

use super::builder::RedisBuilder;
use super::endpoint::Endpoint;
use super::nodes::parse_nodes;
use super::optional_text::OptionalText;
use super::secret::Secret;
use super::sentinel::WatchedMaster;
#[cfg(feature = "tls")]
use super::tls::Tls;
use super::validate::check_master_name;
use crate::error::{Error, Result};

impl RedisBuilder {
    /// Uses the master of this name, which the sentinels watch. Each sentinel is given as
    /// `host:port`; the port is optional, and the default is 26379. IPv6 addresses need brackets:
    /// `[::1]:26379`.
    ///
    /// The name is that of `sentinel monitor` in the configuration of the sentinels. Sentinels that
    /// are not listed are found through the listed ones. The handle follows the master when the
    /// sentinels replace it; see the [guide](crate::guide::sentinel).
    ///
    /// [`username`](Self::username), [`password`](Self::password), [`db`](Self::db) and the TLS
    /// options are for the master and its replicas. Sentinels have their own:
    /// [`sentinel_username`](Self::sentinel_username),
    /// [`sentinel_password`](Self::sentinel_password) and `sentinel_tls`.
    ///
    /// A setter of another server, such as [`url`](Self::url) or [`host`](Self::host), replaces the
    /// sentinels, and this setter replaces a server that was set before.
    ///
    /// ```
    /// use redis_keyspace::Redis;
    ///
    /// let redis = Redis::builder()
    ///     .sentinel("mymaster", ["sentinel-1:26379", "sentinel-2", "[::1]:26380"])?
    ///     .username("app")
    ///     .password("secret")
    ///     .sentinel_password("another secret")
    ///     .build()?;
    ///
    /// let error = Redis::builder().sentinel("mymaster", ["sentinel-1", "sentinel-2:x"]).unwrap_err();
    /// assert!(error.to_string().contains("address 2 of the list has a port that is not"));
    /// # Ok::<(), redis_keyspace::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Configuration`](crate::ErrorKind::Configuration) if the name is empty, longer than 256
    /// bytes, or contains white space or control characters; if no sentinel is given; or if an
    /// address is invalid or listed twice. The message contains the position of the address, and no
    /// value. [`build`](Self::build) fails if [`cluster`](Self::cluster) is true, or if
    /// [`replicas`](Self::replicas) are set.
    pub fn sentinel(
        self,
        master: impl Into<String>,
        sentinels: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self> {
        let name = master.into();
        check_master_name(&name)
            .map_err(|problem| Error::configuration(format!("the name of the master {problem}")))?;
        let texts: Vec<String> = sentinels.into_iter().map(Into::into).collect();
        let sentinels = parse_nodes(texts.iter().map(String::as_str), 26379)
            .map_err(|problem| Error::configuration(format!("the list of sentinels {problem}")))?;
        Ok(self.with_endpoint(Endpoint::Sentinel(WatchedMaster { name, sentinels })))
    }

    /// Sets the ACL user for connections to [sentinels](Self::sentinel); the default is `default`.
    /// The user of the master is not used for them. `None` changes nothing.
    ///
    /// ```
    /// # use redis_keyspace::Redis;
    /// let redis = Redis::builder()
    ///     .sentinel("mymaster", ["sentinel-1", "sentinel-2"])?
    ///     .sentinel_username("watcher")
    ///     .sentinel_password("secret")
    ///     .build()?;
    ///
    /// let error = Redis::builder().sentinel_username("watcher").build().unwrap_err();
    /// assert!(error.to_string().contains("`sentinel_username` is set, but no sentinels are"));
    /// # Ok::<(), redis_keyspace::Error>(())
    /// ```
    pub fn sentinel_username(mut self, username: impl OptionalText) -> Self {
        self.base.sentinel.username = username.into_text().or(self.base.sentinel.username);
        self
    }

    /// Sets the password for connections to [sentinels](Self::sentinel). By default, none is sent:
    /// the password of the master is not used for them. It is never printed. `None` changes
    /// nothing.
    ///
    /// ```
    /// # use redis_keyspace::Redis;
    /// let builder = Redis::builder().sentinel_password("secret").sentinel("mymaster", ["sentinel-1"])?;
    /// assert!(!format!("{builder:?}").contains("secret"));
    /// let redis = builder.build()?;
    /// # Ok::<(), redis_keyspace::Error>(())
    /// ```
    pub fn sentinel_password(mut self, password: impl OptionalText) -> Self {
        self.base.sentinel.password = password.into_text().map(Secret::new).or(self.base.sentinel.password);
        self
    }

    /// Encrypts the connections to [sentinels](Self::sentinel) with these options. Requires the
    /// feature `tls`.
    ///
    /// The connections to the master have their own options; see [`tls`](Self::tls). Options of an
    /// earlier call are replaced. They also replace the options that a `rediss+sentinel://` URL or
    /// `REDIS_SENTINEL_TLS` takes from the master.
    ///
    /// ```
    /// use redis_keyspace::Redis;
    /// use redis_keyspace::config::Tls;
    ///
    /// let tls = Tls::new().ca_file("/etc/redis/ca.crt");
    /// let redis = Redis::builder()
    ///     .sentinel("mymaster", ["sentinel-1", "sentinel-2"])?
    ///     .tls(tls.clone())
    ///     .sentinel_tls(tls)
    ///     .build()?;
    /// # Ok::<(), redis_keyspace::Error>(())
    /// ```
    #[cfg(feature = "tls")]
    pub fn sentinel_tls(mut self, tls: Tls) -> Self {
        self.base.sentinel.tls = Some(tls);
        self
    }

    /// Sets servers that replicate the server of this builder, each as `host:port`. The port is
    /// optional; the default is 6379. IPv6 addresses need brackets: `[::1]:6380`.
    ///
    /// Reads use them if a keyspace, a key or a call says so; see
    /// [`Reads`](crate::command::Reads). All other commands use the server itself. The replicas get
    /// the same user, password, database and TLS options.
    ///
    /// Set them only for a single server. Sentinels and the nodes of a cluster name their replicas
    /// themselves.
    ///
    /// A setter that replaces the server also removes the replicas of the server before. Replicas
    /// that are set before any server belong to the first one that is set. A further call replaces
    /// the list.
    ///
    /// ```
    /// use redis_keyspace::Redis;
    ///
    /// let redis = Redis::builder().host("redis-1").replicas(["redis-2:6379", "redis-3"])?.build()?;
    ///
    /// let error = Redis::builder().host("redis-1").replicas(["redis-1"])?.build().unwrap_err();
    /// assert!(error.to_string().contains("`replicas` lists the server itself"));
    /// # Ok::<(), redis_keyspace::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Configuration`](crate::ErrorKind::Configuration) if the list is empty, or if an address is
    /// invalid or listed twice. The message contains its position, and no address.
    /// [`build`](Self::build) fails if the server is a unix socket, an in-process server or a
    /// [pool of the application](Self::pool), if [sentinels](Self::sentinel) or several
    /// [`nodes`](Self::nodes) are set, or if [`cluster`](Self::cluster) is true.
    pub fn replicas(mut self, replicas: impl IntoIterator<Item = impl Into<String>>) -> Result<Self> {
        let texts: Vec<String> = replicas.into_iter().map(Into::into).collect();
        self.base.replicas = parse_nodes(texts.iter().map(String::as_str), 6379)
            .map_err(|problem| Error::configuration(format!("`replicas` {problem}")))?;
        Ok(self)
    }

    /// Decides the TLS options of connections to sentinels, which can depend on options that are
    /// set later.
    #[cfg(feature = "tls")]
    pub(crate) fn with_shared_tls(mut self) -> Self {
        if std::mem::take(&mut self.sentinels_share_tls) && self.base.sentinel.tls.is_none() {
            self.base.sentinel.tls = Some(self.base.tls.clone().unwrap_or_default());
        }
        self
    }

    /// Without TLS, sentinels have no options that others could share.
    #[cfg(not(feature = "tls"))]
    pub(crate) fn with_shared_tls(self) -> Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Fingerprint, Settings, validate};

    const SENTINELS: [&str; 2] = ["s1:26380", "s2"];

    fn watched() -> RedisBuilder {
        RedisBuilder::default().sentinel("mymaster", SENTINELS).unwrap()
    }

    fn built(builder: RedisBuilder) -> Result<Settings> {
        let settings = builder.with_shared_tls().effective(None)?;
        validate(&settings).map(|()| settings)
    }

    fn server(builder: &RedisBuilder) -> String {
        builder.base.endpoint.to_string()
    }

    #[test]
    fn sentinels_and_their_options_are_set_in_any_order() {
        let access = |builder: RedisBuilder| builder.sentinel_username("u").sentinel_password("hunter2");
        let first = access(RedisBuilder::default()).sentinel("mymaster", SENTINELS).unwrap();
        let last = access(watched().username(None::<&str>)).sentinel_username(None::<&str>);
        let settings = built(first).unwrap();
        assert_eq!(settings, built(last).unwrap());
        assert_eq!(settings.endpoint.to_string(), "the master mymaster of the sentinels s1:26380,s2:26379");
        assert_eq!(settings.sentinel.username.as_deref(), Some("u"));
        assert_eq!(settings.sentinel.password.as_ref().map(Secret::expose), Some("hunter2"));
        assert_eq!((settings.username.as_ref(), settings.password.as_ref()), (None, None));
        assert!(!format!("{settings:?}").contains("hunter2"));
    }

    #[test]
    fn another_server_replaces_sentinels_and_their_options() {
        let access = || watched().sentinel_username("u").sentinel_password("p");
        for other in [
            access().host("h"),
            access().port(7),
            access().nodes(["h", "i"]).unwrap(),
            access().url("redis://h").unwrap(),
            access().unix_socket("/s"),
            access().disabled(),
        ] {
            assert!(!server(&other).contains("mymaster"), "{other:?}");
            assert_eq!(built(other).unwrap().sentinel, Settings::default().sentinel);
        }
        assert_eq!(server(&access().port(7)), "localhost:7");
        assert_eq!(server(&access().host(None::<&str>)), server(&watched()));
        let moved = access().sentinel("other", ["s3"]).unwrap();
        assert_eq!(server(&moved), "the master other of the sentinels s3:26379");
        assert_eq!(moved.base.sentinel, access().base.sentinel);
        let nodes = RedisBuilder::default().nodes(["a", "b"]).unwrap().sentinel("m", ["s"]).unwrap();
        assert_eq!(built(nodes).unwrap().nodes, []);
    }

    #[test]
    fn replicas_belong_to_the_server() {
        let replicas = |builder: RedisBuilder| {
            let settings = built(builder).unwrap();
            (settings.endpoint.to_string(), settings.replicas.len())
        };
        let with = |builder: RedisBuilder| builder.replicas(["r1:7", "[::1]:8"]).unwrap();
        let unset = RedisBuilder::default;
        assert_eq!(replicas(with(unset())), ("localhost:6379".to_owned(), 2));
        assert_eq!(replicas(with(unset().host("h"))), ("h:6379".to_owned(), 2));
        assert_eq!(replicas(with(unset()).host("h")), ("h:6379".to_owned(), 2));
        assert_eq!(replicas(with(unset()).port(7)), ("localhost:7".to_owned(), 2));
        assert_eq!(replicas(with(unset()).url("redis://h").unwrap()), ("h:6379".to_owned(), 2));
        assert_eq!(replicas(with(unset().host("h")).port(7)), ("h:7".to_owned(), 2));
        assert_eq!(replicas(with(unset().host("h")).host("i")), ("i:6379".to_owned(), 0));
        assert_eq!(replicas(with(unset().host("h")).host(None::<&str>)), ("h:6379".to_owned(), 2));
        assert_eq!(replicas(with(unset().host("h")).unix_socket("/s")), ("/s".to_owned(), 0));
        assert_eq!(replicas(with(unset().host("h")).sentinel("m", ["s"]).unwrap()).1, 0);
        assert_eq!(replicas(with(unset().host("h")).disabled()).1, 0);
        let again = with(unset().host("h")).replicas(["r3"]).unwrap();
        assert_eq!(built(again).unwrap().replicas, [("r3".to_owned(), 6379)]);
        for list in [vec!["hunter2:x"], vec![], vec!["a", "A:6379"], vec!["u:hunter2@h"]] {
            let error = unset().replicas(list).unwrap_err().to_string();
            assert!(error.contains("`replicas`") && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn invalid_names_and_lists_are_errors_that_repeat_no_value() {
        let names = ["", "hunter2 x", "hunter2\n", "hunter2\u{7f}", "\u{a0}hunter2", &"hunter2".repeat(40)];
        for name in names {
            let error = RedisBuilder::default().sentinel(name, ["s"]).unwrap_err();
            assert!(error.is_configuration());
            let text = error.to_string();
            assert!(text.contains("the name of the master must") && !text.contains("hunter2"), "{text}");
            // No setter leads here.
            let mut builder = watched();
            let sentinels = vec![("s".to_owned(), 1)];
            builder.base.endpoint = Endpoint::Sentinel(WatchedMaster { name: name.to_owned(), sentinels });
            assert_eq!(built(builder).unwrap_err().to_string(), text);
        }
        let _ = RedisBuilder::default().sentinel("a".repeat(256), ["s"]).unwrap();
        let _ = RedisBuilder::default().sentinel("m\u{fc}ller:1", ["s"]).unwrap();
        for list in [vec!["hunter2:x"], vec![], vec!["hunter2", "HUNTER2:26379"], vec!["u:hunter2@h"]] {
            let error = RedisBuilder::default().sentinel("m", list).unwrap_err().to_string();
            assert!(error.contains("the list of sentinels"), "{error}");
            assert!(!error.to_lowercase().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn contradictions_are_errors() {
        let unset = RedisBuilder::default;
        let replicated = |builder: RedisBuilder| builder.replicas(["r1"]).unwrap();
        built(watched().cluster(false)).unwrap();
        for (builder, problem) in [
            (unset().sentinel_username("hunter2"), "`sentinel_username` is set, but no sentinels are"),
            (unset().sentinel_password("hunter2"), "`sentinel_password` is set, but no sentinels are"),
            (unset().host("h").sentinel_password("hunter2"), "`sentinel_password` is set"),
            (watched().sentinel_username("hunter2 x"), "`sentinel_username` must not"),
            (watched().cluster(true), "`cluster` is true, but sentinels"),
            (replicated(watched()), "`replicas` is set, but sentinels"),
            (replicated(unset().nodes(["a", "b"]).unwrap()), "`replicas` is set, but so are several nodes"),
            (replicated(unset().cluster(true)), "`replicas` is set, but `cluster` is true"),
            (replicated(unset().unix_socket("/s")), "`replicas` is set, but the server is a unix socket"),
            (unset().replicas(["r1", "LOCALHOST"]).unwrap(), "`replicas` lists the server itself"),
            (replicated(unset().host("r1").port(7)).port(6379), "`replicas` lists the server itself"),
        ] {
            let error = built(builder).unwrap_err();
            let text = error.to_string();
            assert!(error.is_configuration() && text.contains(problem), "{text}");
            assert!(!text.contains("hunter2"), "{text}");
        }
        // No setter leads here.
        let mut builder = watched();
        builder.base.nodes = vec![("h".to_owned(), 1)];
        let error = built(builder).unwrap_err().to_string();
        assert!(error.contains("`nodes` is set, but sentinels"), "{error}");
        // A disabled handle has no server that they could be for.
        built(replicated(unset().disabled()).sentinel_password("p")).unwrap();
        #[cfg(feature = "embedded")]
        {
            let error = built(replicated(unset().embedded(redis_keyspace_embedded::Server::new())));
            let error = error.unwrap_err().to_string();
            assert!(error.contains("`replicas` is set, but the server is in this process"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_pool_of_the_application_has_no_replicas() {
        let manager = bb8_redis::RedisConnectionManager::new("redis://127.0.0.1:1").unwrap();
        let pool = bb8_redis::bb8::Pool::builder().build_unchecked(manager);
        let error = built(RedisBuilder::default().pool(pool).replicas(["r"]).unwrap()).unwrap_err();
        assert!(error.to_string().contains("belong to a pool of the application"), "{error}");
    }

    #[cfg(feature = "tls")]
    #[test]
    fn sentinels_have_their_own_tls_options() {
        let tls = |file: &str| Tls::new().ca_file(file);
        let settings = built(watched().sentinel_tls(tls("s")).tls(tls("m"))).unwrap();
        assert_eq!((settings.tls, settings.sentinel.tls), (Some(tls("m")), Some(tls("s"))));
        let settings = built(watched().tls(tls("m"))).unwrap();
        assert_eq!((settings.tls, settings.sentinel.tls), (Some(tls("m")), None));
        let settings = built(watched().sentinel_tls(tls("s"))).unwrap();
        assert_eq!((settings.tls, settings.sentinel.tls), (None, Some(tls("s"))));
        let other = watched().sentinel_tls(tls("s")).host("h");
        assert_eq!(built(other).unwrap().sentinel.tls, None);
        let error = built(RedisBuilder::default().sentinel_tls(tls("s"))).unwrap_err().to_string();
        assert!(error.contains("`sentinel_tls` is set, but no sentinels are"), "{error}");
        let error = built(watched().sentinel_tls(Tls::new().server_name("u:hunter2@h")));
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("the TLS `server_name` of sentinels") && !error.contains("hunter2"),
            "{error}"
        );
    }

    #[test]
    fn the_options_change_the_fingerprint() {
        let base = watched().base;
        for other in [
            watched().sentinel_username("u"),
            watched().sentinel_password("p"),
            RedisBuilder::default().sentinel("other", SENTINELS).unwrap(),
            RedisBuilder::default().sentinel("mymaster", ["s1:26380"]).unwrap(),
        ] {
            assert!(base != other.base && Fingerprint::of(&base) != Fingerprint::of(&other.base));
        }
        assert_eq!(Fingerprint::of(&base), Fingerprint::of(&watched().base));
        let (one, other) = (RedisBuilder::default(), RedisBuilder::default().replicas(["r"]).unwrap());
        assert_ne!(Fingerprint::of(&one.base), Fingerprint::of(&other.base));
    }
}
