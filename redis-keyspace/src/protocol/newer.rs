//! Commands and options that only newer servers have.

use super::guarded::unguarded;
use super::packet::Packet;

/// The first version of a server that has a command: major and minor. `None` if no version has it.
type Since = Option<(u16, u16)>;

/// A command, or an option of one, that some supported servers lack.
///
/// The versions are for people: errors name them, and the rules of a catalog compare them with one
/// that the application sets. What a server has is never derived from its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NewerCommand {
    /// As users know it.
    pub(crate) name: &'static str,
    redis: Since,
    valkey: Since,
}

/// A newer command that another command or a script replaces on a server that lacks it. The server
/// is asked once for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplacedCommand {
    SetNxGet,
    SetIfEq,
    DelEx,
    DelIfEq,
    EvalRo,
}

/// How the arguments of a command show what it needs.
#[derive(Debug, Clone, Copy)]
enum Sign {
    /// The command is new itself.
    Command,
    /// This word is in front of the key.
    Subcommand(&'static str),
    /// There are more arguments than this.
    MoreThan(usize),
    /// One of the words is among the first arguments, of which there are this many.
    Among(usize, &'static [&'static str]),
    /// One word is the first argument, and the other one is at this place, counted from 0.
    First(&'static str, usize, &'static str),
    /// All of the words are among the arguments after the first ones, of which there are this many.
    After(usize, &'static [&'static str]),
    /// The word is the last argument.
    Last(&'static str),
}

/// The first version of Valkey, which has everything that Redis 7.2 has.
const FIRST_VALKEY: Since = Some((7, 2));

const fn since(name: &'static str, redis: (u16, u16), valkey: (u16, u16)) -> NewerCommand {
    NewerCommand { name, redis: Some(redis), valkey: Some(valkey) }
}

/// A command since Redis 6.2.
const fn in_6_2(name: &'static str) -> NewerCommand {
    NewerCommand { name, redis: Some((6, 2)), valkey: FIRST_VALKEY }
}

/// A command since Redis 7.0.
const fn in_7_0(name: &'static str) -> NewerCommand {
    NewerCommand { name, redis: Some((7, 0)), valkey: FIRST_VALKEY }
}

const SET_IF_EQ: NewerCommand = since("SET .. IFEQ", (8, 4), (8, 1));
const SET_NX_GET: NewerCommand = in_7_0("SET .. NX GET");
const DEL_EX: NewerCommand = NewerCommand { name: "DELEX", redis: Some((8, 4)), valkey: None };
const DEL_IF_EQ: NewerCommand = NewerCommand { name: "DELIFEQ", redis: None, valkey: Some((9, 0)) };
const EVAL_RO: NewerCommand = in_7_0("EVAL_RO");
const GEO_POLYGON: NewerCommand =
    NewerCommand { name: "GEOSEARCH .. BYPOLYGON", redis: None, valkey: Some((9, 0)) };
const POP_COUNT: NewerCommand = in_6_2("LPOP or RPOP with a count");
const EXPIRE_CONDITION: NewerCommand = in_7_0("PEXPIRE with a condition");
const FIELD_EXPIRY: NewerCommand = since("HPEXPIRE", (7, 4), (9, 0));

