//! Finds keys in different slots before anything is sent. A cluster rejects such commands.

use super::keys::Keys;
use super::packet::Packet;
use super::request::Request;
use crate::error::{Error, Result, SlotConflict};
use crate::key::slot_within;

impl Request {
    /// Whether the keys of the request, or a key and its companion, could be in different slots.
    pub(crate) fn may_span_slots(&self) -> bool {
        if self.apart_from_companions().is_some() {
            return true;
        }
        match self {
            Self::Empty => false,
            Self::Page(_) => true,
            Self::One(packet) => packet.keys.as_slice().len() > 1,
            Self::Pipeline(_) | Self::Atomic(_) => {
                // Commands that the library added use the same keys.
                let mut packets = self.requested();
                packets.next().is_some_and(|first| first.keys.as_slice().len() > 1)
                    || packets.next().is_some()
            }
            Self::Batch(requests) => requests.len() > 1 || requests.iter().any(Self::may_span_slots),
        }
    }

    /// Returns the slot of the keys, or `None` without keys. Fails if the keys are in different
    /// slots.
    #[inline]
    pub(crate) fn slot(&self, namespace: &str) -> Result<Option<u16>> {
        if let Self::One(packet) = self
            && let Keys::One(key) = &packet.keys
        {
            return Ok(Some(slot_within(namespace, key.as_str())));
        }
        if let Some(error) = self.across_slots(namespace) {
            return Err(error);
        }
        let mut slot = None;
        self.each_packet(&mut |packet| {
            slot = slot.or_else(|| Some(slot_within(namespace, packet.keys.as_slice().first()?.as_str())));
        });
        Ok(slot)
    }

    /// Returns an error if a cluster would reject the request because of its keys.
    pub(crate) fn across_slots(&self, namespace: &str) -> Option<Error> {
        if !self.may_span_slots() {
            return None;
        }
        if let Some(error) = self.apart_from_companions() {
            return Some(error);
        }
        let mut first: Option<(&str, u16)> = None;
        let mut conflict = None;
        self.each_packet(&mut |packet| {
            for key in packet.keys.as_slice() {
                let (key, slot) = (key.as_str(), slot_within(namespace, key.as_str()));
                match first {
                    None => first = Some((key, slot)),
                    Some((one, slot_of_one)) if slot_of_one != slot && conflict.is_none() => {
                        conflict = Some(SlotConflict {
                            one: (one.to_owned(), slot_of_one),
                            other: (key.to_owned(), slot),
                        });
                    }
                    Some(_) => {}
                }
            }
        });
        conflict.map(Error::across_slots)
    }

    /// Returns an error if a command or a transaction uses a key and its companion, which are in
    /// different slots.
    pub(super) fn apart_from_companions(&self) -> Option<Error> {
        let (packets, in_transaction) = match self {
            Self::Batch(requests) => return requests.iter().find_map(Self::apart_from_companions),
            Self::Atomic(packets) => (packets.as_slice(), true),
            _ => (self.packets(), false),
        };
        packets.iter().find_map(|packet| packet.keys.apart_from_companion(in_transaction)).map(|_| {
            Error::invalid_input(
                "a cluster can't run this command on a key whose braces form no hash tag, because what this crate keeps                  about the key is in another slot; the command was not sent: use a key without braces, or with a hash                  tag such as `{7}`",
            )
        })
    }

    /// Visits the commands whose keys must share a slot.
    fn each_packet<'r>(&'r self, each: &mut dyn FnMut(&'r Packet)) {
        match self {
            // The node itself returned the keys of a page, and each command of the page uses one
            // slot.
            Self::Page(_) => {}
            Self::Batch(requests) => requests.iter().for_each(|request| request.each_packet(each)),
            _ => self.packets().iter().for_each(each),
        }
    }
}
