//! How commands read a set.

use crate::command::context::Context;
use crate::ordered::Ordered;
use crate::reply::{Failure, Reply};
use crate::value::Value;

/// Returns the set for a read command.
pub(super) fn read<'a>(context: &'a mut Context<'_>, key: &[u8]) -> Result<Option<&'a Ordered<()>>, Failure> {
    let now = context.now;
    context.db()?.read(key, now).map(Value::set).transpose()
}

/// Returns all members, oldest first.
pub(super) fn members(set: Option<&Ordered<()>>) -> Vec<Reply> {
    set.into_iter().flat_map(Ordered::iter).map(|(member, ())| Reply::Bulk(member.clone())).collect()
}