/// All newer commands. Of several rows with the same command, the newest is the first.
const TABLE: &[(&str, Sign, NewerCommand)] = &[
    // Strings and keys.
    ("GETDEL", Sign::Command, in_6_2("GETDEL")),
    ("GETEX", Sign::Command, in_6_2("GETEX")),
    // The first argument is the value. The value after IFEQ may look like an option.
    ("SET", Sign::After(1, &["IFEQ"]), SET_IF_EQ),
    ("SET", Sign::After(1, &["NX", "GET"]), SET_NX_GET),
    ("SET", Sign::After(1, &["GET"]), in_6_2("SET .. GET")),
    ("SET", Sign::After(1, &["PXAT"]), in_6_2("SET .. PXAT")),
    ("DELEX", Sign::Command, DEL_EX),
    ("DELIFEQ", Sign::Command, DEL_IF_EQ),
    ("COPY", Sign::Command, in_6_2("COPY")),
    ("PEXPIRETIME", Sign::Command, in_7_0("PEXPIRETIME")),
    ("PEXPIRE", Sign::MoreThan(1), EXPIRE_CONDITION),
    ("PEXPIREAT", Sign::MoreThan(1), EXPIRE_CONDITION),
    // Lists.
    ("BLMOVE", Sign::Command, in_6_2("BLMOVE")),
    ("LMOVE", Sign::Command, in_6_2("LMOVE")),
    ("LPOP", Sign::MoreThan(0), POP_COUNT),
    ("RPOP", Sign::MoreThan(0), POP_COUNT),
    // From 6.0.6 on.
    ("LPOS", Sign::Command, in_6_2("LPOS")),
    ("LMPOP", Sign::Command, in_7_0("LMPOP")),
    ("BLMPOP", Sign::Command, in_7_0("BLMPOP")),
    // Sets.
    ("SMISMEMBER", Sign::Command, in_6_2("SMISMEMBER")),
    ("SINTERCARD", Sign::Command, in_7_0("SINTERCARD")),
    // Sorted sets.
    ("ZADD", Sign::After(0, &["GT"]), in_6_2("ZADD .. GT")),
    ("ZADD", Sign::After(0, &["LT"]), in_6_2("ZADD .. LT")),
    ("ZDIFF", Sign::Command, in_6_2("ZDIFF")),
    ("ZDIFFSTORE", Sign::Command, in_6_2("ZDIFFSTORE")),
    ("ZINTER", Sign::Command, in_6_2("ZINTER")),
    ("ZMSCORE", Sign::Command, in_6_2("ZMSCORE")),
    ("ZRANDMEMBER", Sign::Command, in_6_2("ZRANDMEMBER")),
    ("ZRANGE", Sign::After(2, &["BYSCORE"]), in_6_2("ZRANGE .. BYSCORE")),
    ("ZRANGE", Sign::After(2, &["BYLEX"]), in_6_2("ZRANGE .. BYLEX")),
    ("ZRANGE", Sign::After(2, &["REV"]), in_6_2("ZRANGE .. REV")),
    ("ZRANGESTORE", Sign::Command, in_6_2("ZRANGESTORE")),
    ("ZUNION", Sign::Command, in_6_2("ZUNION")),
    ("ZINTERCARD", Sign::Command, in_7_0("ZINTERCARD")),
    ("ZMPOP", Sign::Command, in_7_0("ZMPOP")),
    ("BZMPOP", Sign::Command, in_7_0("BZMPOP")),
    // Hashes.
    ("HRANDFIELD", Sign::Command, in_6_2("HRANDFIELD")),
    ("HPERSIST", Sign::Command, since("HPERSIST", (7, 4), (9, 0))),
    ("HPEXPIRE", Sign::Command, FIELD_EXPIRY),
    // Scripts of records.
    ("EVAL", Sign::After(0, &["HPEXPIRE"]), FIELD_EXPIRY),
    ("EVALSHA", Sign::After(0, &["HPEXPIRE"]), FIELD_EXPIRY),
    ("HPEXPIREAT", Sign::Command, since("HPEXPIREAT", (7, 4), (9, 0))),
    ("HPEXPIRETIME", Sign::Command, since("HPEXPIRETIME", (7, 4), (9, 0))),
    ("HPTTL", Sign::Command, since("HPTTL", (7, 4), (9, 0))),
    ("HSCAN", Sign::After(0, &["NOVALUES"]), since("HSCAN .. NOVALUES", (7, 4), (8, 0))),
    ("HGETEX", Sign::Command, since("HGETEX", (8, 0), (9, 0))),
    ("HSETEX", Sign::Command, since("HSETEX", (8, 0), (9, 0))),
    ("HGETDEL", Sign::Command, since("HGETDEL", (8, 0), (9, 1))),
    // Streams.
    ("XADD", Sign::Among(1, &["NOMKSTREAM"]), in_6_2("XADD .. NOMKSTREAM")),
    ("XADD", Sign::Among(1, &["MINID"]), in_6_2("XADD .. MINID")),
    ("XADD", Sign::First("MAXLEN", 3, "LIMIT"), in_6_2("XADD .. LIMIT")),
    ("XAUTOCLAIM", Sign::Command, in_6_2("XAUTOCLAIM")),
    ("XGROUP", Sign::Subcommand("CREATECONSUMER"), in_6_2("XGROUP CREATECONSUMER")),
    ("XPENDING", Sign::Among(2, &["IDLE"]), in_6_2("XPENDING .. IDLE")),
    ("XTRIM", Sign::Among(1, &["MINID"]), in_6_2("XTRIM .. MINID")),
    ("XTRIM", Sign::After(3, &["LIMIT"]), in_6_2("XTRIM .. LIMIT")),
    // Bitmaps and geo sets.
    ("BITCOUNT", Sign::Last("BIT"), in_7_0("BITCOUNT .. BIT")),
    ("BITPOS", Sign::Last("BIT"), in_7_0("BITPOS .. BIT")),
    ("GEOADD", Sign::Among(1, &["NX", "XX", "CH"]), in_6_2("GEOADD with options")),
    ("GEOSEARCH", Sign::Among(1, &["BYPOLYGON"]), GEO_POLYGON),
    ("GEOSEARCH", Sign::Command, in_6_2("GEOSEARCH")),
    ("GEOSEARCHSTORE", Sign::Among(1, &["BYPOLYGON"]), GEO_POLYGON),
    ("GEOSEARCHSTORE", Sign::Command, in_6_2("GEOSEARCHSTORE")),
    // Sharded channels, and functions.
    ("PUBSUB", Sign::Subcommand("SHARDNUMSUB"), in_7_0("PUBSUB SHARDNUMSUB")),
    ("SPUBLISH", Sign::Command, in_7_0("SPUBLISH")),
    ("SSUBSCRIBE", Sign::Command, in_7_0("SSUBSCRIBE")),
    ("SUNSUBSCRIBE", Sign::Command, in_7_0("SUNSUBSCRIBE")),
    ("FCALL", Sign::Command, in_7_0("FCALL")),
    ("FCALL_RO", Sign::Command, in_7_0("FCALL")),
    ("FUNCTION", Sign::Command, in_7_0("FUNCTION LOAD")),
];

