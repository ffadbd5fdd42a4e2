//! The settings of CONFIG and their valid values.

use std::ops::RangeInclusive;

use bytes::Bytes;

use crate::limits::{OutputLimit, OutputLimits};
use crate::notices::EventClasses;
use crate::number::{parse_i64, strtoll};

/// A setting. Settings for memory, disk and timeouts are stored, but have no effect.
pub(super) struct Setting {
    pub(super) name: &'static str,
    /// The name that its value is stored under. Some settings have an older name, too.
    pub(super) stored: &'static str,
    pub(super) default: &'static str,
    /// The kind of its values. `None` means that it cannot be set.
    pub(super) kind: Option<SettingKind>,
}

pub(super) enum SettingKind {
    YesOrNo,
    /// A whole number. If an accepted number is outside of `kept`, the nearest number in that range
    /// is stored.
    Number {
        accepted: RangeInclusive<i64>,
        kept: RangeInclusive<i64>,
    },
    /// A number of bytes.
    Memory(RangeInclusive<u64>),
    OneOf(&'static [&'static str]),
    SavePoints,
    OutputLimits,
    EventClasses,
}

/// A valid value.
pub(super) enum Checked {
    /// The value as CONFIG GET shows it.
    Text(Bytes),
    OutputLimits(Vec<LimitChange>),
    EventClasses(EventClasses),
}

/// The error of a real server for an invalid value.
pub(super) type Reason = std::borrow::Cow<'static, str>;

const ANY: RangeInclusive<i64> = 0..=0x7FFF_FFFF;
const POSITIVE: RangeInclusive<i64> = 1..=0x7FFF_FFFF;
const SIGNED: RangeInclusive<i64> = -0x8000_0000..=0x7FFF_FFFF;
const SIZE: SettingKind = SettingKind::Number { accepted: 0..=i64::MAX, kept: 0..=i64::MAX };
const BYTES: SettingKind = SettingKind::Memory(0..=9_223_372_036_854_775_807);

pub(super) const SETTINGS: &[Setting] = &[
    setting("appendonly", "no", SettingKind::YesOrNo),
    setting("client-output-buffer-limit", "", SettingKind::OutputLimits),
    setting(
        "client-query-buffer-limit",
        "1073741824",
        SettingKind::Memory(1024 * 1024..=9_223_372_036_854_775_807),
    ),
    Setting { name: "databases", stored: "databases", default: "", kind: None },
    setting("hash-max-listpack-entries", "512", SIZE),
    setting("hash-max-listpack-value", "64", BYTES),
    older_name("hash-max-ziplist-entries", "hash-max-listpack-entries", "512", SIZE),
    older_name("hash-max-ziplist-value", "hash-max-listpack-value", "64", BYTES),
    setting("hll-sparse-max-bytes", "3000", BYTES),
    setting("hz", "10", SettingKind::Number { accepted: ANY, kept: 1..=500 }),
    setting("lazyfree-lazy-user-del", "no", SettingKind::YesOrNo),
    setting("list-compress-depth", "0", SettingKind::Number { accepted: ANY, kept: ANY }),
    setting("list-max-listpack-size", "-2", SettingKind::Number { accepted: SIGNED, kept: SIGNED }),
    older_name(
        "list-max-ziplist-size",
        "list-max-listpack-size",
        "-2",
        SettingKind::Number { accepted: SIGNED, kept: SIGNED },
    ),
    setting("maxmemory", "0", SettingKind::Memory(0..=u64::MAX)),
    setting("maxmemory-policy", "noeviction", SettingKind::OneOf(POLICIES)),
    setting("maxmemory-samples", "5", SettingKind::Number { accepted: POSITIVE, kept: POSITIVE }),
    setting("notify-keyspace-events", "", SettingKind::EventClasses),
    setting("proto-max-bulk-len", "536870912", SettingKind::Memory(1024 * 1024..=9_223_372_036_854_775_807)),
    setting("save", "", SettingKind::SavePoints),
    setting("set-max-intset-entries", "512", SIZE),
    setting("stream-node-max-bytes", "4096", BYTES),
    setting("stream-node-max-entries", "100", SIZE),
    setting("tcp-keepalive", "300", SettingKind::Number { accepted: ANY, kept: ANY }),
    setting("timeout", "0", SettingKind::Number { accepted: ANY, kept: ANY }),
    setting("zset-max-listpack-entries", "128", SIZE),
    setting("zset-max-listpack-value", "64", BYTES),
    older_name("zset-max-ziplist-entries", "zset-max-listpack-entries", "128", SIZE),
    older_name("zset-max-ziplist-value", "zset-max-listpack-value", "64", BYTES),
];

