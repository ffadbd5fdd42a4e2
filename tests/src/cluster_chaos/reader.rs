//! Reading the data of the cluster.

use super::slots::{slot_of, slots_of};
use crate::RealCluster;
use crate::resp::{Client, Reply};

/// Reads keys from their masters, without the library.
pub struct Reader {
    clients: Vec<(Client, Vec<(u16, u16)>)>,
}

impl Reader {
    pub fn new(cluster: &RealCluster) -> Self {
        let masters = cluster.masters().into_iter();
        Self { clients: masters.map(|node| (cluster.node(node).client(), slots_of(cluster, node))).collect() }
    }

    /// Reads keys of one slot.
    pub fn read(&mut self, names: &[String]) -> Vec<Option<String>> {
        let Some(first) = names.first() else { return Vec::new() };
        let slot = slot_of(first);
        let has_slot =
            |slots: &[(u16, u16)]| slots.iter().any(|(first, last)| (*first..=*last).contains(&slot));
        let (client, _) =
            self.clients.iter_mut().find(|(_, slots)| has_slot(slots)).expect("each slot has a master");
        let command: Vec<&str> = std::iter::once("MGET").chain(names.iter().map(String::as_str)).collect();
        match client.call(&command).expect("the master answers") {
            Reply::Array(values) => values
                .into_iter()
                .map(|value| if value == Reply::Nil { None } else { Some(value.to_string()) })
                .collect(),
            other => panic!("MGET: {other}"),
        }
    }
}
