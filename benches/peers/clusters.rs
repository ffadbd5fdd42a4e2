//! Peers on clusters.

use std::sync::OnceLock;

use redis::cluster::ClusterClient;
use redis_keyspace::{Json, Keyspace, Redis};
use redis_keyspace_benches::{Cart, Cluster, Error, FIRST_ID, IDS, TTL};

use crate::driver::ByHand;
use crate::measure::{Named, Op, Peer, Runner};
use crate::peer::missing;

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = 3600)]
struct ClusterKeys {
    #[key("user:{id}")]
    user: fn(id: u64) -> Json<Cart>,
}

/// This library.
#[derive(Clone)]
struct OnCluster(Redis);

impl Peer for OnCluster {
    const OPS: &'static [Op] = &[Op::Get, Op::Set];

    async fn get(&mut self, user: u64) -> Result<Cart, Error> {
        ClusterKeys::user(user).get_json().on(&self.0).await?.ok_or_else(missing)
    }

    async fn set(&mut self, cart: &Cart) -> Result<(), Error> {
        Ok(ClusterKeys::user(cart.user).set_json(cart).on(&self.0).await?)
    }
}

/// The clusters that the named peers need.
pub struct Clusters {
    of_one: Option<Cluster>,
    of_three: Option<Cluster>,
}

/// The clusters of this run. They stop when the process ends.
static STARTED: OnceLock<Clusters> = OnceLock::new();

/// Starts the clusters that the named peers need.
pub async fn start(names: &[&str], core: Option<usize>) -> Result<&'static Clusters, Error> {
    let clusters = Clusters::start(names, core).await?;
    Ok(STARTED.get_or_init(|| clusters))
}

impl Clusters {
    async fn start(names: &[&str], core: Option<usize>) -> Result<Self, Error> {
        let start = |end: &str, masters| {
            let is_used = names.iter().any(|name| name.contains("-cluster-") && name.ends_with(end));
            is_used.then(|| Cluster::start(masters, core)).transpose()
        };
        let clusters = Self { of_one: start("-1", 1)?, of_three: start("-3", 3)? };
        for cluster in clusters.of_one.iter().chain(&clusters.of_three) {
            let mut connection = ClusterClient::new(cluster.urls())?.get_async_connection().await?;
            for user in FIRST_ID..FIRST_ID + IDS {
                let json = serde_json::to_vec(&Cart::of(user))?;
                let mut command = crate::driver::set_command(user);
                command.arg(json).arg("EX").arg(TTL).query_async::<()>(&mut connection).await?;
            }
        }
        Ok(clusters)
    }

    pub async fn peer(&self, name: &'static str) -> Result<Box<dyn Runner>, Error> {
        let cluster = if name.ends_with("-1") { &self.of_one } else { &self.of_three };
        let urls = cluster.as_ref().map(Cluster::urls).unwrap_or_default();
        Ok(if name.starts_with("keyspace") {
            let redis = Redis::open(urls.first().ok_or("no cluster was started")?)?;
            redis.connect().await?;
            Box::new(Named(name, OnCluster(redis)))
        } else {
            Box::new(Named(name, ByHand(ClusterClient::new(urls)?.get_async_connection().await?)))
        })
    }
}
