//! The options of a handle for the nodes of a cluster.

use super::address::Address;
use super::address_map::AddressMap;
use super::builder::RedisBuilder;
use super::endpoint::Endpoint;
use super::nodes::parse_nodes;
use super::sentinel::SentinelAccess;
use crate::error::{Error, Result};

impl RedisBuilder {
    /// Sets the nodes of a cluster, each as `host:port`. The port is optional; the default is 6379.
    /// IPv6 addresses need brackets: `[::1]:7000`.
    ///
    /// The list replaces the server of this builder. The addresses take turns: each attempt to
    /// connect starts with another one, and tries the next ones if it can't be reached. Nodes that
    /// are not listed are found through the listed ones, so two or three are enough.
    ///
    /// A setter of another server, such as [`url`](Self::url) or [`host`](Self::host), replaces the
    /// list. [`port`](Self::port) changes the port of the first address.
    ///
    /// ```
    /// use redis_keyspace::Redis;
    ///
    /// let redis = Redis::builder().nodes(["redis-1:7000", "redis-2:7000", "[::1]:7002"])?.build()?;
    ///
    /// let error = Redis::builder().nodes(["redis-1:7000", "redis-2:0"]).unwrap_err();
    /// assert!(error.to_string().contains("address 2 of the list has a port that is not"));
    /// # Ok::<(), redis_keyspace::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Configuration`](crate::ErrorKind::Configuration) if the list is empty, or if an address is
    /// invalid or listed twice. The message contains its position, and no address.
    pub fn nodes(self, nodes: impl IntoIterator<Item = impl Into<String>>) -> Result<Self> {
        let texts: Vec<String> = nodes.into_iter().map(Into::into).collect();
        parse_nodes(texts.iter().map(String::as_str), 6379)
            .map(|nodes| self.with_nodes(nodes))
            .map_err(|problem| Error::configuration(format!("`nodes` {problem}")))
    }

    pub(super) fn with_nodes(mut self, nodes: Vec<Address>) -> Self {
        let mut nodes = nodes.into_iter();
        if let Some((host, port)) = nodes.next() {
            self = self.with_endpoint(Endpoint::Tcp { host, port });
            self.base.nodes = nodes.collect();
        }
        self
    }

    /// Replaces the server. Nodes, replicas, and credentials for sentinels that were set for
    /// another server are removed.
    pub(crate) fn with_endpoint(mut self, endpoint: Endpoint) -> Self {
        let is_sentinel = |endpoint: &Endpoint| matches!(endpoint, Endpoint::Sentinel(_));
        if is_sentinel(&self.base.endpoint) && !is_sentinel(&endpoint) {
            self.base.sentinel = SentinelAccess::default();
            #[cfg(feature = "tls")]
            {
                self.sentinels_share_tls = false;
            }
        }
        if self.server_is_set {
            self.base.replicas = Vec::new();
        }
        self.server_is_set = true;
        self.requires_server = None;
        self.base.endpoint = endpoint;
        self.base.nodes = Vec::new();
        self
    }

    /// Sets whether the server is a node of a cluster. By default, the server is asked at the
    /// login; if it does not tell, the first redirection does.
    ///
    /// With `false`, the handle talks to one server only, also if that server is a node of a
    /// cluster. The other nodes are then not used, and several [`nodes`](Self::nodes) are an error.
    ///
    /// ```
    /// use redis_keyspace::Redis;
    ///
    /// let redis = Redis::builder().host("redis-1.internal").cluster(true).build()?;
    /// # Ok::<(), redis_keyspace::Error>(())
    /// ```
    pub fn cluster(mut self, is_cluster: bool) -> Self {
        self.base.cluster = Some(is_cluster);
        self
    }

