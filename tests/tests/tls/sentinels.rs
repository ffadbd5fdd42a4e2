//! Masters and sentinels with TLS.

use redis_keyspace::Redis;
use redis_keyspace::error::TlsFailure;
use redis_keyspace_tests::{PATIENCE, RealSentinels, eventually, require_tls, within};
use tokio::task::block_in_place;

use crate::authority::{Authority, Validity};

#[test]
fn masters_and_sentinels_are_encrypted_and_followed() {
    if !require_tls() {
        return;
    }
    let authority = Authority::new();
    let issued = authority.issue(&["127.0.0.1"], Validity::Now);
    let servers = RealSentinels::builder().tls(authority.files("server", &issued)).start();
    let first = servers.sentinel_address(0).to_string();
    let builder = Redis::builder().sentinel(RealSentinels::MASTER, [&first]).unwrap();
    within(PATIENCE, async {
        let redis = builder.tls(authority.trusted()).sentinel_tls(authority.trusted()).build().unwrap();
        redis.ping().await.unwrap();
        let known = || redis.stats().connections[0].sentinels.clone().unwrap();
        // The certificates contain the addresses that the sentinels announce.
        eventually("the other sentinels answer", async || known().answering == 3).await;
        let switches = servers.switches();
        servers.failover(1);
        let node = block_in_place(|| switches.first()).node;
        let address = servers.node_address(node).to_string();
        eventually("the master is followed", async || known().master.as_ref() == Some(&address)).await;
        redis.ping().await.unwrap();
        redis.close().await;

        // An authority that is not trusted.
        let other = Authority::new().trusted();
        let builder = Redis::builder().sentinel(RealSentinels::MASTER, [&first]).unwrap();
        let redis = builder.tls(authority.trusted()).sentinel_tls(other.clone()).build().unwrap();
        let error = redis.ping().await.unwrap_err();
        assert!(error.to_string().contains(&first), "{error}");
        let builder = Redis::builder().sentinel(RealSentinels::MASTER, [&first]).unwrap();
        let redis = builder.tls(other).sentinel_tls(authority.trusted()).build().unwrap();
        let error = redis.ping().await.unwrap_err();
        assert_eq!(error.tls_failure(), Some(TlsFailure::UnknownIssuer), "{error}");
    });
}
