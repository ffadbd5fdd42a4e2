//! Commands that a node does not run for a moment are sent again.

use redis_keyspace::{Redis, RedisBuilder};
use redis_keyspace_tests::scripted::{ScriptedNode, bulk, list, slots};

use crate::{CartKeys, LIMIT, on};

const REFUSALS: [&str; 5] = [
    "-CLUSTERDOWN The cluster is down\r\n",
    "-CLUSTERDOWN Hash slot not served\r\n",
    "-LOADING Redis is loading the dataset in memory\r\n",
    "-READONLY You can't write against a read only replica.\r\n",
    "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n",
];

fn node() -> ScriptedNode {
    let node = ScriptedNode::start();
    node.reply("CLUSTER SLOTS", &list(&[slots(0, 16_383, &[(&node, "aaa")])]));
    node.reply("GETDEL", &bulk("x"));
    node
}

fn builder(node: &ScriptedNode) -> RedisBuilder {
    Redis::builder().host("127.0.0.1").port(node.port()).cluster(true).timeout(LIMIT)
}

#[test]
fn a_command_that_is_refused_for_a_moment_is_sent_again() {
    for refusal in REFUSALS {
        // Also one that must not run twice: it has not run.
        for times in 0..=2 {
            let node = node();
            on(builder(&node).retries(2), async |_| {
                (0..times).for_each(|_| node.reply_once("SET", refusal));
                CartKeys::page(1).set("x").await.unwrap();
                assert_eq!(node.received("SET"), times + 1, "{refusal}");
                (0..times).for_each(|_| node.reply_once("GETDEL", refusal));
                CartKeys::page(1).get_del().await.unwrap();
                assert_eq!(node.received("GETDEL"), times + 1, "{refusal}");
            });
        }
    }
}

#[test]
fn a_command_that_is_refused_again_and_again_fails() {
    for refusal in REFUSALS {
        for retries in [0, 2] {
            let node = node();
            node.reply("SET", refusal);
            on(builder(&node).retries(retries), async |_| {
                let error = CartKeys::page(1).set("x").await.unwrap_err();
                let (code, _) = refusal.trim_start_matches('-').split_once(' ').unwrap();
                assert_eq!(error.code(), Some(code), "{error}");
                assert_eq!(node.received("SET"), retries as usize + 1, "{refusal}");
            });
        }
    }
}