const POLICIES: &[&str] = &[
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "noeviction",
];

const fn setting(name: &'static str, default: &'static str, kind: SettingKind) -> Setting {
    Setting { name, stored: name, default, kind: Some(kind) }
}

const fn older_name(
    name: &'static str,
    stored: &'static str,
    default: &'static str,
    kind: SettingKind,
) -> Setting {
    Setting { name, stored, default, kind: Some(kind) }
}

impl Setting {
    /// Finds a setting by its name, case-insensitively.
    pub(super) fn by_name(name: &[u8]) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.name.as_bytes().eq_ignore_ascii_case(name))
    }

    /// Whether this is the setting of the output limits, which are stored separately.
    pub(super) fn is_output_limits(&self) -> bool {
        matches!(self.kind, Some(SettingKind::OutputLimits))
    }

    /// Whether this is the setting of the events of keys, which are stored separately.
    pub(super) fn is_event_classes(&self) -> bool {
        matches!(self.kind, Some(SettingKind::EventClasses))
    }
}

impl SettingKind {
    /// Checks a value.
    pub(super) fn check(&self, value: &[u8]) -> Result<Checked, Reason> {
        let text = match self {
            Self::YesOrNo => one_of(value, &["yes", "no"]).ok_or("argument must be 'yes' or 'no'")?.into(),
            Self::Number { accepted, kept } => {
                let number = parse_i64(value).ok_or("argument couldn't be parsed into an integer")?;
                within(number, accepted)?;
                number.clamp(*kept.start(), *kept.end()).to_string()
            }
            Self::Memory(accepted) => {
                let bytes = memory(value).ok_or("argument must be a memory value")?;
                within(bytes, accepted)?;
                bytes.to_string()
            }
            Self::OneOf(words) => {
                let wrong = || format!("argument(s) must be one of the following: {}", words.join(", "));
                one_of(value, words).ok_or_else(wrong)?.into()
            }
            Self::SavePoints => save_points(value).ok_or("Invalid save parameters")?,
            Self::EventClasses => {
                let classes = EventClasses::parse(c_string(value));
                let classes = classes.ok_or("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")?;
                return Ok(Checked::EventClasses(classes));
            }
            Self::OutputLimits => return Ok(Checked::OutputLimits(parse_output_limits(value)?)),
        };
        Ok(Checked::Text(text.into()))
    }
}

fn within<T: Ord + std::fmt::Display>(number: T, accepted: &RangeInclusive<T>) -> Result<(), Reason> {
    if accepted.contains(&number) {
        return Ok(());
    }
    Err(format!("argument must be between {} and {} inclusive", accepted.start(), accepted.end()).into())
}

/// Returns the text up to the first zero byte. A real server treats most values as C strings, but
/// not plain numbers.
fn c_string(value: &[u8]) -> &[u8] {
    value.split(|&byte| byte == 0).next().unwrap_or_default()
}

