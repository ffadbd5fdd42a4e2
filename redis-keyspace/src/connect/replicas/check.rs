//! Checks which replicas may be read from.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::condition::{MasterPosition, is_in_sync};
use crate::connect::node::Node;
use crate::protocol::{Keys, Packet, Reply, Request, read};
use crate::sync::ClosedFlag;
use crate::time::Deadline;

/// How long a server may take to answer a check. A slower one is not near.
const ANSWER: Duration = Duration::from_millis(500);

/// A master and its replicas.
pub(in crate::connect) struct ReplicaGroup {
    pub(in crate::connect) master: Arc<Node>,
    pub(in crate::connect) replicas: Vec<Arc<Node>>,
}

/// Asks all servers of the groups, all groups at the same time.
pub(super) async fn check(groups: Vec<ReplicaGroup>) {
    join_all(groups.iter().map(check_group)).await;
}

async fn check_group(group: &ReplicaGroup) {
    // The master first: what it writes after that is not missing from a replica.
    let position = replication(&group.master).await.as_ref().and_then(MasterPosition::read);
    join_all(group.replicas.iter().map(|replica| check_replica(replica, position.as_ref()))).await;
}

async fn check_replica(replica: &Arc<Node>, master: Option<&MasterPosition>) {
    let was_connected = replica.is_connected();
    let asked = Instant::now();
    let reply = replication(replica).await;
    let took = asked.elapsed();
    let in_sync = reply.is_some_and(|reply| is_in_sync(&reply, master));
    if in_sync && was_connected {
        replica.condition.measured(took);
    }
    if replica.condition.is_in_sync() != in_sync {
        event!(
            debug,
            "whether a replica is in sync changed",
            server = %replica.settings.endpoint, in_sync = in_sync
        );
    }
    replica.condition.set_in_sync(in_sync);
}

/// Returns what a server says about its replication.
async fn replication(node: &Arc<Node>) -> Option<Reply> {
    let mut packet = Packet::new("INFO", Keys::None);
    packet.args.push(b"replication");
    let deadline = Deadline::after(ANSWER.min(node.settings.timeout));
    let answer = node.run(&Request::One(packet), "", deadline, &ClosedFlag::default(), None).await;
    answer.and_then(|(replies, _)| read::one(replies)).ok()
}
