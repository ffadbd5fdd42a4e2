//! Commands that move an element from one list to another.

use std::collections::VecDeque;

use bytes::Bytes;

use super::access::{end, popped, pushed};
use crate::command::arguments::exactly;
use crate::command::context::{Context, Spec, command};
use crate::command::flags::TWO_KEYS;
use crate::db::Db;
use crate::notices::EventClasses;
use crate::reply::{Answer, Failure, Reply};
use crate::value::{End, Value};

pub(in crate::command) const TABLE: &[Spec] = &[
    command("lmove", 5, 0, TWO_KEYS, |context, arguments| {
        let [source, target, from, to] = exactly(arguments)?;
        let moves = Move { from: end(from)?, to: end(to)?, target: target.clone() };
        move_now(context, source, &moves)
    }),
    command("rpoplpush", 3, 0, TWO_KEYS, |context, arguments| {
        let [source, target] = exactly(arguments)?;
        move_now(context, source, &Move { from: End::Back, to: End::Front, target: target.clone() })
    }),
];

fn move_now(context: &mut Context<'_>, source: &Bytes, moves: &Move) -> Answer {
    let now = context.now;
    Ok(moves.run(context.db()?, source, now)?.unwrap_or(Reply::Nil))
}

/// Moves an element from an end of one list to an end of the list at `target`.
pub(super) struct Move {
    pub(super) from: End,
    pub(super) to: End,
    pub(super) target: Bytes,
}

impl Move {
    /// Moves one element and returns it. Returns `None` if the source does not exist.
    pub(super) fn run(&self, db: &mut Db, source: &Bytes, now: i64) -> Result<Option<Reply>, Failure> {
        match db.entry(source) {
            None => return Ok(None),
            Some(entry) => entry.value.list()?,
        };
        // Both are checked before the element is taken.
        if let Some(entry) = db.entry(&self.target) {
            entry.value.list()?;
        }
        let Some(value) = db.value_mut(source) else { return Ok(None) };
        let Some(element) = self.from.take(value.list_mut()?) else { return Ok(None) };
        // Before the source is removed: it may be the target, which then keeps its expiry.
        if let Some(value) = db.value_or(&self.target, Value::List(VecDeque::new()), now) {
            self.to.add(value.list_mut()?, element.clone());
        }
        db.notify(EventClasses::LIST, pushed(self.to), &self.target);
        db.settle(&self.target);
        db.notify(EventClasses::LIST, popped(self.from), source);
        if *source != self.target {
            db.settle(source);
        }
        Ok(Some(Reply::Bulk(element)))
    }
}
