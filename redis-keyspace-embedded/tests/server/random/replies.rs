//! Compares replies, also those without a promised order and random ones.

use std::collections::BTreeSet;

use crate::raw::{children, sorted};

/// How the replies to a command are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Exact,
    /// The items have no promised order.
    Unordered,
    /// The pairs of items have no promised order.
    UnorderedPairs,
    /// A cursor and items without a promised order. `usize` is the length of an item.
    Page(usize),
    /// A time to live, which differs a little.
    Lifetime,
    /// How long a key was not used, which differs by as long as the machine is busy.
    IdleTime,
    /// Times are not compared.
    WithoutTimes,
    /// Random items.
    Random,
}

impl Comparison {
    pub(super) fn of(command: &[Vec<u8>]) -> Self {
        let name = command[0].to_ascii_uppercase();
        match name.as_slice() {
            b"SMEMBERS" | b"SINTER" | b"SUNION" | b"SDIFF" | b"KEYS" | b"HKEYS" | b"HVALS" => Self::Unordered,
            b"HGETALL" => Self::UnorderedPairs,
            b"SSCAN" => Self::Page(1),
            b"HSCAN" => {
                let fields_only = command.iter().any(|word| word.eq_ignore_ascii_case(b"novalues"));
                Self::Page(if fields_only { 1 } else { 2 })
            }
            b"SCAN" => Self::Page(1),
            b"TTL" | b"PTTL" | b"EXPIRETIME" | b"PEXPIRETIME" => Self::Lifetime,
            b"HTTL" | b"HPTTL" | b"HEXPIRETIME" | b"HPEXPIRETIME" => Self::Lifetime,
            b"SPOP" | b"SRANDMEMBER" | b"HRANDFIELD" => Self::Random,
            b"OBJECT" if command[1..].iter().any(|word| word.eq_ignore_ascii_case(b"idletime")) => {
                Self::IdleTime
            }
            b"XPENDING" | b"XINFO" => Self::WithoutTimes,
            _ => Self::Exact,
        }
    }

    /// Whether both replies are right.
    pub(super) fn agree(self, ours: &[u8], theirs: &[u8]) -> bool {
        match self {
            Self::Exact => ours == theirs,
            Self::Unordered => ours == theirs || sorted(ours) == sorted(theirs),
            Self::UnorderedPairs => chunks(ours, 2) == chunks(theirs, 2),
            Self::Page(size) => page(ours, size) == page(theirs, size),
            Self::Lifetime => lifetimes(ours) == lifetimes(theirs),
            Self::IdleTime => idle_days(ours) == idle_days(theirs),
            Self::WithoutTimes => without_times(ours) == without_times(theirs),
            // The caller compares the items with the members.
            Self::Random => shape(ours) == shape(theirs),
        }
    }
}

/// The header of a reply, and its items in sorted groups of `size`.
fn chunks(reply: &[u8], size: usize) -> (Vec<u8>, Vec<Vec<u8>>) {
    let (header, items) = children(reply);
    let mut groups: Vec<Vec<u8>> = items.chunks(size).map(<[_]>::concat).collect();
    groups.sort();
    (header, groups)
}

/// Errors and empty pages are compared as they are.
fn page(reply: &[u8], size: usize) -> (Vec<u8>, Vec<Vec<u8>>) {
    let (header, items) = children(reply);
    let [cursor, page] = items.as_slice() else { return (header, items) };
    let (size_of_page, items) = chunks(page, size);
    ([header, cursor.clone(), size_of_page].concat(), items)
}

/// Times become 1; other numbers and errors stay.
fn lifetimes(reply: &[u8]) -> Vec<Vec<u8>> {
    let (header, items) = children(reply);
    let about = |frame: Vec<u8>| {
        let is_time = frame.first() == Some(&b':') && frame.get(1) != Some(&b'-') && frame != b":0\r\n";
        if is_time { b":1\r\n".to_vec() } else { frame }
    };
    std::iter::once(header).chain(items).map(about).collect()
}

/// Whole days instead of seconds; other replies stay.
fn idle_days(reply: &[u8]) -> Vec<u8> {
    let number = reply.strip_prefix(b":").and_then(|rest| str::from_utf8(rest).ok());
    let seconds = number.and_then(|number| number.trim_end().parse::<u64>().ok());
    seconds.map_or_else(|| reply.to_vec(), |seconds| (seconds / 86_400).to_string().into_bytes())
}

/// Replaces times and idle times of streams in a reply, also in arrays within it.
fn without_times(reply: &[u8]) -> Vec<u8> {
    let (header, items) = children(reply);
    let is_pending = items.len() == 4 && items[0].first() == Some(&b'$') && items[2].first() == Some(&b':');
    let mut result = header;
    for (place, item) in items.iter().enumerate() {
        let name = place.checked_sub(1).map(|before| items[before].as_slice());
        let is_time = name == Some(b"$4\r\nidle\r\n") || name == Some(b"$9\r\nseen-time\r\n");
        let is_long = item.first() == Some(&b':') && item.len() > 13;
        if is_time || is_long || (is_pending && place == 2) {
            result.extend_from_slice(b"(time)");
        } else {
            result.extend(without_times(item));
        }
    }
    if items.is_empty() { reply.to_vec() } else { result }
}

/// Everything about a reply but its strings.
fn shape(reply: &[u8]) -> Vec<Vec<u8>> {
    let (header, items) = children(reply);
    match header.first() {
        Some(b'$') if header != b"$-1\r\n" => vec![b"$".to_vec()],
        Some(b'*' | b'~') => {
            std::iter::once(header).chain(items.iter().flat_map(|item| shape(item))).collect()
        }
        _ => vec![reply.to_vec()],
    }
}

/// The strings in a reply, also in arrays within it.
pub(super) fn strings(reply: &[u8]) -> Vec<Vec<u8>> {
    let (header, items) = children(reply);
    match header.first() {
        Some(b'$') if header != b"$-1\r\n" => {
            vec![reply.get(header.len()..reply.len() - 2).unwrap_or_default().to_vec()]
        }
        Some(b'*' | b'~') => items.iter().flat_map(|item| strings(item)).collect(),
        _ => Vec::new(),
    }
}

/// Whether the random items of a reply are among `members`, and all different if they have to be.
pub(super) fn are_members(items: &[Vec<u8>], members: &[Vec<u8>], distinct: bool) -> bool {
    let members: BTreeSet<_> = members.iter().collect();
    let different: BTreeSet<_> = items.iter().collect();
    different.is_subset(&members) && (!distinct || different.len() == items.len())
}