impl Sign {
    fn is_in<'a>(self, head: Option<&'a [u8]>, mut args: impl Iterator<Item = &'a [u8]>) -> bool {
        let is_one = |words: &[&str], argument: &[u8]| words.iter().any(|word| word.as_bytes() == argument);
        match self {
            Self::Command => true,
            Self::Subcommand(word) => head == Some(word.as_bytes()),
            Self::MoreThan(count) => args.nth(count).is_some(),
            Self::Among(count, words) => args.take(count).any(|argument| is_one(words, argument)),
            Self::First(first, place, word) => {
                args.next() == Some(first.as_bytes())
                    && args.nth(place.saturating_sub(1)) == Some(word.as_bytes())
            }
            Self::After(count, words) => {
                let options: Vec<_> = args.skip(count).collect();
                words.iter().all(|word| options.contains(&word.as_bytes()))
            }
            Self::Last(word) => args.last() == Some(word.as_bytes()),
        }
    }
}

impl NewerCommand {
    /// Whether all of these servers have it: this version of Redis, this version of Valkey, or
    /// both.
    pub(crate) fn is_in(self, redis: Since, valkey: Since) -> bool {
        let has = |version: Since, since: Since| {
            version.is_none_or(|version| since.is_some_and(|since| version >= since))
        };
        let is_any_set = redis.is_some() || valkey.is_some();
        is_any_set && has(redis, self.redis) && has(valkey, self.valkey)
    }

    /// The first version of Redis that has it, or of Valkey if no Redis has it.
    pub(crate) fn since(self) -> Option<(u16, u16)> {
        self.redis.or(self.valkey)
    }

    /// Returns the servers that have it: "Redis 7.0 or Valkey 7.2".
    pub(crate) fn servers(self) -> String {
        let since =
            [("Redis", self.redis), ("Valkey", self.valkey)].into_iter().filter_map(|(name, since)| {
                let (major, minor) = since?;
                Some(format!("{name} {major}.{minor}"))
            });
        since.collect::<Vec<_>>().join(" or ")
    }

    /// Returns which newer command a packet is, or contains as an option. If there are several,
    /// returns the newest.
    pub(crate) fn of(packet: &Packet) -> Option<Self> {
        Self::among(packet, |_| true)
    }

    /// Like [`of`](Self::of), for a packet whose command the server knows.
    pub(crate) fn of_option(packet: &Packet) -> Option<Self> {
        Self::among(packet, |sign| !matches!(sign, Sign::Command))
    }

    /// Looks the packet up in the rows with these signs.
    fn among(packet: &Packet, is_meant: fn(&Sign) -> bool) -> Option<Self> {
        if let Some(write) = unguarded(packet) {
            return Self::find(write.name, None, &|| write.args.iter().copied(), is_meant);
        }
        let head = packet.head.as_ref().and_then(|head| head.iter().next());
        Self::find(packet.name.as_bytes(), head, &|| packet.args.iter(), is_meant)
    }