    /// Translates each address that is connected to. Use it if the nodes of a cluster announce
    /// addresses that this program can't reach, for example behind NAT or a forwarded port.
    ///
    /// The function is called with a host and a port, before each new connection. It receives the
    /// configured addresses as well as those that the servers announce. It must not block. An
    /// address that needs no translation is returned unchanged. IPv6 addresses have no brackets. If
    /// it panics, the command fails with [`Configuration`](crate::ErrorKind::Configuration).
    ///
    /// The function also applies to keyspaces with their own server. It has no effect on unix
    /// sockets, in-process servers and [pools of the application](Self::pool).
    ///
    /// ```
    /// use redis_keyspace::Redis;
    ///
    /// // The nodes run in containers, and their ports are forwarded.
    /// let redis = Redis::builder()
    ///     .nodes(["127.0.0.1:7000", "127.0.0.1:7001"])?
    ///     .address_map(|_host, port| ("127.0.0.1".to_owned(), port))
    ///     .build()?;
    /// # Ok::<(), redis_keyspace::Error>(())
    /// ```
    pub fn address_map(
        mut self,
        translate: impl Fn(&str, u16) -> (String, u16) + Send + Sync + 'static,
    ) -> Self {
        self.base.address_map = Some(AddressMap::new(translate));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Fingerprint, KeyspaceOptions, Settings, validate};
    use crate::schema::{KeyspaceMeta, Overrides};

    fn base(builder: &RedisBuilder) -> (String, usize) {
        (builder.base.endpoint.to_string(), builder.base.nodes.len())
    }

    fn built(builder: RedisBuilder) -> Result<Settings> {
        let settings = builder.effective(None)?;
        validate(&settings).map(|()| settings)
    }

    #[test]
    fn each_server_replaces_the_nodes_of_the_one_before() {
        let nodes = || RedisBuilder::default().nodes(["a:1", "b:2", "[::1]:3"]).unwrap();
        assert_eq!(base(&nodes()), ("a:1".to_owned(), 2));
        assert_eq!(base(&nodes().nodes(["c", "d"]).unwrap()), ("c:6379".to_owned(), 1));
        assert_eq!(base(&nodes().port(7)), ("a:7".to_owned(), 2));
        assert_eq!(base(&nodes().host("h")), ("h:1".to_owned(), 0));
        assert_eq!(base(&nodes().host(None::<&str>)), ("a:1".to_owned(), 2));
        assert_eq!(base(&nodes().url("redis://h").unwrap()), ("h:6379".to_owned(), 0));
        assert_eq!(base(&nodes().url("redis://h,i,j,k").unwrap()), ("h:6379".to_owned(), 3));
        assert_eq!(base(&nodes().unix_socket("/s")), ("/s".to_owned(), 0));
        assert_eq!(base(&nodes().disabled()).1, 0);
        #[cfg(feature = "embedded")]
        assert_eq!(base(&nodes().embedded(redis_keyspace_embedded::Server::new())).1, 0);
        let error = nodes().nodes(["hunter2:x"]).unwrap_err().to_string();
        assert!(error.contains("`nodes` is invalid: address 1") && !error.contains("hunter2"), "{error}");
        let error = nodes().nodes(Vec::<String>::new()).unwrap_err().to_string();
        assert!(error.contains("`nodes` lists no address"), "{error}");
    }

    #[test]
    fn contradictions_are_errors() {
        let nodes = || RedisBuilder::default().nodes(["a:1", "b:2"]).unwrap();
        built(nodes().cluster(true)).unwrap();
        built(RedisBuilder::default().cluster(false)).unwrap();
        for (builder, problem) in [
            (nodes().cluster(false), "`cluster` is false"),
            (nodes().url("redis://h,i?cluster=false").unwrap(), "`cluster` is false"),
            (RedisBuilder::default().nodes(["b:1", "b:2"]).unwrap().port(2), "twice"),
        ] {
            let error = built(builder).unwrap_err();
            assert!(error.is_configuration() && error.to_string().contains(problem), "{error}");
        }
        // No setter leads here.
        for endpoint in [Endpoint::Unix("/s".into()), Endpoint::Disabled(0)] {
            let mut builder = nodes();
            builder.base.endpoint = endpoint;
            let error = built(builder).unwrap_err().to_string();
            assert!(error.contains("`nodes` is set"), "{error}");
        }
        let with = |host: &str, port| {
            let mut builder = nodes();
            builder.base.nodes.push((host.to_owned(), port));
            built(builder).unwrap_err().to_string()
        };
        assert!(with("u:hunter2@h", 1).contains("a host of `nodes` contains an `@`"));
        assert!(with("c", 0).contains("a port of `nodes` is 0"));
    }

