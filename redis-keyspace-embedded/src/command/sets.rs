//! Sets.

use super::arguments::{exactly, first};
use super::context::{Context, Spec, command};
use super::flags::ONE_KEY;
use crate::ordered::Ordered;
use crate::reply::{Failure, Reply};
use crate::value::Value;

pub(super) const TABLE: &[Spec] = &[
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
            db.settle(key);
        }
        Ok(Reply::count(removed))
    }),
    command("smembers", 2, 0, ONE_KEY, |context, arguments| {
        let [key] = exactly(arguments)?;
        let members = read(context, key)?.into_iter().flat_map(Ordered::iter);
        Ok(Reply::Set(members.map(|(member, ())| Reply::Bulk(member.clone())).collect()))
    }),
    command("sismember", 3, 0, ONE_KEY, |context, arguments| {
        let [key, member] = exactly(arguments)?;
        Ok(Reply::flag(read(context, key)?.is_some_and(|set| set.contains(member))))
    }),
    command("scard", 2, 0, ONE_KEY, |context, arguments| {
        let [key] = exactly(arguments)?;
        Ok(Reply::count(read(context, key)?.map_or(0, Ordered::len)))
    }),
];

fn read<'a>(context: &'a mut Context<'_>, key: &[u8]) -> Result<Option<&'a Ordered<()>>, Failure> {
    let now = context.now;
    context.db()?.read(key, now).map(Value::set).transpose()
}
