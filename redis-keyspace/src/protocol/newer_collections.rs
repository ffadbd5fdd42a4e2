//! Commands and options of collections that some supported servers lack. They are not replaced: the
//! error says which servers have them.

use super::newer::{Since, servers};
use super::packet::Packet;

/// A command of a collection, or an option of one, that some supported servers lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NewerFeature {
    /// As users know it.
    pub(crate) name: &'static str,
    redis: Since,
    valkey: Since,
    /// Whether a server without it reports a wrong number of arguments.
    pub(crate) is_argument: bool,
}

impl NewerFeature {
    const fn new(name: &'static str, redis: (u16, u16), valkey: (u16, u16)) -> Self {
        Self { name, redis: Some(redis), valkey: Some(valkey), is_argument: false }
    }

    /// Returns the servers that have it: "Redis 7.4 or Valkey 9.0".
    pub(crate) fn servers(self) -> String {
        servers(self.redis, self.valkey)
    }

    /// Whether these versions of the servers have it.
    pub(crate) fn is_in(self, redis: Option<(u16, u16)>, valkey: Option<(u16, u16)>) -> bool {
        let has = |version: Since, since: Since| {
            version.zip(since).is_some_and(|(version, since)| version >= since)
        };
        has(redis, self.redis) || has(valkey, self.valkey)
    }
}

/// The first version of Valkey, which has everything that Redis 7.2 has.
const FIRST_VALKEY: (u16, u16) = (7, 2);

/// The commands.
const COMMANDS: [NewerFeature; 22] = [
    NewerFeature::new("BLMOVE", (6, 2), FIRST_VALKEY),
    NewerFeature::new("HRANDFIELD", (6, 2), FIRST_VALKEY),
    NewerFeature::new("LMOVE", (6, 2), FIRST_VALKEY),
    // From 6.0.6 on.
    NewerFeature::new("LPOS", (6, 2), FIRST_VALKEY),
    NewerFeature::new("SMISMEMBER", (6, 2), FIRST_VALKEY),
    NewerFeature::new("ZDIFF", (6, 2), FIRST_VALKEY),
    NewerFeature::new("ZINTER", (6, 2), FIRST_VALKEY),
    NewerFeature::new("ZMSCORE", (6, 2), FIRST_VALKEY),
    NewerFeature::new("ZRANDMEMBER", (6, 2), FIRST_VALKEY),
    NewerFeature::new("ZRANGESTORE", (6, 2), FIRST_VALKEY),
    NewerFeature::new("ZUNION", (6, 2), FIRST_VALKEY),
    NewerFeature::new("LMPOP", (7, 0), FIRST_VALKEY),
    NewerFeature::new("SINTERCARD", (7, 0), FIRST_VALKEY),
    NewerFeature::new("ZINTERCARD", (7, 0), FIRST_VALKEY),
    NewerFeature::new("ZMPOP", (7, 0), FIRST_VALKEY),
    NewerFeature::new("HPERSIST", (7, 4), (9, 0)),
    NewerFeature::new("HPEXPIRE", (7, 4), (9, 0)),
    NewerFeature::new("HPEXPIREAT", (7, 4), (9, 0)),
    NewerFeature::new("HPEXPIRETIME", (7, 4), (9, 0)),
    NewerFeature::new("HPTTL", (7, 4), (9, 0)),
    NewerFeature::new("HGETEX", (8, 0), (9, 0)),
    NewerFeature::new("HSETEX", (8, 0), (9, 0)),
];

const HGETDEL: NewerFeature = NewerFeature::new("HGETDEL", (8, 0), (9, 1));
const POP_COUNT: NewerFeature = NewerFeature {
    is_argument: true,
    ..NewerFeature::new("LPOP or RPOP with a count", (6, 2), FIRST_VALKEY)
};

/// The options: the command, the word, and what is newer.
const OPTIONS: [(&str, &str, NewerFeature); 8] = [
    ("ZADD", "GT", NewerFeature::new("ZADD .. GT", (6, 2), FIRST_VALKEY)),
    ("ZADD", "LT", NewerFeature::new("ZADD .. LT", (6, 2), FIRST_VALKEY)),
    ("ZRANGE", "BYSCORE", NewerFeature::new("ZRANGE .. BYSCORE", (6, 2), FIRST_VALKEY)),
    ("ZRANGE", "BYLEX", NewerFeature::new("ZRANGE .. BYLEX", (6, 2), FIRST_VALKEY)),
    ("ZRANGE", "REV", NewerFeature::new("ZRANGE .. REV", (6, 2), FIRST_VALKEY)),
    ("HSCAN", "NOVALUES", NewerFeature::new("HSCAN .. NOVALUES", (7, 4), (9, 0))),
    // Scripts of records.
    ("EVAL", "HPEXPIRE", NewerFeature::new("HPEXPIRE", (7, 4), (9, 0))),
    ("EVALSHA", "HPEXPIRE", NewerFeature::new("HPEXPIRE", (7, 4), (9, 0))),
];

impl NewerFeature {
    /// Returns what is newer in a command that a server rejected.
    pub(crate) fn of(packet: &Packet) -> Option<Self> {
        if matches!(packet.name, "LPOP" | "RPOP") && packet.args.len() > 0 {
            return Some(POP_COUNT);
        }
        let command = || Self::named(packet.name);
        let option = || {
            let mut options = OPTIONS.iter().filter(|(command, ..)| *command == packet.name);
            options.find_map(|(_, word, newer)| {
                packet.args.iter().any(|argument| argument == word.as_bytes()).then_some(*newer)
            })
        };
        command().or_else(option)
    }

    /// Returns the command with this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        COMMANDS.into_iter().chain([HGETDEL]).find(|newer| newer.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyText;
    use crate::protocol::Keys;

    fn of(name: &'static str, args: &[&str]) -> Option<String> {
        let mut packet = Packet::new(name, Keys::One(KeyText::Static("k")));
        args.iter().for_each(|argument| packet.args.push(argument.as_bytes()));
        NewerFeature::of(&packet).map(|newer| format!("{} needs {}", newer.name, newer.servers()))
    }

    #[test]
    fn newer_commands_and_options_are_recognized() {
        for (name, args, expected) in [
            ("LPOP", &[][..], None),
            ("LPOP", &["5"], Some("LPOP or RPOP with a count needs Redis 6.2 or Valkey 7.2")),
            ("SMISMEMBER", &["a"], Some("SMISMEMBER needs Redis 6.2 or Valkey 7.2")),
            ("ZRANGE", &["0", "-1"], None),
            ("ZRANGE", &["0", "1", "BYSCORE"], Some("ZRANGE .. BYSCORE needs Redis 6.2 or Valkey 7.2")),
            ("HPEXPIRE", &["5"], Some("HPEXPIRE needs Redis 7.4 or Valkey 9.0")),
            ("HGETDEL", &[], Some("HGETDEL needs Redis 8.0 or Valkey 9.1")),
            ("HSET", &["a", "1"], None),
        ] {
            assert_eq!(of(name, args).as_deref(), expected, "{name} {args:?}");
        }
    }

    #[test]
    fn versions_are_compared() {
        let newer = NewerFeature::named("HSETEX").unwrap();
        assert!(newer.is_in(Some((8, 0)), None) && newer.is_in(None, Some((9, 1))));
        assert!(!newer.is_in(Some((7, 4)), None) && !newer.is_in(None, None));
    }
}