    fn find<'a, A: Iterator<Item = &'a [u8]>>(
        name: &[u8],
        head: Option<&'a [u8]>,
        args: &impl Fn() -> A,
        is_meant: fn(&Sign) -> bool,
    ) -> Option<Self> {
        let mut rows = TABLE.iter().filter(|(command, sign, _)| command.as_bytes() == name && is_meant(sign));
        rows.find(|(_, sign, _)| sign.is_in(head, args())).map(|(.., newer)| *newer)
    }

    /// Returns the newer command with this name, in any case. A subcommand follows a space.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let (name, subcommand) = name.split_once(' ').map_or((name, None), |(name, sub)| (name, Some(sub)));
        let is_subcommand = |sign: &Sign| match (sign, subcommand) {
            (Sign::Subcommand(word), Some(subcommand)) => word.eq_ignore_ascii_case(subcommand),
            _ => false,
        };
        let rows = || TABLE.iter().filter(|(command, ..)| command.eq_ignore_ascii_case(name));
        // A subcommand is at least as new as its command.
        let found = rows().find(|(_, sign, _)| is_subcommand(sign));
        found.or_else(|| rows().find(|(_, sign, _)| matches!(sign, Sign::Command))).map(|(.., newer)| *newer)
    }
}

impl ReplacedCommand {
    pub(crate) fn newer(self) -> NewerCommand {
        match self {
            Self::SetNxGet => SET_NX_GET,
            Self::SetIfEq => SET_IF_EQ,
            Self::DelEx => DEL_EX,
            Self::DelIfEq => DEL_IF_EQ,
            Self::EvalRo => EVAL_RO,
        }
    }
}

