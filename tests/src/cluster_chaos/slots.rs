//! Which slot a key has, and which slots a node has.

use crate::RealCluster;

/// Returns the slot of a key, as the specification of Redis Cluster defines it.
pub fn slot_of(key: &str) -> u16 {
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
    let crc = tag.filter(|tag| !tag.is_empty()).unwrap_or(key).bytes().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    });
    crc % 16_384
}

/// Returns the first and last slots of the ranges that a live node has, as it reports them.
pub fn slots_of(cluster: &RealCluster, node: usize) -> Vec<(u16, u16)> {
    let nodes = cluster.node(node).redis_cli(&["CLUSTER", "NODES"]);
    let own = nodes.lines().find(|line| line.contains("myself")).expect("a node lists itself");
    let ranges = own.split(' ').skip(8).filter(|range| !range.starts_with('['));
    let ranges = ranges.map(|range| range.split_once('-').unwrap_or((range, range)));
    ranges.map(|(first, last)| (first.parse().expect("a slot"), last.parse().expect("a slot"))).collect()
}
