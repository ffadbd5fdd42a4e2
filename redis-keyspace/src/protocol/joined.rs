//! Joins the replies to the parts of a divided command.

use super::read;
use super::reply::{Replies, Reply};
use crate::error::{Error, Result};

/// The reply to a command, from the replies to its parts.
#[derive(Default)]
pub(super) enum Joined {
    #[default]
    Nothing,
    Whole(Reply),
    List(Vec<Reply>),
    Count(i64),
}

impl Joined {
    pub(super) fn add(&mut self, keys: Option<Vec<usize>>, reply: Reply) {
        let joined = std::mem::take(self);
        *self = match (joined, keys, reply) {
            // The first error is the reply to the whole command.
            (Self::Whole(earlier), ..) => Self::Whole(earlier),
            (_, None, reply) => Self::Whole(reply),
            (Self::Nothing, Some(_), Reply::Int(count)) => Self::Count(count),
            (Self::Count(sum), Some(_), Reply::Int(count)) => Self::Count(sum.saturating_add(count)),
            (joined @ (Self::Nothing | Self::List(_)), Some(keys), Reply::Array(items)) => {
                let mut list = if let Self::List(list) = joined { list } else { Vec::new() };
                if keys.len() == items.len() {
                    for (at, item) in keys.into_iter().zip(items) {
                        if list.len() <= at {
                            list.resize(at + 1, Reply::Nil);
                        }
                        if let Some(place) = list.get_mut(at) {
                            *place = item;
                        }
                    }
                    Self::List(list)
                } else {
                    Self::Whole(Reply::failed(Error::protocol("MGET did not return one value per key")))
                }
            }
            (_, Some(_), reply) => Self::Whole(reply),
        };
    }

    pub(super) fn finish(self) -> Reply {
        match self {
            Self::Nothing => Reply::failed(missing()),
            Self::Whole(reply) => reply,
            Self::List(list) => Reply::Array(list),
            Self::Count(count) => Reply::Int(count),
        }
    }
}

/// Returns the reply to a command on several keys, from the outcomes of the same command on each
/// key.
pub(crate) fn join_single_keys(outcomes: impl Iterator<Item = Result<Replies>>) -> Reply {
    let mut joined = Joined::default();
    for (nth, outcome) in outcomes.enumerate() {
        let reply = outcome.map(|replies| read::many(replies).into_iter().next());
        let reply =
            reply.map_or_else(Reply::failed, |reply| reply.unwrap_or_else(|| Reply::failed(missing())));
        joined.add(Some(vec![nth]), reply);
    }
    joined.finish()
}

pub(super) fn missing() -> Error {
    Error::protocol("no reply to a command")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyText;
    use crate::protocol::{Keys, Packet, Request};

    fn many(name: &'static str) -> Request {
        Request::One(Packet::new(name, Keys::Many(["a", "b"].map(KeyText::Static).to_vec())))
    }

    #[test]
    fn a_command_on_several_keys_is_the_same_as_one_on_each() {
        let singles = many("MGET").single_keys().unwrap();
        let keys: Vec<_> = singles.iter().map(|single| single.packets()[0].keys.as_slice()).collect();
        assert!(
            keys.iter().map(|keys| keys[0].as_str()).eq(["a", "b"])
                && keys.iter().all(|keys| keys.len() == 1)
        );
        let values = [Reply::Nil, Reply::Bulk("2".into())];
        let outcomes = values.clone().map(|value| Ok(Replies::One(Reply::Array(vec![value]))));
        assert_eq!(join_single_keys(outcomes.into_iter()), Reply::Array(values.to_vec()));
        let counts = [Ok(Replies::One(Reply::Int(0))), Ok(Replies::One(Reply::Int(1)))];
        assert_eq!(join_single_keys(counts.into_iter()), Reply::Int(1));
        let lost = Error::connection_lost("x");
        let counts = [Ok(Replies::One(Reply::Int(0))), Err(lost.clone())];
        assert_eq!(join_single_keys(counts.into_iter()), Reply::failed(lost));
    }

    #[test]
    fn other_commands_stay_whole() {
        assert!(many("PFCOUNT").single_keys().is_none(), "it counts the union");
        assert!(Request::One(Packet::new("GET", Keys::One(KeyText::Static("a")))).single_keys().is_none());
        assert!(Request::Atomic(many("UNLINK").packets().to_vec()).single_keys().is_none());
    }
}
