//! A master that is cut off from the others, but not from the program.

use std::collections::BTreeSet;
use std::time::Duration;

use redis_keyspace::{ErrorKind, Redis, RedisBuilder};
use redis_keyspace_tests::eventually;
use redis_keyspace_tests::scripted::{ScriptedNode, bulk, list, slots};

use crate::{CartKeys, LIMIT, on};

/// How long an operation goes on asking nodes that disagree.
const BRIEF: Duration = Duration::from_secs(2);

/// Three nodes: a master that is cut off, another one, and the node that has replaced the first.
struct SplitCluster {
    cut_off: ScriptedNode,
    other: ScriptedNode,
    successor: ScriptedNode,
}

impl SplitCluster {
    fn start() -> Self {
        let [cut_off, other, successor] = [(); 3].map(|()| ScriptedNode::start());
        let split = Self { cut_off, other, successor };
        // The map of the program is outdated, whichever node it asks.
        let map = list(&[
            slots(0, 8191, &[(&split.cut_off, "aaa")]),
            slots(8192, 16_383, &[(&split.other, "bbb")]),
        ]);
        let key = |id: u64| list(&[bulk("0"), list(&[bulk(CartKeys::page(id).as_ref())])]);
        // Three keys of the lower slots, and one of the upper ones.
        let mut lower = (0..).filter(|id| CartKeys::page(*id).slot() < 8192);
        let upper = (0..).find(|id| CartKeys::page(*id).slot() >= 8192).unwrap();
        let ids = [lower.next().unwrap(), upper, lower.next().unwrap()];
        for (node, id) in split.nodes().into_iter().zip(ids) {
            node.reply("CLUSTER SLOTS", &map);
            node.reply("SCAN", &key(id));
        }
        split.reports(split.successor.port());
        split
    }

    fn nodes(&self) -> [&ScriptedNode; 3] {
        [&self.cut_off, &self.other, &self.successor]
    }

    /// Sets what the nodes report. `port` is that of the successor.
    fn reports(&self, port: u16) {
        let line = |id: &str, port: u16, flags: &str, epoch: u64, slots: &str| {
            format!("{id} 127.0.0.1:{port}@1 {flags} - 0 0 {epoch} connected {slots}\n")
        };
        let [a, b, c] = [self.cut_off.port(), self.other.port(), port];
        let nodes = [
            line("aaa", a, "myself,master", 1, "0-8191") + &line("bbb", b, "master,fail", 2, "8192-16383"),
            line("aaa", a, "master,fail", 1, "")
                + &line("bbb", b, "myself,master", 2, "8192-16383")
                + &line("ccc", c, "master", 3, "0-8191"),
            line("bbb", b, "master", 2, "8192-16383") + &line("ccc", c, "myself,master", 3, "0-8191"),
        ];
        for (node, report) in self.nodes().into_iter().zip(nodes) {
            node.reply("CLUSTER NODES", &bulk(&report));
        }
    }

    fn builder(&self) -> RedisBuilder {
        let builder = Redis::builder().host("127.0.0.1").port(self.cut_off.port()).cluster(true);
        builder.retries(0).timeout(LIMIT)
    }
}

#[test]
fn a_master_that_was_cut_off_does_not_hide_the_keys_of_its_successor() {
    let split = SplitCluster::start();
    on(split.builder(), async |redis| {
        let mut scan = CartKeys::page_keys().scan();
        let mut found = BTreeSet::new();
        while let Some(key) = scan.next().await.transpose().unwrap() {
            found.insert(key.key().slot() < 8192);
            let is_old = (0..).find(|id| CartKeys::page(*id).slot() < 8192).map(CartKeys::page);
            assert_ne!(Some(key.key()), is_old.as_ref(), "a key of the master that was cut off");
        }
        assert_eq!(found.len(), 2, "the keys of both masters");
        for (node, name) in split.nodes().into_iter().zip(["old", "other", "new"]) {
            node.reply("ECHO", &bulk(name));
        }
        let names = redis.raw_each(|mut connection| async move {
            redis::cmd("ECHO").arg("x").query_async::<String>(&mut connection).await
        });
        let names: BTreeSet<_> = names.await.unwrap().into_iter().collect();
        assert_eq!(names, BTreeSet::from(["new".to_owned(), "other".to_owned()]));
    });
}

#[test]
fn a_scan_fails_if_the_latest_master_of_a_slot_can_not_be_found() {
    let split = SplitCluster::start();
    // Port 0: its address is not known.
    split.reports(0);
    on(split.builder().timeout(BRIEF), async |_| {
        // On a busy machine, the deadline may pass before the nodes are asked.
        eventually("the scan fails because of the slot", async || {
            let error = CartKeys::page_keys().count().await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout), "{error}");
            error.to_string().contains("disagree about who serves the slot 0")
        })
        .await;
    });
}