impl Packet {
    /// Adds the option `IFEQ`: the command changes the key only if it has this value.
    pub(crate) fn if_equal(mut self, value: &[u8]) -> Self {
        self.args.push(b"IFEQ");
        self.args.push(value);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyText;
    use crate::protocol::{Args, GuardedReply, Keys, guarded};

    fn packet(name: &'static str, args: &[&str]) -> Packet {
        let mut packet = Packet::new(name, Keys::One(KeyText::Static("k")));
        args.iter().for_each(|argument| packet.args.push(argument.as_bytes()));
        packet
    }

    fn of(packet: &Packet) -> Option<String> {
        NewerCommand::of(packet).map(|newer| format!("{} needs {}", newer.name, newer.servers()))
    }

    #[test]
    fn a_newer_command_is_recognized_by_its_name_and_options() {
        for (name, args, expected) in [
            ("GET", &[][..], None),
            ("GETDEL", &[], Some("GETDEL needs Redis 6.2 or Valkey 7.2")),
            ("SET", &["GET"], None),
            ("SET", &["IFEQ", "NX", "EX", "5"], None),
            ("SET", &["v", "PX", "5", "GET"], Some("SET .. GET needs Redis 6.2 or Valkey 7.2")),
            ("SET", &["v", "PXAT", "5", "NX"], Some("SET .. PXAT needs Redis 6.2 or Valkey 7.2")),
            ("SET", &["v", "NX", "GET"], Some("SET .. NX GET needs Redis 7.0 or Valkey 7.2")),
            (
                "SET",
                &["v", "IFEQ", "GET", "GET", "KEEPTTL"],
                Some("SET .. IFEQ needs Redis 8.4 or Valkey 8.1"),
            ),
            ("DELEX", &["IFEQ", "v"], Some("DELEX needs Redis 8.4")),
            ("DELIFEQ", &["v"], Some("DELIFEQ needs Valkey 9.0")),
            ("PEXPIRE", &["5"], None),
            ("PEXPIRE", &["5", "GT"], Some("PEXPIRE with a condition needs Redis 7.0 or Valkey 7.2")),
            ("BITCOUNT", &["0", "7"], None),
            ("BITCOUNT", &["0", "9", "BIT"], Some("BITCOUNT .. BIT needs Redis 7.0 or Valkey 7.2")),
            ("BITPOS", &["1", "0", "9", "BIT"], Some("BITPOS .. BIT needs Redis 7.0 or Valkey 7.2")),
            ("GEOADD", &["1.5", "2", "CH"], None),
            ("GEOADD", &["CH", "1.5", "2", "m"], Some("GEOADD with options needs Redis 6.2 or Valkey 7.2")),
            ("GEOSEARCH", &["FROMMEMBER", "BYPOLYGON"], Some("GEOSEARCH needs Redis 6.2 or Valkey 7.2")),
            ("GEOSEARCH", &["BYPOLYGON", "3"], Some("GEOSEARCH .. BYPOLYGON needs Valkey 9.0")),
            ("LPOP", &[], None),
            ("LPOP", &["5"], Some("LPOP or RPOP with a count needs Redis 6.2 or Valkey 7.2")),
            ("SMISMEMBER", &["a"], Some("SMISMEMBER needs Redis 6.2 or Valkey 7.2")),
            ("ZRANGE", &["0", "-1"], None),
            ("ZRANGE", &["0", "1", "BYSCORE"], Some("ZRANGE .. BYSCORE needs Redis 6.2 or Valkey 7.2")),
            ("HPEXPIRE", &["5"], Some("HPEXPIRE needs Redis 7.4 or Valkey 9.0")),
            ("HGETDEL", &[], Some("HGETDEL needs Redis 8.0 or Valkey 9.1")),
            ("HSET", &["a", "1"], None),
            ("XADD", &["*", "MINID", "LIMIT"], None),
            ("XADD", &["MINID", "~", "5-0", "*"], Some("XADD .. MINID needs Redis 6.2 or Valkey 7.2")),
            ("XADD", &["*", "a", "b", "LIMIT", "c"], None),
            (
                "XADD",
                &["MAXLEN", "~", "5", "LIMIT", "9", "*"],
                Some("XADD .. LIMIT needs Redis 6.2 or Valkey 7.2"),
            ),
            ("XTRIM", &["MAXLEN", "~", "5"], None),
            ("XPENDING", &["g", "-", "+", "5", "IDLE"], None),
        ] {
            assert_eq!(of(&packet(name, args)).as_deref(), expected, "{name} {args:?}");
        }
    }

    #[test]
    fn a_subcommand_is_recognized_in_front_of_the_key() {
        for (word, expected) in
            [("SHARDNUMSUB", Some("PUBSUB SHARDNUMSUB needs Redis 7.0 or Valkey 7.2")), ("NUMSUB", None)]
        {
            let mut head = Args::default();
            head.push(word.as_bytes());
            assert_eq!(of(&packet("PUBSUB", &[]).with_head(head)).as_deref(), expected, "{word}");
        }
    }

    #[test]
    fn a_newer_command_is_recognized_inside_a_write_that_ends_fills() {
        let write = guarded(packet("SET", &["v", "NX", "GET"]), GuardedReply::Own);
        assert_eq!(NewerCommand::of(&write), Some(SET_NX_GET));
    }

    #[test]
    fn commands_have_names_in_any_case() {
        let named = |name| NewerCommand::named(name).map(|newer| newer.name);
        assert_eq!(named("hgetdel"), Some("HGETDEL"));
        assert_eq!(named("pubsub shardnumsub"), Some("PUBSUB SHARDNUMSUB"));
        assert_eq!(
            (named("pubsub numsub"), named("pubsub"), named("set"), named("zadd")),
            (None, None, None, None)
        );
        assert_eq!(named("geosearch"), Some("GEOSEARCH"), "not that of an option");
    }

    #[test]
    fn versions_are_compared() {
        let newer = NewerCommand::named("HSETEX").unwrap();
        assert!(newer.is_in(Some((8, 0)), None) && newer.is_in(None, Some((9, 1))));
        assert!(!newer.is_in(Some((7, 4)), None) && !newer.is_in(None, None));
        assert!(!DEL_IF_EQ.is_in(Some((99, 0)), None));
        assert!(newer.is_in(Some((8, 0)), Some((9, 0))), "both have it");
        assert!(!newer.is_in(Some((8, 0)), Some((8, 1))) && !newer.is_in(Some((7, 4)), Some((9, 0))));
        assert!(!DEL_EX.is_in(Some((8, 4)), Some((9, 0))));
    }

    #[test]
    fn of_several_rows_the_newest_is_the_first() {
        for (nth, (command, _, newer)) in TABLE.iter().enumerate() {
            for (_, _, later) in TABLE[nth + 1..].iter().filter(|(name, ..)| name == command) {
                assert!(
                    newer.valkey >= later.valkey && (newer.redis.is_none() || newer.redis >= later.redis),
                    "{newer:?} before {later:?}"
                );
            }
        }
    }
}
