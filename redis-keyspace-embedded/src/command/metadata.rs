//! The facts that COMMAND reports in addition to the tables. They are in `metadata.txt`, as a real
//! server reports them.

use std::collections::HashMap;
use std::sync::LazyLock;

/// A line of the file.
#[derive(Debug, Default)]
pub(super) struct Metadata {
    pub(super) since: &'static str,
    pub(super) group: &'static str,
    pub(super) flags: Vec<&'static str>,
    pub(super) categories: Vec<&'static str>,
    pub(super) tips: Vec<&'static str>,
    /// How the command uses its keys: one entry for all keys, or one per key.
    pub(super) key_uses: Vec<KeyUse>,
}

/// How a command uses a key or several keys, and where they are.
#[derive(Clone, Debug)]
pub(super) struct KeyUse {
    pub(super) flags: Vec<&'static str>,
    pub(super) place: KeyPlace,
}

/// Where keys are among the arguments, which include the name of the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyPlace {
    /// At the positions in the table of commands.
    Fixed,
    /// After this argument, which is their number.
    Counted(usize),
    /// After this word, in the first half of the arguments that follow it. `from` is the first
    /// position where the word can be.
    After { word: &'static str, from: usize },
    /// The argument after this word.
    Next { word: &'static str, from: usize },
}

impl KeyUse {
    fn parse(text: &'static str) -> Option<Self> {
        let (places, flags) = text
            .split_whitespace()
            .filter(|word| *word != "-")
            .partition::<Vec<_>, _>(|word| word.starts_with('@'));
        let mut place = KeyPlace::Fixed;
        if let Some(text) = places.first() {
            place = match text.split(':').collect::<Vec<_>>().as_slice() {
                ["@count", position] => KeyPlace::Counted(position.parse().ok()?),
                ["@after", word, from] => KeyPlace::After { word, from: from.parse().ok()? },
                ["@next", word, from] => KeyPlace::Next { word, from: from.parse().ok()? },
                _ => return None,
            };
        }
        Some(Self { flags, place })
    }
}

static METADATA: LazyLock<HashMap<&'static str, Metadata>> = LazyLock::new(|| {
    // A test checks that every line parses.
    lines().filter_map(parse).collect()
});

fn lines() -> impl Iterator<Item = &'static str> {
    include_str!("metadata.txt").lines().filter(|line| !line.starts_with('#'))
}

/// Returns the facts about a command or subcommand. `name` is its full name.
pub(super) fn metadata(name: &str) -> Option<&'static Metadata> {
    METADATA.get(name)
}

/// Whether COMMAND reports this flag for a command.
pub(super) fn has_flag(name: &str, flag: &str) -> bool {
    metadata(name).is_some_and(|metadata| metadata.flags.contains(&flag))
}

fn parse(line: &'static str) -> Option<(&'static str, Metadata)> {
    let columns: Vec<&str> = line.split(" / ").collect();
    let [name, origin, flags, categories, tips, keys] = <[_; 6]>::try_from(columns).ok()?;
    let (since, group) = origin.split_once(' ')?;
    let words = |text: &'static str| text.split_whitespace().filter(|word| *word != "-").collect::<Vec<_>>();
    let uses = keys.split(';').map(KeyUse::parse).collect::<Option<Vec<_>>>()?;
    let key_uses = uses.into_iter().filter(|uses| !uses.flags.is_empty()).collect();
    let (flags, categories, tips) = (words(flags), words(categories), words(tips));
    Some((name, Metadata { since, group, flags, categories, tips, key_uses }))
}

#[cfg(test)]
mod tests {
    use super::{METADATA, lines, parse};

    #[test]
    fn every_line_describes_a_different_command() {
        for line in lines() {
            assert!(parse(line).is_some(), "{line}");
        }
        assert_eq!(METADATA.len(), lines().count());
    }
}
