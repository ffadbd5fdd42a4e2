//! Nodes with IPv6 addresses.

use std::net::{Ipv6Addr, TcpListener};

use redis_keyspace::Redis;
use redis_keyspace_tests::require_ipv6;
use redis_keyspace_tests::scripted::{ScriptedNode, bulk, list, slots};

use crate::{CartKeys, LIMIT, on};

#[test]
fn nodes_with_ipv6_addresses_are_reached() {
    if !require_ipv6() {
        return;
    }
    let start = || ScriptedNode::on(TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).unwrap());
    let (first, second, third) = (start(), start(), start());
    let map = list(&[slots(0, 8191, &[(&first, "aaa")]), slots(8192, 16_383, &[(&second, "bbb")])]);
    for (node, name) in [(&first, "first"), (&second, "second"), (&third, "third")] {
        node.reply("CLUSTER SLOTS", &map);
        node.reply("GET", &bulk(name));
    }
    let url = format!("redis://[::1]:{}", first.port());
    on(Redis::builder().url(&url).unwrap().cluster(true).timeout(LIMIT), async |redis| {
        let page =
            |is_upper: bool| (0..).map(CartKeys::page).find(|page| (page.slot() > 8191) == is_upper).unwrap();
        assert_eq!(page(false).get().await.unwrap().as_deref(), Some("first"));
        assert_eq!(page(true).get().await.unwrap().as_deref(), Some("second"));
        let nodes = &redis.stats().connections[0].nodes;
        let endpoint = format!("[::1]:{}", second.port());
        assert!(nodes.iter().any(|node| node.endpoint.contains(&endpoint)), "{nodes:?}");
        // Redirections contain the address without brackets.
        second.reply_once("GET", &format!("-ASK {} ::1:{}\r\n", page(true).slot(), third.port()));
        assert_eq!(page(true).get().await.unwrap().as_deref(), Some("third"));
        second.reply_once("GET", &format!("-MOVED {} ::1:{}\r\n", page(true).slot(), third.port()));
        assert_eq!(page(true).get().await.unwrap().as_deref(), Some("third"));
    });
}
