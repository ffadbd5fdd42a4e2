//! Commands and options that only newer servers have.

use super::guarded::unguarded;
use super::packet::Packet;

/// A command, or an option of one, that some supported servers lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NewerCommand {
    GetDel,
    GetEx,
    SetGet,
    SetPxAt,
    SetNxGet,
    SetIfEq,
    DelEx,
    DelIfEq,
    BLMPop,
    BZMPop,
    BitCountInBits,
    BitPosInBits,
    GeoAddOptions,
    GeoSearch,
    GeoPolygon,
    Copy,
    ExpireOptions,
    LMPop,
    PExpireTime,
    SInterCard,
    ZInterCard,
    ZMPop,
    /// And all commands of sharded channels.
    SPublish,
    EvalRo,
    Fcall,
    FunctionLoad,
}

/// The first version of a server that has a command: major and minor.
pub(super) type Since = Option<(u16, u16)>;

/// Returns the servers from these versions on: "Redis 7.0 or Valkey 7.2".
pub(super) fn servers(redis: Since, valkey: Since) -> String {
    let since = [("Redis", redis), ("Valkey", valkey)].into_iter().filter_map(|(name, since)| {
        let (major, minor) = since?;
        Some(format!("{name} {major}.{minor}"))
    });
    since.collect::<Vec<_>>().join(" or ")
}

