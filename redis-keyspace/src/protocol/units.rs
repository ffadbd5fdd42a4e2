//! Divides requests into units that one node of a cluster can run, and joins their replies.

use std::collections::{HashMap, HashSet};

use super::divide::{Division, SlotPart, divide, slot_of};
use super::joined::{Joined, missing};
use super::packet::Packet;
use super::read;
use super::reply::{Replies, Reply};
use super::request::Request;
use crate::error::{Error, Result};

/// A part of a request: one command or one transaction, on keys of one slot.
pub(crate) struct Unit {
    pub(crate) request: Request,
    /// `None` without keys: any node can run it.
    pub(crate) slot: Option<u16>,
    /// Whether the library added the command, so that it may run any number of times.
    pub(crate) is_aside: bool,
    /// What its commands are parts of.
    shares: Vec<Share>,
}

/// A command of a unit: a whole command of the request, or one on some of its keys.
struct Share {
    /// The index of the command in the request.
    packet: usize,
    /// The positions of its keys among the keys of that command; `None` for all.
    keys: Option<Vec<usize>>,
}

/// A request in units.
pub(crate) struct Units {
    pub(crate) units: Vec<Unit>,
    leaves: Vec<Leaf>,
    packets: usize,
}

/// A request that is not a batch of others.
struct Leaf {
    /// The number of its commands.
    packets: usize,
    is_atomic: bool,
    /// The unit that is the whole leaf.
    unit: Option<usize>,
    /// Why it can't be sent.
    refused: Option<Error>,
}

impl Units {
    pub(crate) fn of(request: &Request, namespace: &str, division: Division) -> Self {
        let mut units = Self { units: Vec::new(), leaves: Vec::new(), packets: 0 };
        units.add(request, namespace, division);
        units
    }

    fn add(&mut self, request: &Request, namespace: &str, division: Division) {
        if let Request::Batch(requests) = request {
            return requests.iter().for_each(|request| self.add(request, namespace, division));
        }
        let packets = request.packets();
        let apart = request.apart_from_companions();
        let (first, before) = (self.packets, self.units.len());
        let is_atomic = matches!(request, Request::Atomic(_));
        let mut leaf = Leaf { packets: packets.len(), is_atomic, unit: None, refused: None };
        self.packets += packets.len();
        let added = if let Some(error) = apart {
            Err(error)
        } else if is_atomic {
            self.add_atomic(packets, first, namespace, division)
        } else {
            self.add_each(packets, first, namespace, division)
        };
        if let Err(error) = added {
            self.units.truncate(before);
            leaf.refused = Some(error);
        } else if is_atomic && self.units.len() == before + 1 {
            leaf.unit = Some(before);
        }
        self.leaves.push(leaf);
    }

    fn add_each(
        &mut self,
        packets: &[Packet],
        first: usize,
        namespace: &str,
        division: Division,
    ) -> Result<()> {
        for (nth, packet) in packets.iter().enumerate() {
            for SlotPart { slot, packet, keys } in divide(packet, namespace, division)? {
                let shares = vec![Share { packet: first + nth, keys }];
                let is_aside = packet.aside;
                self.units.push(Unit { request: Request::One(packet), slot, is_aside, shares });
            }
        }
        Ok(())
    }

    /// Adds one transaction for each slot.
    fn add_atomic(
        &mut self,
        packets: &[Packet],
        first: usize,
        namespace: &str,
        division: Division,
    ) -> Result<()> {
        let request = Request::Atomic(packets.to_vec());
        if division == Division::Never
            && let Some(error) = request.across_slots(namespace)
        {
            return Err(error);
        }
        let mut slots: Vec<(Option<u16>, Vec<Packet>, Vec<Share>)> = Vec::new();
        let mut places: HashMap<Option<u16>, usize> = HashMap::new();
        // Commands without keys belong to the same transaction as those with keys.
        let first_slot = request.packets().iter().find_map(|packet| slot_of(packet, namespace));
        for (nth, packet) in packets.iter().enumerate() {
            for SlotPart { slot, packet, keys } in divide(packet, namespace, division)? {
                let slot = slot.or(first_slot);
                let place = *places.entry(slot).or_insert_with(|| {
                    slots.push((slot, Vec::new(), Vec::new()));
                    slots.len() - 1
                });
                if let Some((_, packets, shares)) = slots.get_mut(place) {
                    packets.push(packet);
                    shares.push(Share { packet: first + nth, keys });
                }
            }
        }
        self.units.extend(slots.into_iter().map(|(slot, packets, shares)| Unit {
            request: Request::Atomic(packets),
            slot,
            is_aside: false,
            shares,
        }));
        Ok(())
    }

