//! Commands for the members of one set.

use bytes::Bytes;

use super::access::{members, read};
use crate::command::arguments::{exactly, first};
use crate::command::context::{Context, Spec, command};
use crate::command::cursor::{self, Page};
use crate::command::flags::{ONE_KEY, TWO_KEYS};
use crate::notices::EventClasses;
use crate::ordered::Ordered;
use crate::reply::{Answer, Reply};
use crate::value::Value;

pub(in crate::command) const TABLE: &[Spec] = &[
    command("sadd", -3, 0, ONE_KEY, |context, arguments| {
        let ([key], members) = first(arguments)?;
        let now = context.now;
        let db = context.db()?;
        let Some(value) = db.value_or(key, Value::Set(Ordered::default()), now) else {
            return Ok(Reply::Integer(0));
        };
        let set = value.set_mut()?;
        let added = members.iter().filter(|member| set.insert(member, ()).is_none()).count();
        if added > 0 {
            db.notify(EventClasses::SET, "sadd", key);
            db.settle(key);
        }
        Ok(Reply::count(added))
    }),
    command("srem", -3, 0, ONE_KEY, |context, arguments| {
        let ([key], members) = first(arguments)?;
        let db = context.db()?;
        let Some(value) = db.value_mut(key) else { return Ok(Reply::Integer(0)) };
        let set = value.set_mut()?;
        let removed = members.iter().filter(|member| set.remove(member).is_some()).count();
        if removed > 0 {
            db.notify(EventClasses::SET, "srem", key);
            db.settle(key);
        }
        Ok(Reply::count(removed))
    }),
    command("smembers", 2, 0, ONE_KEY, |context, arguments| {
        let [key] = exactly(arguments)?;
        Ok(Reply::Set(members(read(context, key)?)))
    }),
    command("sismember", 3, 0, ONE_KEY, |context, arguments| {
        let [key, member] = exactly(arguments)?;
        Ok(Reply::flag(read(context, key)?.is_some_and(|set| set.contains(member))))
    }),
    command("smismember", -3, 0, ONE_KEY, |context, arguments| {
        let ([key], members) = first(arguments)?;
        let set = read(context, key)?;
        let is_member = |member: &Bytes| Reply::flag(set.is_some_and(|set| set.contains(member)));
        Ok(Reply::Array(members.iter().map(is_member).collect()))
    }),
    command("scard", 2, 0, ONE_KEY, |context, arguments| {
        let [key] = exactly(arguments)?;
        Ok(Reply::count(read(context, key)?.map_or(0, Ordered::len)))
    }),
    command("smove", 4, 0, TWO_KEYS, smove),
    command("sscan", -3, 0, ONE_KEY, |context, arguments| {
        let ([key, cursor], options) = first(arguments)?;
        let cursor = cursor::parse(cursor)?;
        let now = context.now;
        let sizes = context.db()?.compact;
        let Some(value) = context.db()?.read(key, now) else { return Ok(cursor::reply(0, Vec::new())) };
        let set = value.set()?;
        let page = Page::parse(options, false)?;
        let (items, next) = match Page::is_whole(value, &sizes) {
            true => (set.iter().collect(), 0),
            false => set.walk(cursor, page.count),
        };
        let members = items.into_iter().filter(|(member, ())| page.selects(member));
        Ok(cursor::reply(next, members.map(|(member, ())| Reply::Bulk(member.clone())).collect()))
    }),
];

fn smove(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let [source, target, member] = exactly(arguments)?;
    let now = context.now;
    let db = context.db()?;
    let Some(entry) = db.entry(source) else { return Ok(Reply::Integer(0)) };
    let is_member = entry.value.set()?.contains(member);
    if let Some(entry) = db.entry(target) {
        entry.value.set()?;
    }
    if !is_member || source == target {
        return Ok(Reply::flag(is_member));
    }
    if let Some(value) = db.value_mut(source) {
        value.set_mut()?.remove(member);
    }
    db.notify(EventClasses::SET, "srem", source);
    db.settle(source);
    if let Some(value) = db.value_or(target, Value::Set(Ordered::default()), now)
        // If the target already has the member, it does not count as changed.
        && value.set_mut()?.insert(member, ()).is_none()
    {
        db.notify(EventClasses::SET, "sadd", target);
        db.settle(target);
    }
    Ok(Reply::Integer(1))
}
