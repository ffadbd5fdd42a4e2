//! Deletes consumers that have no pending entries.

/// Deletes a consumer, unless entries are pending for it: those would be lost. Returns 1, or 0 if
/// entries are pending.
///
/// `KEYS`: the stream. `ARGV`: the group and the consumer.
pub(crate) const DELETE_CONSUMER: &str = "\
if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) > 0 then return 0 end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
return 1";
