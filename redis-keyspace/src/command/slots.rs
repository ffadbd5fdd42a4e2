//! Keys that are sent together to a cluster must be in one slot, or it refuses them.

use super::{Packet, Request};
use crate::error::Error;
use crate::key::{capture, slot_within};
use crate::keyspace::{KeyspaceMeta, TemplateMeta};

/// Two keys of one request that are in different slots.
#[derive(Debug, Clone)]
pub(crate) struct Apart {
    one: (String, u16),
    other: (String, u16),
}

impl Request {
    /// Whether keys of it could be in different slots.
    pub(crate) fn may_span_slots(&self) -> bool {
        match self {
            Self::Empty => false,
            Self::Page(_) => true,
            Self::One(packet) => packet.keys.as_slice().len() > 1,
            Self::Pipeline(_) | Self::Atomic(_) => {
                // What goes along with a command is about its keys.
                let mut packets = self.asked_for();
                packets.next().is_some_and(|first| first.keys.as_slice().len() > 1)
                    || packets.next().is_some()
            }
            Self::Batch(requests) => requests.len() > 1 || requests.iter().any(Self::may_span_slots),
        }
    }

    /// The error of sending this to a cluster, if it can't be.
    pub(crate) fn across_slots(&self, namespace: &str) -> Option<Error> {
        if !self.may_span_slots() {
            return None;
        }
        let mut first: Option<(&str, u16)> = None;
        let mut apart = None;
        self.each_packet(&mut |packet| {
            for key in packet.keys.as_slice() {
                let (key, slot) = (key.as_str(), slot_within(namespace, key.as_str()));
                match first {
                    None => first = Some((key, slot)),
                    Some((one, slot_of_one)) if slot_of_one != slot && apart.is_none() => {
                        apart =
                            Some(Apart { one: (one.to_owned(), slot_of_one), other: (key.to_owned(), slot) });
                    }
                    Some(_) => {}
                }
            }
        });
        apart.map(Error::across_slots)
    }

    /// The commands that have to be in one slot together.
    fn each_packet<'r>(&'r self, each: &mut dyn FnMut(&'r Packet)) {
        match self {
            // Every command of a page is for keys that the node itself has given, and is of one slot by itself.
            Self::Page(_) => {}
            Self::Batch(requests) => requests.iter().for_each(|request| request.each_packet(each)),
            _ => self.packets().iter().for_each(each),
        }
    }
}

impl Apart {
    /// What is wrong, in words. Templates are named as far as they are of these keyspaces.
    pub(crate) fn message(&self, keyspaces: &mut dyn Iterator<Item = &'static KeyspaceMeta>) -> String {
        let Self { one: (one, slot_of_one), other: (other, slot_of_other) } = self;
        let (mut template_of_one, mut template_of_other) = (None, None);
        for keyspace in keyspaces {
            template_of_one = template_of_one.or_else(|| template_of(one, keyspace));
            template_of_other = template_of_other.or_else(|| template_of(other, keyspace));
        }
        let advice = match (template_of_one, template_of_other) {
            (Some(one), Some(other)) if std::ptr::eq(one, other) => {
                "use keys together that have the same hash tag (`hash_tag = ..` on the template), or one at a time"
            }
            _ => {
                "give both templates the same hash tag (`hash_tag = ..`), and use keys together that have it, or one at a time"
            }
        };
        let of = |template: Option<&TemplateMeta>| {
            template.map(|template| format!(" of the template {:?}", template.template())).unwrap_or_default()
        };
        format!(
            "a cluster takes keys together only if they are in the same slot: {one:?}{} is in slot {slot_of_one} and \
             {other:?}{} in slot {slot_of_other}, so nothing was sent; {advice}",
            of(template_of_one),
            of(template_of_other),
        )
    }
}

/// Templates of a keyspace don't overlap, so there is one at most.
fn template_of(key: &str, keyspace: &'static KeyspaceMeta) -> Option<&'static TemplateMeta> {
    keyspace.templates.iter().find(|template| capture(template.pieces, key).is_some())
}
