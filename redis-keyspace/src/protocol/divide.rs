//! Divides commands on several keys into commands on some of them.

use std::collections::HashMap;

use super::keys::Keys;
use super::packet::{Packet, SentAs};
use super::request::Request;
use crate::error::{Error, Result};
use crate::key::{KeyText, slot_within};

/// Whether commands with keys in several slots may be divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Division {
    /// For commands that promise nothing about several keys.
    BySlot,
    /// For transactions.
    Never,
}

/// A command on keys of one slot.
pub(super) struct SlotPart {
    pub(super) slot: Option<u16>,
    pub(super) packet: Packet,
    /// The positions of its keys in the command that it is a part of; `None` for all.
    pub(super) keys: Option<Vec<usize>>,
}

/// Returns the slot of the first key of a command.
pub(super) fn slot_of(packet: &Packet, namespace: &str) -> Option<u16> {
    slots_of(packet, namespace).next()
}

/// Returns the slots of the keys of a command.
fn slots_of(packet: &Packet, namespace: &str) -> impl Iterator<Item = u16> {
    packet.keys.as_slice().iter().map(move |key| match &packet.keys {
        Keys::CompanionOf(_, companion) | Keys::CompanionsOf(_, companion) => {
            companion.slot(namespace, key.as_str())
        }
        _ => slot_within(namespace, key.as_str()),
    })
}

/// Divides a command by the slots of its keys.
pub(super) fn divide(packet: &Packet, namespace: &str, division: Division) -> Result<Vec<SlotPart>> {
    let keys = packet.keys.as_slice();
    let slots: Vec<u16> = slots_of(packet, namespace).collect();
    let first = slots.first().copied();
    if slots.iter().all(|slot| Some(*slot) == first) {
        return Ok(vec![SlotPart { slot: first, packet: packet.clone(), keys: None }]);
    }
    if division == Division::Never || !is_divisible(packet) {
        let conflict = Request::One(packet.clone()).across_slots(namespace);
        return Err(conflict.unwrap_or_else(|| Error::invalid_input("the keys are in several slots")));
    }
    let mut groups: Vec<(u16, Vec<usize>)> = Vec::new();
    let mut places: HashMap<u16, usize> = HashMap::new();
    for (position, slot) in slots.into_iter().enumerate() {
        let place = *places.entry(slot).or_insert_with(|| {
            groups.push((slot, Vec::new()));
            groups.len() - 1
        });
        if let Some((_, positions)) = groups.get_mut(place) {
            positions.push(position);
        }
    }
    let part = |(slot, positions): (u16, Vec<usize>)| {
        let some = positions.iter().filter_map(|&at| keys.get(at).cloned()).collect();
        SlotPart { slot: Some(slot), packet: on_some(packet, some), keys: Some(positions) }
    };
    Ok(groups.into_iter().map(part).collect())
}

/// Returns the command on some of its keys.
fn on_some(packet: &Packet, some: Vec<KeyText>) -> Packet {
    let keys = match &packet.keys {
        Keys::CompanionsOf(_, companion) => Keys::CompanionsOf(some, *companion),
        _ => Keys::Many(some),
    };
    let Packet { name, head, args, aside, lifetime, inherits_lifetime, .. } = packet;
    Packet {
        name,
        head: head.clone(),
        keys,
        args: args.clone(),
        aside: *aside,
        lifetime: *lifetime,
        inherits_lifetime: *inherits_lifetime,
        places: None,
        // Commands that can be divided give no lifetime.
        sent_as: SentAs::Itself,
    }
}

impl Request {
    /// Divides a command on several keys into commands on one key each. Returns `None` if that is
    /// not the same, or if it has one key only.
    pub(crate) fn single_keys(&self) -> Option<Vec<Self>> {
        let Self::One(packet) = self else { return None };
        let keys = packet.keys.as_slice();
        (keys.len() > 1 && is_divisible(packet))
            .then(|| keys.iter().map(|key| Self::One(on_some(packet, vec![key.clone()]))).collect())
    }
}

/// Whether a command on several keys is the same as several commands on one key each.
fn is_divisible(packet: &Packet) -> bool {
    let has_simple_keys = matches!(packet.keys, Keys::Many(_) | Keys::CompanionsOf(..));
    has_simple_keys
        && packet.places.is_none()
        && matches!(packet.name, "MGET" | "UNLINK" | "DEL" | "EXISTS" | "TOUCH")
}