fn one_of(value: &[u8], words: &[&'static str]) -> Option<&'static str> {
    words.iter().find(|word| word.as_bytes().eq_ignore_ascii_case(c_string(value))).copied()
}

/// Parses a number of bytes with a unit. As on a real server, no digits mean 0, a number that is
/// too large becomes the maximum, and the product with the unit wraps around.
fn memory(value: &[u8]) -> Option<u64> {
    let value = c_string(value);
    let end = value.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(value.len());
    let (digits, unit) = value.split_at_checked(end)?;
    let factor = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1024,
        b"m" => 1_000_000,
        b"mb" => 1024 * 1024,
        b"g" => 1_000_000_000,
        b"gb" => 1024 * 1024 * 1024,
        _ => return None,
    };
    (digits.len() < 128).then_some(())?;
    let digits = std::str::from_utf8(digits).ok()?;
    let number = if digits.is_empty() { 0 } else { digits.parse().unwrap_or(u64::MAX) };
    Some(u64::wrapping_mul(number, factor))
}

/// Splits at single spaces.
fn words(value: &[u8]) -> Vec<&[u8]> {
    if value.is_empty() { Vec::new() } else { value.split(|&byte| byte == b' ').collect() }
}

/// Keeps the lowest 32 bits, like a conversion to `int` in C.
fn to_int(number: i64) -> i32 {
    let [a, b, c, d, ..] = number.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

/// Parses pairs of seconds, at least 1, and changes, at least 0.
fn save_points(value: &[u8]) -> Option<String> {
    let words = words(value);
    let (pairs, []) = words.as_chunks() else { return None };
    let points = pairs.iter().map(|[seconds, changes]| {
        let (seconds, changes) = (strtoll(c_string(seconds))?, strtoll(c_string(changes))?);
        // The values are checked before they are truncated.
        (seconds >= 1 && changes >= 0).then(|| format!("{seconds} {}", to_int(changes)))
    });
    Some(points.collect::<Option<Vec<_>>>()?.join(" "))
}

/// Selects the limit of a class.
type Class = fn(&OutputLimits) -> &OutputLimit;

/// A class with its hard limit, soft limit and seconds.
pub(super) type LimitChange = (Class, [u64; 3]);

/// Parses classes with their limits.
fn parse_output_limits(value: &[u8]) -> Result<Vec<LimitChange>, Reason> {
    let words = words(value);
    let (limits, []) = words.as_chunks() else {
        return Err("Wrong number of arguments in buffer limit configuration.".into());
    };
    let limit = |[class, hard, soft, seconds]: &[&[u8]; 4]| {
        let class: Class = match c_string(class).to_ascii_lowercase().as_slice() {
            b"normal" => |limits| &limits.normal,
            b"slave" | b"replica" => |limits| &limits.replica,
            b"pubsub" => |limits| &limits.subscribed,
            _ => return Err("Invalid client class specified in buffer limit configuration.".into()),
        };
        let seconds = strtoll(c_string(seconds)).and_then(|seconds| u64::try_from(to_int(seconds)).ok());
        let numbers = (memory(hard), memory(soft), seconds);
        let (Some(hard), Some(soft), Some(seconds)) = numbers else {
            return Err("Error in hard, soft or soft_seconds setting in buffer limit configuration.".into());
        };
        Ok((class, [hard, soft, seconds]))
    };
    limits.iter().map(limit).collect()
}

/// Applies changes. Classes without a change keep their limits.
pub(super) fn set_output_limits(limits: &OutputLimits, changes: Vec<LimitChange>) {
    for (class, numbers) in changes {
        class(limits).set(numbers);
    }
    limits.announce_change();
}

/// Returns the limits as CONFIG GET shows them.
pub(super) fn show_output_limits(limits: &OutputLimits) -> String {
    let show = |class: &str, limit: &OutputLimit| {
        let [hard, soft, seconds] = limit.get();
        format!("{class} {hard} {soft} {seconds}")
    };
    let classes = [("normal", &limits.normal), ("slave", &limits.replica), ("pubsub", &limits.subscribed)];
    classes.map(|(class, limit)| show(class, limit)).join(" ")
}
