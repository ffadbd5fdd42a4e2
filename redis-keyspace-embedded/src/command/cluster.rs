//! CLUSTER, and the slots of keys, on a server that is a cluster with a single node.

use std::net::SocketAddr;

use bytes::Bytes;
use crc16::XMODEM;
use sha1_smol::Sha1;

use super::arguments::{exactly, integer};
use super::context::{Context, Spec, command};
use super::flags::{CONTAINER, NO_KEYS};
use super::positions::keys;
use crate::reply::{Answer, Failure, Reply};

const SLOTS: u16 = 16_384;

/// A lone node does not know its address.
const UNKNOWN_HOST: Reply = Reply::text("");

/// Added to the port of a node, this is the port for the other nodes.
const BUS_PORT_OFFSET: i64 = 10_000;

pub(super) const TABLE: &[Spec] = &[
    command("cluster", -2, CONTAINER, NO_KEYS, |_, _| Err(Failure::SYNTAX)),
    command("cluster|info", 2, 0, NO_KEYS, |context, _| {
        enabled(context)?;
        Ok(Reply::Verbatim(
            format!("cluster_enabled:1\r\ncluster_state:ok\r\ncluster_slots_assigned:{SLOTS}\r\n").into(),
        ))
    }),
    command("cluster|keyslot", 3, 0, NO_KEYS, key_slot),
    command("cluster|slots", 2, 0, NO_KEYS, slots),
    command("cluster|shards", 2, 0, NO_KEYS, shards),
    command("cluster|nodes", 2, 0, NO_KEYS, nodes),
    command("cluster|myid", 2, 0, NO_KEYS, |context, _| {
        enabled(context)?;
        Ok(Reply::bulk(node_id(context)))
    }),
    command("cluster|countkeysinslot", 3, 0, NO_KEYS, count_keys),
    command("cluster|getkeysinslot", 4, 0, NO_KEYS, get_keys),
    command("readonly", 1, 0, NO_KEYS, no_effect),
    command("readwrite", 1, 0, NO_KEYS, no_effect),
    command("asking", 1, 0, NO_KEYS, no_effect),
];

/// The lone node is a master, and no slot moves.
fn no_effect(context: &mut Context<'_>, _: &[Bytes]) -> Answer {
    enabled(context)?;
    Ok(Reply::OK)
}

fn slots(context: &mut Context<'_>, _: &[Bytes]) -> Answer {
    enabled(context)?;
    let node =
        vec![UNKNOWN_HOST, Reply::Integer(port(context)), Reply::bulk(node_id(context)), Reply::Map(vec![])];
    let [first, last] = all_slots();
    Ok(Reply::Array(vec![Reply::Array(vec![first, last, Reply::Array(node)])]))
}

fn shards(context: &mut Context<'_>, _: &[Bytes]) -> Answer {
    enabled(context)?;
    let node = map([
        ("id", Reply::bulk(node_id(context))),
        ("port", Reply::Integer(port(context))),
        ("ip", UNKNOWN_HOST),
        ("endpoint", UNKNOWN_HOST),
        ("role", Reply::text("master")),
        ("replication-offset", Reply::Integer(0)),
        ("health", Reply::text("online")),
    ]);
    let shard = map([("slots", Reply::Array(all_slots().into())), ("nodes", Reply::Array(vec![node]))]);
    Ok(Reply::Array(vec![shard]))
}

fn nodes(context: &mut Context<'_>, _: &[Bytes]) -> Answer {
    enabled(context)?;
    let (id, port, last) = (node_id(context), port(context), SLOTS - 1);
    let bus_port = if port == 0 { 0 } else { port + BUS_PORT_OFFSET };
    Ok(Reply::Verbatim(format!("{id} :{port}@{bus_port} myself,master - 0 0 0 connected 0-{last}\n").into()))
}

fn count_keys(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    enabled(context)?;
    let [wanted] = exactly(arguments)?;
    let wanted = valid_slot(integer(wanted)?).ok_or(Failure::new("ERR Invalid slot"))?;
    Ok(Reply::count(context.db()?.iter().filter(|(key, _)| slot(key) == wanted).count()))
}

fn get_keys(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    enabled(context)?;
    let [wanted, most] = exactly(arguments)?;
    let (wanted, most) = (valid_slot(integer(wanted)?), usize::try_from(integer(most)?).ok());
    let (Some(wanted), Some(most)) = (wanted, most) else {
        return Err(Failure::new("ERR Invalid slot or number of keys"));
    };
    let keys = context.db()?.iter().map(|(key, _)| key).filter(|key| slot(key) == wanted).take(most);
    Ok(Reply::Array(keys.cloned().map(Reply::Bulk).collect()))
}

fn valid_slot(number: i64) -> Option<u16> {
    u16::try_from(number).ok().filter(|&slot| slot < SLOTS)
}

fn all_slots() -> [Reply; 2] {
    [0, SLOTS - 1].map(|slot| Reply::Integer(slot.into()))
}

fn map<const N: usize>(entries: [(&'static str, Reply); N]) -> Reply {
    Reply::Map(entries.map(|(name, value)| (Reply::text(name), value)).into())
}

/// Returns the id of the node, which is not the run id, as on a real server.
fn node_id(context: &Context<'_>) -> String {
    Sha1::from(format!("node {}", context.shared.run_id)).digest().to_string()
}

/// Returns the TCP port of the connection, or 0 for other connections.
fn port(context: &Context<'_>) -> i64 {
    let peer = context.state.clients.get(&context.client.id);
    let local = peer.and_then(|peer| peer.endpoints.local.parse::<SocketAddr>().ok());
    local.map_or(0, |local| local.port().into())
}

fn key_slot(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    enabled(context)?;
    let [key] = exactly(arguments)?;
    Ok(Reply::Integer(slot(key).into()))
}

fn enabled(context: &Context<'_>) -> Result<(), Failure> {
    let is_cluster = context.shared.is_cluster;
    is_cluster.then_some(()).ok_or(Failure::new("ERR This instance has cluster support disabled"))
}

/// Fails if the keys of the command, or of the commands of a transaction, are in several slots.
pub(super) fn check_slots<'a>(
    context: &Context<'_>,
    commands: impl IntoIterator<Item = (&'static Spec, &'a [Bytes])>,
) -> Result<(), Failure> {
    if !context.shared.is_cluster {
        return Ok(());
    }
    let keys = commands.into_iter().flat_map(|(spec, arguments)| keys(spec, arguments));
    let mut slots = keys.map(|key| slot(key));
    let first = slots.next();
    if slots.all(|slot| Some(slot) == first) {
        Ok(())
    } else {
        Err(Failure::new("CROSSSLOT Keys in request don't hash to the same slot"))
    }
}

/// Returns the slot of a key. If there is text between the first `{` and the next `}`, only that
/// text is hashed.
fn slot(key: &[u8]) -> u16 {
    let rest = key.iter().position(|&byte| byte == b'{').and_then(|open| key.get(open + 1..));
    let tag = rest.and_then(|rest| rest.get(..rest.iter().position(|&byte| byte == b'}')?));
    let hashed = tag.filter(|tag| !tag.is_empty()).unwrap_or(key);
    crc16::State::<XMODEM>::calculate(hashed) % SLOTS
}
