//! The settings of CONFIG, and the values that they take.

use bytes::Bytes;

use crate::limits::{OutputLimit, OutputLimits};
use crate::number::parse_i64;

/// A setting. Those for memory, disk and timeouts are kept, but have no effect.
pub(super) struct Setting {
    pub(super) name: &'static str,
    pub(super) default: &'static str,
    kind: SettingKind,
}

enum SettingKind {
    YesOrNo,
    /// A whole number from the first to the second, kept within the third and the fourth.
    Number([i64; 2], [i64; 2]),
    /// A number of bytes, at least and at most.
    Memory(u64, u64),
    OneOf(&'static [&'static str]),
    SavePoints,
    OutputLimits,
    Immutable,
}

/// Why a value is not accepted, as a real server says it.
pub(super) type Reason = std::borrow::Cow<'static, str>;

const ANY: [i64; 2] = [0, 0x7FFF_FFFF];
const POSITIVE: [i64; 2] = [1, 0x7FFF_FFFF];

pub(super) const SETTINGS: &[Setting] = &[
    setting("appendonly", "no", SettingKind::YesOrNo),
    setting("client-output-buffer-limit", "", SettingKind::OutputLimits),
    setting(
        "client-query-buffer-limit",
        "1073741824",
        SettingKind::Memory(1024 * 1024, 9_223_372_036_854_775_807),
    ),
    setting("databases", "", SettingKind::Immutable),
    setting("hz", "10", SettingKind::Number(ANY, [1, 500])),
    setting("lazyfree-lazy-user-del", "no", SettingKind::YesOrNo),
    setting("maxmemory", "0", SettingKind::Memory(0, u64::MAX)),
    setting("maxmemory-policy", "noeviction", SettingKind::OneOf(POLICIES)),
    setting("maxmemory-samples", "5", SettingKind::Number(POSITIVE, POSITIVE)),
    setting("save", "", SettingKind::SavePoints),
    setting("tcp-keepalive", "300", SettingKind::Number(ANY, ANY)),
    setting("timeout", "0", SettingKind::Number(ANY, ANY)),
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
    Setting { name, default, kind }
}

impl Setting {
    /// Finds a setting by its name, in either case.
    pub(super) fn by_name(name: &[u8]) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.name.as_bytes().eq_ignore_ascii_case(name))
    }

    pub(super) fn is_immutable(&self) -> bool {
        matches!(self.kind, SettingKind::Immutable)
    }

    /// Whether its value is a change of the limits, which are kept apart.
    pub(super) fn is_output_limits(&self) -> bool {
        matches!(self.kind, SettingKind::OutputLimits)
    }

    /// Checks a value and returns it as CONFIG GET shows it.
    pub(super) fn check(&self, value: &[u8]) -> Result<Bytes, Reason> {
        let text = match self.kind {
            SettingKind::YesOrNo => {
                one_of(value, &["yes", "no"]).ok_or("argument must be 'yes' or 'no'")?.into()
            }
            SettingKind::Number([least, most], [lowest, highest]) => {
                let number = parse_i64(value).ok_or("argument couldn't be parsed into an integer")?;
                within(number, least, most)?;
                number.clamp(lowest, highest).to_string()
            }
            SettingKind::Memory(least, most) => {
                let bytes = memory(value).ok_or("argument must be a memory value")?;
                within(bytes, least, most)?;
                bytes.to_string()
            }
            SettingKind::OneOf(words) => {
                let wrong = || format!("argument(s) must be one of the following: {}", words.join(", "));
                one_of(value, words).ok_or_else(wrong)?.into()
            }
            SettingKind::SavePoints => save_points(value).ok_or("Invalid save parameters")?,
            SettingKind::OutputLimits => {
                parse_output_limits(value)?;
                return Ok(Bytes::copy_from_slice(value));
            }
            SettingKind::Immutable => return Err("can't set immutable config".into()),
        };
        Ok(text.into())
    }
}

fn within<T: Ord + std::fmt::Display>(number: T, least: T, most: T) -> Result<(), Reason> {
    if number >= least && number <= most {
        return Ok(());
    }
    Err(format!("argument must be between {least} and {most} inclusive").into())
}

fn one_of(value: &[u8], words: &[&'static str]) -> Option<&'static str> {
    words.iter().find(|word| word.as_bytes().eq_ignore_ascii_case(value)).copied()
}

/// Parses a number of bytes with a unit. As on a real server, nothing is 0, a number that is too long
/// is the highest, and a product that is too high wraps around.
fn memory(value: &[u8]) -> Option<u64> {
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

fn whole(word: &[u8]) -> Option<i64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

/// Parses pairs of seconds, at least 1, and changes, at least 0.
fn save_points(value: &[u8]) -> Option<String> {
    let words = words(value);
    let (pairs, []) = words.as_chunks() else { return None };
    let points = pairs.iter().map(|[seconds, changes]| {
        let (seconds, changes) = (whole(seconds)?, whole(changes)?);
        (seconds >= 1 && changes >= 0).then(|| format!("{seconds} {changes}"))
    });
    Some(points.collect::<Option<Vec<_>>>()?.join(" "))
}

/// Selects the limit of a class.
type Class = fn(&OutputLimits) -> &OutputLimit;

/// Parses classes with their limits.
fn parse_output_limits(value: &[u8]) -> Result<Vec<(Class, [u64; 3])>, Reason> {
    let words = words(value);
    let (limits, []) = words.as_chunks() else {
        return Err("Wrong number of arguments in buffer limit configuration.".into());
    };
    let limit = |[class, hard, soft, seconds]: &[&[u8]; 4]| {
        let class: Class = match class.to_ascii_lowercase().as_slice() {
            b"normal" => |limits| &limits.normal,
            b"slave" | b"replica" => |limits| &limits.replica,
            b"pubsub" => |limits| &limits.subscribed,
            _ => return Err("Invalid client class specified in buffer limit configuration.".into()),
        };
        let seconds = whole(seconds).and_then(|seconds| u64::try_from(seconds).ok());
        let numbers = (memory(hard), memory(soft), seconds);
        let (Some(hard), Some(soft), Some(seconds)) = numbers else {
            return Err("Error in hard, soft or soft_seconds setting in buffer limit configuration.".into());
        };
        Ok((class, [hard, soft, seconds]))
    };
    limits.iter().map(limit).collect()
}

/// Applies a value that was checked before. Classes that it does not name keep their limits.
pub(super) fn set_output_limits(limits: &OutputLimits, value: &[u8]) {
    for (class, numbers) in parse_output_limits(value).unwrap_or_default() {
        class(limits).set(numbers);
    }
}

pub(super) fn show_output_limits(limits: &OutputLimits) -> String {
    let show = |class: &str, limit: &OutputLimit| {
        let [hard, soft, seconds] = limit.get();
        format!("{class} {hard} {soft} {seconds}")
    };
    let classes = [("normal", &limits.normal), ("slave", &limits.replica), ("pubsub", &limits.subscribed)];
    classes.map(|(class, limit)| show(class, limit)).join(" ")
}
