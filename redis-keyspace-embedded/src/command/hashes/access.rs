//! How commands read a hash.

use bytes::Bytes;

use crate::command::context::Context;
use crate::hash::Hash;
use crate::reply::{Failure, Reply};
use crate::value::Value;

/// Returns the hash for a read command.
pub(super) fn read<'a>(context: &'a mut Context<'_>, key: &[u8]) -> Result<Option<&'a Hash>, Failure> {
    let now = context.now;
    context.db()?.read(key, now).map(Value::hash).transpose()
}

/// Returns the value of a field, or nil.
pub(super) fn value(hash: Option<&Hash>, field: &Bytes) -> Reply {
    Reply::bulk_or_nil(hash.and_then(|hash| hash.get(field)).cloned())
}