    /// Returns the replies of a server that was sent the whole request, for each unit. `None` if it
    /// did not run the unit, because the unit is a part of a command on keys of several slots.
    pub(crate) fn shares_of(&self, replies: Replies) -> Vec<Option<Replies>> {
        let mut replies = read::many(replies).into_iter();
        let mut of_packets: Vec<Option<Reply>> = Vec::with_capacity(self.packets);
        let mut of_units: HashMap<usize, Replies> = HashMap::new();
        for leaf in &self.leaves {
            if leaf.is_atomic {
                let share = replies.by_ref().take(leaf.packets + 2).collect();
                of_units.extend(leaf.unit.map(|unit| (unit, Replies::Many(share))));
                of_packets.extend((0..leaf.packets).map(|_| None));
            } else {
                of_packets.extend((0..leaf.packets).map(|_| replies.next()));
            }
        }
        let share_of = |(nth, unit): (usize, &Unit)| {
            of_units.remove(&nth).or_else(|| match unit.shares.as_slice() {
                [Share { packet, keys: None }] => of_packets.get_mut(*packet)?.take().map(Replies::One),
                _ => None,
            })
        };
        self.units.iter().enumerate().map(share_of).collect()
    }

    /// Returns the replies to the request, as if one node had answered all of it.
    pub(crate) fn join(self, outcomes: Vec<Result<Replies>>) -> Replies {
        let mut joined: Vec<Joined> = Vec::new();
        joined.resize_with(self.packets, Joined::default);
        let mut whole: HashMap<usize, Result<Replies>> = HashMap::new();
        let wholes: HashSet<usize> = self.leaves.iter().filter_map(|leaf| leaf.unit).collect();
        for (nth, (unit, outcome)) in self.units.into_iter().zip(outcomes).enumerate() {
            if wholes.contains(&nth) {
                whole.insert(nth, outcome);
                continue;
            }
            let results = outcome.and_then(|replies| match &unit.request {
                Request::Atomic(packets) => read::executed(read::ends_fills(packets), replies),
                _ => Ok(read::many(replies)),
            });
            let mut results = results.map(Vec::into_iter);
            for share in unit.shares {
                let reply = match &mut results {
                    Ok(replies) => replies.next().unwrap_or_else(|| Reply::failed(missing())),
                    Err(error) => Reply::failed(error.clone()),
                };
                if let Some(joined) = joined.get_mut(share.packet) {
                    joined.add(share.keys, reply);
                }
            }
        }
        let mut joined = joined.into_iter().map(Joined::finish);
        let mut replies = Vec::new();
        for leaf in self.leaves {
            let results: Vec<Reply> = joined.by_ref().take(leaf.packets).collect();
            if let Some(error) = leaf.refused {
                if leaf.is_atomic {
                    replies.extend(transaction(leaf.packets, Reply::failed(error)));
                } else {
                    replies.extend((0..leaf.packets).map(|_| Reply::failed(error.clone())));
                }
                continue;
            }
            match (leaf.is_atomic, leaf.unit.and_then(|unit| whole.remove(&unit))) {
                (_, Some(Ok(unchanged))) => replies.extend(read::many(unchanged)),
                (_, Some(Err(error))) => replies.extend(transaction(leaf.packets, Reply::failed(error))),
                (true, None) => replies.extend(transaction(leaf.packets, Reply::Array(results))),
                (false, None) => replies.extend(results),
            }
        }
        Replies::Many(replies)
    }
}

impl Request {
    /// Returns the error of the first command of the caller that failed, if the request is not a
    /// batch.
    pub(crate) fn without_failures(&self, replies: Replies) -> Result<Replies> {
        let packets = match self {
            Self::Batch(_) => return Ok(replies),
            Self::Atomic(_) => &[],
            _ => self.packets(),
        };
        for (nth, reply) in replies.as_slice().iter().enumerate() {
            if let Reply::Failed(failure) = reply
                && packets.get(nth).is_none_or(|packet| !packet.aside)
            {
                return Err(Error::clone(&failure.0));
            }
        }
        Ok(replies)
    }
}