    #[tokio::test]
    async fn a_pool_of_the_application_is_no_cluster() {
        let manager = bb8_redis::RedisConnectionManager::new("redis://127.0.0.1:1").unwrap();
        let pool = bb8_redis::bb8::Pool::builder().build_unchecked(manager);
        let error = built(RedisBuilder::default().pool(pool.clone()).cluster(true)).unwrap_err();
        assert!(error.is_configuration() && error.to_string().contains("one node only"), "{error}");
        built(RedisBuilder::default().pool(pool).cluster(false)).unwrap();
    }

    #[test]
    fn a_keyspace_with_its_own_server_does_not_use_the_nodes_of_the_handle() {
        static META: KeyspaceMeta = KeyspaceMeta::new("Carts", "cart", "", Overrides::NONE, &[]);
        let with = |change: fn(KeyspaceOptions) -> KeyspaceOptions| {
            let mut builder = RedisBuilder::default().nodes(["a:1", "b:2"]).unwrap().cluster(true);
            builder = builder.address_map(|host, port| (host.to_owned(), port));
            builder.keyspaces.insert(META.address(), (&META, change(KeyspaceOptions::default())));
            builder.effective(Some(&META))
        };
        let of = |change| {
            let settings = with(change).unwrap();
            assert!(settings.address_map.is_some());
            (settings.endpoint.to_string(), settings.nodes.len(), settings.cluster)
        };
        assert_eq!(of(|options| options), ("a:1".to_owned(), 1, Some(true)));
        assert_eq!(of(|options| options.host("h")), ("h:1".to_owned(), 0, None));
        assert_eq!(of(|options| options.port(7)), ("a:7".to_owned(), 0, None));
        assert_eq!(of(|options| options.url("redis://h,i,j")), ("h:6379".to_owned(), 2, None));
        assert_eq!(of(|options| options.url("redis://h?cluster=true")), ("h:6379".to_owned(), 0, Some(true)));
        assert_eq!(
            of(|options| options.cluster(false).url("redis://h?cluster=true")),
            ("h:6379".to_owned(), 0, Some(false))
        );
        let error = with(|options| options.cluster(false)).unwrap_err().to_string();
        assert!(error.contains("Carts") && error.contains("`cluster` is false"), "{error}");
    }

    #[test]
    fn the_options_change_the_fingerprint() {
        let nodes = || RedisBuilder::default().nodes(["a", "b"]).unwrap();
        let mapped = nodes().address_map(|host, port| (host.to_owned(), port));
        let same = |one: &RedisBuilder, other: &RedisBuilder| {
            assert_eq!(one.base == other.base, Fingerprint::of(&one.base) == Fingerprint::of(&other.base));
            one.base == other.base
        };
        assert!(same(&nodes(), &nodes()) && same(&mapped, &mapped.clone()));
        let other_map = nodes().address_map(|host, port| (host.to_owned(), port));
        for other in [nodes().cluster(true), nodes().nodes(["a", "c"]).unwrap(), mapped.clone()] {
            assert!(!same(&nodes(), &other), "{other:?}");
        }
        assert!(!same(&mapped, &other_map));
        assert!(!same(&nodes().cluster(true), &nodes().cluster(false)));
        let map = mapped.base.address_map.as_ref();
        assert_eq!(map.map(|map| map.translate("h", 1).unwrap()), Some(("h".to_owned(), 1)));
    }
}