impl NewerCommand {
    /// As users know it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::GetDel => "GETDEL",
            Self::GetEx => "GETEX",
            Self::SetGet => "SET .. GET",
            Self::SetPxAt => "SET .. PXAT",
            Self::SetNxGet => "SET .. NX GET",
            Self::SetIfEq => "SET .. IFEQ",
            Self::DelEx => "DELEX",
            Self::DelIfEq => "DELIFEQ",
            Self::BitCountInBits => "BITCOUNT .. BIT",
            Self::BitPosInBits => "BITPOS .. BIT",
            Self::GeoAddOptions => "GEOADD with options",
            Self::GeoSearch => "GEOSEARCH",
            Self::GeoPolygon => "GEOSEARCH .. BYPOLYGON",
            Self::SInterCard => "SINTERCARD",
            Self::ZInterCard => "ZINTERCARD",
            Self::LMPop => "LMPOP",
            Self::BLMPop => "BLMPOP",
            Self::ZMPop => "ZMPOP",
            Self::BZMPop => "BZMPOP",
            Self::PExpireTime => "PEXPIRETIME",
            Self::ExpireOptions => "PEXPIRE with a condition",
            Self::Copy => "COPY",
            Self::SPublish => "SPUBLISH",
            Self::EvalRo => "EVAL_RO",
            Self::Fcall => "FCALL",
            Self::FunctionLoad => "FUNCTION LOAD",
        }
    }

    /// The first version of Redis that has it.
    pub(crate) fn in_redis(self) -> Since {
        match self {
            Self::GetDel
            | Self::GetEx
            | Self::SetGet
            | Self::SetPxAt
            | Self::Copy
            | Self::GeoAddOptions
            | Self::GeoSearch => Some((6, 2)),
            Self::SetNxGet
            | Self::EvalRo
            | Self::Fcall
            | Self::FunctionLoad
            | Self::SPublish
            | Self::BitCountInBits
            | Self::BitPosInBits
            | Self::SInterCard
            | Self::ZInterCard
            | Self::LMPop
            | Self::BLMPop
            | Self::ZMPop
            | Self::BZMPop
            | Self::PExpireTime
            | Self::ExpireOptions => Some((7, 0)),
            Self::SetIfEq | Self::DelEx => Some((8, 4)),
            Self::DelIfEq | Self::GeoPolygon => None,
        }
    }

    /// The first version of Valkey that has it. The first version of all is 7.2.
    pub(crate) fn in_valkey(self) -> Since {
        match self {
            Self::GetDel
            | Self::GetEx
            | Self::SetGet
            | Self::SetPxAt
            | Self::SetNxGet
            | Self::EvalRo
            | Self::Fcall
            | Self::FunctionLoad
            | Self::SPublish
            | Self::BitCountInBits
            | Self::BitPosInBits
            | Self::SInterCard
            | Self::ZInterCard
            | Self::LMPop
            | Self::BLMPop
            | Self::ZMPop
            | Self::BZMPop
            | Self::PExpireTime
            | Self::ExpireOptions
            | Self::Copy
            | Self::GeoAddOptions
            | Self::GeoSearch => Some((7, 2)),
            Self::SetIfEq => Some((8, 1)),
            Self::DelEx => None,
            Self::DelIfEq | Self::GeoPolygon => Some((9, 0)),
        }
    }

    /// Returns the servers that have it: "Redis 7.0 or Valkey 7.2".
    pub(crate) fn servers(self) -> String {
        servers(self.in_redis(), self.in_valkey())
    }

    /// Returns which newer command a packet is, or contains as an option. If there are several,
    /// returns the newest.
    pub(crate) fn of(packet: &Packet) -> Option<Self> {
        if let Some(write) = unguarded(packet) {
            return Self::named(write.name, write.args.into_iter());
        }
        Self::named(packet.name.as_bytes(), packet.args.iter())
    }

    fn named<'a>(name: &[u8], mut args: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        match name {
            b"GETDEL" => Some(Self::GetDel),
            b"GETEX" => Some(Self::GetEx),
            b"DELEX" => Some(Self::DelEx),
            b"DELIFEQ" => Some(Self::DelIfEq),
            b"PEXPIRETIME" => Some(Self::PExpireTime),
            b"PEXPIRE" | b"PEXPIREAT" => args.nth(1).map(|_| Self::ExpireOptions),
            b"COPY" => Some(Self::Copy),
            b"SINTERCARD" => Some(Self::SInterCard),
            b"ZINTERCARD" => Some(Self::ZInterCard),
            b"LMPOP" => Some(Self::LMPop),
            b"BLMPOP" => Some(Self::BLMPop),
            b"ZMPOP" => Some(Self::ZMPop),
            b"BZMPOP" => Some(Self::BZMPop),
            b"SPUBLISH" => Some(Self::SPublish),
            b"FCALL" | b"FCALL_RO" => Some(Self::Fcall),
            b"FUNCTION" => Some(Self::FunctionLoad),
            b"SET" => Self::option_of_set(args),
            b"BITCOUNT" => (args.last() == Some(b"BIT")).then_some(Self::BitCountInBits),
            b"BITPOS" => (args.last() == Some(b"BIT")).then_some(Self::BitPosInBits),
            b"GEOADD" => {
                let has_options = args.next().is_some_and(|first| matches!(first, b"NX" | b"XX" | b"CH"));
                has_options.then_some(Self::GeoAddOptions)
            }
            b"GEOSEARCH" | b"GEOSEARCHSTORE" if args.next() == Some(b"BYPOLYGON") => Some(Self::GeoPolygon),
            b"GEOSEARCH" | b"GEOSEARCHSTORE" => Some(Self::GeoSearch),
            _ => None,
        }
    }

    fn option_of_set<'a>(args: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        let (mut has_nx, mut has_get, mut has_time) = (false, false, false);
        // The first argument is the value.
        for option in args.skip(1) {
            match option {
                // The value that follows could look like an option.
                b"IFEQ" => return Some(Self::SetIfEq),
                b"NX" => has_nx = true,
                b"GET" => has_get = true,
                b"PXAT" => has_time = true,
                _ => {}
            }
        }
        match (has_get, has_nx) {
            (true, true) => Some(Self::SetNxGet),
            (true, false) => Some(Self::SetGet),
            (false, _) => has_time.then_some(Self::SetPxAt),
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
    use crate::protocol::Keys;

    fn packet(name: &'static str, args: &[&str]) -> Packet {
        let mut packet = Packet::new(name, Keys::One(KeyText::Static("k")));
        args.iter().for_each(|argument| packet.args.push(argument.as_bytes()));
        packet
    }

    #[test]
    fn a_newer_command_is_recognized_by_its_name_and_options() {
        for (name, args, newer) in [
            ("GET", &[][..], None),
            ("GETDEL", &[], Some(NewerCommand::GetDel)),
            ("SET", &["GET"], None),
            ("SET", &["IFEQ", "NX", "EX", "5"], None),
            ("SET", &["v", "PX", "5", "GET"], Some(NewerCommand::SetGet)),
            ("SET", &["v", "PXAT", "5", "NX"], Some(NewerCommand::SetPxAt)),
            ("SET", &["v", "NX", "GET"], Some(NewerCommand::SetNxGet)),
            ("SET", &["v", "IFEQ", "GET", "GET", "KEEPTTL"], Some(NewerCommand::SetIfEq)),
            ("DELEX", &["IFEQ", "v"], Some(NewerCommand::DelEx)),
            ("BITCOUNT", &["0", "7"], None),
            ("BITCOUNT", &["0", "9", "BIT"], Some(NewerCommand::BitCountInBits)),
            ("GEOADD", &["1.5", "2", "CH"], None),
            ("GEOADD", &["CH", "1.5", "2", "m"], Some(NewerCommand::GeoAddOptions)),
            ("GEOSEARCH", &["FROMMEMBER", "BYPOLYGON"], Some(NewerCommand::GeoSearch)),
            ("GEOSEARCH", &["BYPOLYGON", "3"], Some(NewerCommand::GeoPolygon)),
            ("BITPOS", &["1", "0", "9", "BIT"], Some(NewerCommand::BitPosInBits)),
        ] {
            assert_eq!(NewerCommand::of(&packet(name, args)), newer, "{name} {args:?}");
        }
    }

    #[test]
    fn the_servers_that_have_a_command_are_named() {
        assert_eq!(NewerCommand::SetNxGet.servers(), "Redis 7.0 or Valkey 7.2");
        assert_eq!(NewerCommand::DelEx.servers(), "Redis 8.4");
        assert_eq!(NewerCommand::DelIfEq.servers(), "Valkey 9.0");
        assert_eq!(NewerCommand::GeoSearch.servers(), "Redis 6.2 or Valkey 7.2");
    }
}