/// Takes the replies to one request.
pub(crate) fn share_of(request: &Request, replies: &mut impl Iterator<Item = Reply>) -> Replies {
    match request.replies() {
        1 => replies.next().map_or_else(|| Replies::Many(Vec::new()), Replies::One),
        share => Replies::Many(replies.take(share).collect()),
    }
}

/// The replies to a transaction of this many commands, the last of which is the reply to `EXEC`.
fn transaction(packets: usize, exec: Reply) -> impl Iterator<Item = Reply> {
    let queued = std::iter::repeat_n(Reply::Status("QUEUED".to_owned()), packets);
    std::iter::once(Reply::Ok).chain(queued).chain([exec])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{Companion, KeyText};
    use crate::protocol::Keys;

    /// Keys of the slots 12182, 5061 and 5061.
    const KEYS: [&str; 3] = ["foo", "bar", "x{bar}"];

    fn many(name: &'static str) -> Packet {
        Packet::new(name, Keys::Many(KEYS.map(KeyText::Static).to_vec()))
    }

    fn bulk(text: &'static str) -> Reply {
        Reply::Bulk(text.into())
    }

    fn units(request: &Request) -> Units {
        Units::of(request, "", Division::BySlot)
    }

    #[test]
    fn a_read_of_many_keys_is_divided_by_slot_and_joined_in_order() {
        let units = units(&Request::One(many("MGET")));
        assert_eq!(units.units.iter().map(|unit| unit.slot).collect::<Vec<_>>(), [Some(12_182), Some(5061)]);
        let outcomes = vec![
            Ok(Replies::One(Reply::Array(vec![bulk("1")]))),
            Ok(Replies::One(Reply::Array(vec![bulk("2"), Reply::Nil]))),
        ];
        let joined = read::many(units.join(outcomes));
        assert_eq!(joined, [Reply::Array(vec![bulk("1"), bulk("2"), Reply::Nil])]);
    }

    #[test]
    fn counts_are_added_and_the_first_error_counts() {
        let request = Request::One(many("UNLINK"));
        let outcomes = vec![Ok(Replies::One(Reply::Int(1))), Ok(Replies::One(Reply::Int(2)))];
        assert_eq!(read::many(units(&request).join(outcomes)), [Reply::Int(3)]);
        let lost = Error::connection_lost("x");
        let outcomes = vec![Ok(Replies::One(Reply::Int(1))), Err(lost.clone())];
        assert_eq!(read::many(units(&request).join(outcomes)), [Reply::failed(lost)]);
    }

    #[test]
    fn a_divided_write_keeps_its_commands_together_for_each_slot() {
        let sets = KEYS.map(|key| Packet::new("SET", Keys::One(KeyText::Static(key))));
        let keys = KEYS.map(KeyText::Static);
        let request = Request::ending_fills(sets.to_vec(), &keys, true);
        let units = units(&request);
        assert_eq!(units.units.len(), 2);
        let sizes: Vec<_> = units.units.iter().map(|unit| unit.request.packets().len()).collect();
        assert_eq!(sizes, [2, 3], "the companions of a slot, and its keys");
        let exec = |results| Ok(Replies::Many(vec![Reply::Ok, bulk("QUEUED"), Reply::Array(results)]));
        let outcomes =
            vec![exec(vec![Reply::Int(1), Reply::Ok]), exec(vec![Reply::Int(1), Reply::Ok, Reply::Ok])];
        let joined = units.join(outcomes);
        let results = read::executed(true, joined).unwrap();
        assert_eq!(results, [Reply::Int(2), Reply::Ok, Reply::Ok, Reply::Ok]);
    }

    #[test]
    fn replies_of_one_server_are_shared_out_to_the_units() {
        let get = |key| Request::One(Packet::new("GET", Keys::One(KeyText::Static(key))));
        let batch = Request::Batch(vec![
            get("foo"),
            Request::One(many("MGET")),
            Request::Atomic(vec![Packet::new("INCR", Keys::One(KeyText::Static("foo")))]),
            Request::Atomic(vec![many("UNLINK")]),
            get("bar"),
        ]);
        let crossed = || Reply::Error("CROSSSLOT".to_owned());
        let moved = || Reply::Error("MOVED 5061 h:1".to_owned());
        let exec = [Reply::Ok, bulk("QUEUED"), Reply::Array(vec![Reply::Int(1)])];
        let aborted = [Reply::Ok, crossed(), Reply::Error("EXECABORT".to_owned())];
        let replies = [bulk("1"), crossed()].into_iter().chain(exec.clone()).chain(aborted).chain([moved()]);
        let units = units(&batch);
        let shares = units.shares_of(Replies::Many(replies.collect()));
        let shares: Vec<_> = shares.into_iter().map(|share| share.map(read::many)).collect();
        let expected =
            [Some(vec![bulk("1")]), None, None, Some(exec.to_vec()), None, None, Some(vec![moved()])];
        assert_eq!(shares, expected);
    }

    #[test]
    fn a_transaction_and_a_script_are_not_divided() {
        let atomic = Request::Atomic(vec![many("MGET")]);
        let units = Units::of(&atomic, "", Division::Never);
        assert!(units.units.is_empty());
        let error = read::executed(false, units.join(Vec::new())).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::InvalidInput);
        let pairs = Keys::Pairs(KEYS.map(KeyText::Static).to_vec(), Companion::Fill);
        let batch = Request::Batch(vec![
            Request::One(Packet::new("EVAL", pairs)),
            Request::One(Packet::new("GET", Keys::One(KeyText::Static("foo")))),
        ]);
        let units = Units::of(&batch, "", Division::BySlot);
        assert_eq!(units.units.len(), 1, "the other command is sent");
        let replies = read::many(units.join(vec![Ok(Replies::One(Reply::Nil))]));
        assert!(matches!(&replies[..], [Reply::Failed(_), Reply::Nil]));
    }

    #[test]
    fn a_whole_transaction_keeps_its_replies() {
        let request = Request::Batch(vec![
            Request::Atomic(vec![Packet::new("INCR", Keys::One(KeyText::Static("foo")))]),
            Request::Empty,
            Request::One(Packet::new("GET", Keys::One(KeyText::Static("bar")))),
        ]);
        let units = units(&request);
        let aborted =
            vec![Reply::Ok, Reply::Error("ERR a".to_owned()), Reply::Error("EXECABORT b".to_owned())];
        let outcomes = vec![Ok(Replies::Many(aborted.clone())), Err(Error::closed())];
        let replies = read::many(units.join(outcomes));
        assert_eq!(replies[..3], aborted);
        assert_eq!(replies.len(), 4);
    }

    #[test]
    fn a_refused_transaction_does_not_shift_the_replies_after_it() {
        let pair = |key: &'static str| Packet::new("SET", Keys::One(KeyText::Static(key)));
        let pairs = Keys::Pairs(KEYS.map(KeyText::Static).to_vec(), Companion::Fill);
        let refused = Request::Atomic(vec![pair("foo"), Packet::new("EVAL", pairs)]);
        let batch = Request::Batch(vec![refused, Request::One(pair("bar"))]);
        let units = units(&batch);
        assert_eq!(units.units.len(), 1);
        let mut replies = read::many(units.join(vec![Ok(Replies::One(bulk("last")))])).into_iter();
        let Request::Batch(requests) = &batch else { unreachable!() };
        let shares: Vec<_> = requests.iter().map(|request| share_of(request, &mut replies)).collect();
        assert!(
            requests[0]
                .without_failures(Replies::Many(read::many(shares.into_iter().next().unwrap())))
                .is_err()
        );
        assert!(replies.next().is_none());
    }

    #[test]
    fn commands_without_keys_join_the_transaction_of_a_slot() {
        let ping = Packet::new("PING", Keys::None);
        let incr = Packet::new("INCR", Keys::One(KeyText::Static("foo")));
        let units = Units::of(&Request::Atomic(vec![ping, incr]), "", Division::Never);
        assert_eq!(units.units.iter().map(|unit| unit.slot).collect::<Vec<_>>(), [Some(12_182)]);
    }
}
