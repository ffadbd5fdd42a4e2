//! Decides at compile time whether two templates can make the same key.
//!
//! A template is a deterministic automaton: literals, and arguments that end before a known byte
//! (the derive checks that). Two templates can make the same key if some text leads both automata
//! to their ends. The search visits pairs of states in breadth-first order. It finds the shortest
//! example, or that none exists.
//!
//! The compiler interprets this code. It uses indices, because the compiler runs methods of slices
//! and strings ten times slower.

#![expect(clippy::indexing_slicing, reason = "`get` is not const, and all of this runs at compile time")]

mod automaton;
mod candidates;
mod search;
mod text;

use automaton::PiecePlace;
use candidates::Candidates;
pub(crate) use search::overlap_behind;
pub use text::ConstText;

use crate::key::piece::Piece;

/// The number of bytes of an example that are kept.
const LONGEST: usize = 160;
/// The number of pairs of states that the first search visits, and the maximum. Few pairs of
/// templates need more than a hundred.
const FEW: usize = 128;
const MOST: usize = 16_384;

/// The result of comparing two templates.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Overlap {
    /// No key belongs to both.
    Nothing,
    /// Both can make this key.
    Key(ConstText<LONGEST>),
    /// The search reached its limit.
    Unknown,
}

#[derive(Clone, Copy)]
struct SearchNode {
    one: PiecePlace,
    other: PiecePlace,
    /// The node from which `byte` leads here.
    before: u16,
    byte: u8,
}

/// Converts the index of a node, which is at most [`MOST`].
#[expect(clippy::cast_possible_truncation, reason = "`try_from` is not const")]
const fn index(node: usize) -> u16 {
    node as u16
}

/// Returns the first piece where two templates differ, or `None` if they have no key in common.
/// While the pieces are the same, both automata are in the same state, so the search can skip them.
const fn first_difference(one: &[Piece], other: &[Piece]) -> Option<usize> {
    let mut at = 0;
    while at < one.len() && at < other.len() {
        match (&one[at], &other[at]) {
            (Piece::Literal(text), Piece::Literal(others)) => {
                let (text, others) = (text.as_bytes(), others.as_bytes());
                if differ(text, others, 0) {
                    return None;
                }
                if text.len() != others.len() {
                    return Some(at);
                }
            }
            (Piece::Argument(argument), Piece::Argument(others)) if argument.class.is_same(others.class) => {}
            _ => return Some(at),
        }
        at += 1;
    }
    Some(at)
}

/// Whether the literals at the ends of two templates differ, compared from the end.
const fn end_differently(one: &[Piece], other: &[Piece]) -> bool {
    let ([.., Piece::Literal(one)], [.., Piece::Literal(other)]) = (one, other) else { return false };
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() < other.len() {
        differ(one, other, other.len() - one.len())
    } else {
        differ(other, one, one.len() - other.len())
    }
}

/// Whether two strings differ where both have bytes, if `text` starts at `from` in `other`.
const fn differ(text: &[u8], other: &[u8], from: usize) -> bool {
    let rest = other.len() - from;
    let mut at = if text.len() < rest { text.len() } else { rest };
    // Backwards: templates of one keyspace have the same prefix, so they differ late.
    while at > 0 {
        at -= 1;
        if text[at] != other[from + at] {
            return true;
        }
    }
    false
}

/// Returns whether two templates can make the same key.
pub(crate) const fn overlap(one: &[Piece], other: &[Piece]) -> Overlap {
    if end_differently(one, other) {
        return Overlap::Nothing;
    }
    let Some(from) = first_difference(one, other) else { return Overlap::Nothing };
    // Most searches are short, and a large table costs compile time even if it stays empty.
    match search::<FEW, { FEW * 2 }>(one, other, from) {
        Overlap::Unknown => search::<MOST, { MOST * 2 }>(one, other, from),
        found => found,
    }
}

/// Searches the pairs of states. Both templates are equal before the piece `from`. An example is
/// always a whole key.
const fn search<const NODES: usize, const PLACES: usize>(
    one: &[Piece],
    other: &[Piece],
    from: usize,
) -> Overlap {
    let place = PiecePlace::at(from);
    let mut nodes = [SearchNode { one: place, other: place, before: 0, byte: 0 }; NODES];
    // A hash table of the nodes. An entry is the index of a node plus 1; 0 means empty.
    let mut table = [0_u16; PLACES];
    table[nodes[0].hash() % PLACES] = 1;
    let (mut count, mut next) = (1, 0);
    while next < count {
        let node = nodes[next];
        if node.one.is_end(one) && node.other.is_end(other) {
            if from == 0 {
                return Overlap::Key(ConstText::leading_to(&nodes, next));
            }
            return search::<NODES, PLACES>(one, other, 0);
        }
        let candidates = Candidates::of(node.one, one, node.other, other);
        let mut nth = 0;
        while nth < candidates.count {
            let byte = candidates.bytes[nth];
            nth += 1;
            let (Some(after_one), Some(after_other)) =
                (node.one.step(one, byte), node.other.step(other, byte))
            else {
                continue;
            };
            let found = SearchNode { one: after_one, other: after_other, before: index(next), byte };
            let mut at = found.hash() % PLACES;
            while table[at] != 0 && !nodes[table[at] as usize - 1].is(found) {
                at = if at + 1 == PLACES { 0 } else { at + 1 };
            }
            if table[at] != 0 {
                continue;
            }
            if count == NODES {
                return Overlap::Unknown;
            }
            nodes[count] = found;
            count += 1;
            table[at] = index(count);
        }
        next += 1;
    }
    Overlap::Nothing
}

impl SearchNode {
    const fn is(&self, other: Self) -> bool {
        self.one.is(other.one) && self.other.is(other.other)
    }

    /// A hash of the node.
    const fn hash(&self) -> usize {
        let one = (self.one.state as usize).wrapping_mul(31).wrapping_add(self.one.piece as usize);
        let other = (self.other.state as usize).wrapping_mul(37).wrapping_add(self.other.piece as usize);
        one.wrapping_mul(0x9e37).wrapping_add(other.wrapping_mul(0x79b9)) >> 3
    }
}

impl<const CAPACITY: usize> ConstText<CAPACITY> {
    /// Returns the bytes on the path from the start to a node.
    const fn leading_to(nodes: &[SearchNode], node: usize) -> Self {
        let (mut length, mut at) = (0, node);
        while at != 0 {
            length += 1;
            at = nodes[at].before as usize;
        }
        let mut text = Self::EMPTY;
        text.length = if length < CAPACITY { length } else { CAPACITY };
        let mut at = node;
        while at != 0 {
            length -= 1;
            if length < CAPACITY {
                text.bytes[length] = nodes[at].byte;
            }
            at = nodes[at].before as usize;
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::key::class::START;
    use crate::key::{ArgumentClass, ArgumentMeta, KeyArgument, capture};

    const U8: ArgumentClass = u8::CLASS;
    const TEXT: ArgumentClass = ArgumentClass::TEXT;
    const HEX: ArgumentClass = ArgumentClass::alphabet("0123456789abcdef", 2, 4);
    const WORDS: ArgumentClass = ArgumentClass::one_of(&["me", "men", "7", "true"]);
    const UNBOUNDED: u16 = u16::MAX;
    const UUID: ArgumentClass = ArgumentClass::shape("xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
    const ORDER: ArgumentClass = ArgumentClass::shape("ord_xxxx");

    fn argument(class: ArgumentClass) -> Piece {
        Piece::Argument(ArgumentMeta::new("a", "A", class))
    }

    fn example(one: &[Piece], other: &[Piece]) -> Option<String> {
        match overlap(one, other) {
            Overlap::Nothing => None,
            Overlap::Key(text) => Some(text.as_str().to_owned()),
            Overlap::Unknown => panic!("the search gave up"),
        }
    }

    #[test]
    fn overlaps_are_found_exactly() {
        use Piece::Literal;
        let (u64, i64, text) = (argument(u64::CLASS), argument(i64::CLASS), argument(TEXT));
        let cases: &[(&[Piece], &[Piece], Option<&str>)] = &[
            (&[Literal("user:"), argument(TEXT)], &[Literal("user:me")], Some("user:me")),
            (&[Literal("user:"), u64], &[Literal("user:me")], None),
            (&[Literal("user:"), u64], &[Literal("user:"), argument(TEXT)], Some("user:0")),
            (&[Literal("user:"), u64], &[Literal("user:"), argument(bool::CLASS)], None),
            (&[Literal("user:"), argument(U8)], &[Literal("user:255")], Some("user:255")),
            (&[Literal("user:"), argument(U8)], &[Literal("user:256")], None),
            (&[Literal("user:"), argument(U8)], &[Literal("user:007")], None),
            (&[Literal("user:"), argument(i8::CLASS)], &[Literal("user:-128")], Some("user:-128")),
            (&[Literal("user:"), argument(i8::CLASS)], &[Literal("user:-129")], None),
            (&[Literal("user:"), argument(i8::CLASS)], &[Literal("user:-0")], None),
            (&[Literal("n:"), argument(std::num::NonZero::<u8>::CLASS)], &[Literal("n:0")], None),
            (&[Literal("user:"), u64], &[Literal("user:"), u64, Literal(":views")], None),
            (
                &[Literal("a:"), argument(TEXT), Literal(":x")],
                &[Literal("a:"), u64, Literal(":"), argument(TEXT)],
                Some("a:0:x"),
            ),
            (&[Literal("a:"), argument(TEXT), Literal(":x")], &[Literal("a:"), u64, Literal(":y")], None),
            (&[argument(ArgumentClass::RAW)], &[Literal("a:"), u64], Some("a:0")),
            (&[Literal("c:"), argument(char::CLASS)], &[Literal("c:é")], Some("c:é")),
            (&[Literal("c:"), argument(char::CLASS)], &[Literal("c:me")], None),
            (&[Literal("w:"), argument(WORDS)], &[Literal("w:men")], Some("w:men")),
            (&[Literal("w:"), argument(WORDS)], &[Literal("w:tr")], None),
            // Shapes, and sequences of numbers that no shape contains.
            (&[Literal("i:"), argument(UUID)], &[Literal("i:"), u64], None),
            (
                &[Literal("i:"), argument(UUID), Literal(":x")],
                &[Literal("i:"), u64, Literal("-"), u64, Literal(":x")],
                None,
            ),
            (
                &[Literal("i:"), argument(UUID)],
                &[Literal("i:"), argument(TEXT)],
                Some("i:aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"),
            ),
            // The letters of a shape that are no digits.
            (
                &[Literal("o:"), argument(ORDER)],
                &[Literal("o:"), argument(ArgumentClass::alphabet("abcdefghijklmnopqrstuvwxyz_", 1, 40))],
                Some("o:ord_aaaa"),
            ),
            (
                &[Literal("o:"), argument(ORDER)],
                &[Literal("o:"), argument(ArgumentClass::one_of(&["ord_", "ord_beef", "ord_beer"]))],
                Some("o:ord_beef"),
            ),
            (
                &[Literal("o:"), argument(ORDER)],
                &[Literal("o:"), argument(ArgumentClass::shape("ord_7xxx"))],
                Some("o:ord_7000"),
            ),
            (
                &[Literal("o:"), argument(ORDER)],
                &[Literal("o:"), argument(ArgumentClass::RAW)],
                Some("o:ord_aaaa"),
            ),
            (&[Literal("o:"), argument(ORDER)], &[Literal("o:"), argument(HEX)], None),
            (
                &[Literal("o:"), argument(ORDER)],
                &[Literal("o:"), argument(ArgumentClass::shape("orx_xxxx"))],
                Some("o:ord_0000"),
            ),
            (&[Literal("h:"), argument(ArgumentClass::V4)], &[Literal("h:"), u64], None),
            (&[Literal("h:"), argument(ArgumentClass::V4)], &[Literal("h:10.0.0.255")], Some("h:10.0.0.255")),
            (&[Literal("h:"), argument(ArgumentClass::V4)], &[Literal("h:10.0.0.256")], None),
            (&[Literal("h:"), argument(ArgumentClass::V4)], &[Literal("h:10.0.00.1")], None),
            (&[Literal("h:"), argument(ArgumentClass::V6)], &[Literal("h:"), argument(HEX)], None),
            (
                &[Literal("h:"), argument(ArgumentClass::V6)],
                &[Literal("h:"), argument(TEXT)],
                Some("h:%3A%3A"),
            ),
            (
                &[Literal("h:"), argument(ArgumentClass::ADDRESS), Literal(":y")],
                &[Literal("h:"), u64, Literal("."), u64, Literal(":x")],
                None,
            ),
            // After equal beginnings.
            (&[Literal("t:"), text, Literal(":a:"), u64], &[Literal("t:"), text, Literal(":ab:"), u64], None),
            (
                &[Literal("t:"), text, Literal(":a:"), u64],
                &[Literal("t:"), text, Literal(":a:"), text],
                Some("t:a:a:0"),
            ),
            (&[Literal("t:"), text, Literal(":a")], &[Literal("t:"), text], None),
            // Many arguments of different classes. Only the ends differ.
            (
                &[
                    Literal("p:"),
                    i64,
                    Literal(":"),
                    i64,
                    Literal(":"),
                    argument(WORDS),
                    Literal(":"),
                    i64,
                    Literal(":x"),
                ],
                &[
                    Literal("p:"),
                    text,
                    Literal(":"),
                    text,
                    Literal(":"),
                    text,
                    Literal(":"),
                    text,
                    Literal(":y"),
                ],
                None,
            ),
            (&[Literal("p:"), i64, Literal(":x")], &[Literal("p:"), u64, Literal(":y")], None),
            (&[Literal("p:"), i64], &[Literal("p:"), argument(WORDS)], Some("p:7")),
        ];
        for (one, other, expected) in cases {
            assert_eq!(example(one, other).as_deref(), *expected, "{one:?} {other:?}");
            assert_eq!(example(other, one).is_some(), expected.is_some(), "{other:?} {one:?}");
        }
    }

    #[test]
    fn a_long_example_is_cut() {
        static LONG: [u8; 300] = [b'a'; 300];
        let long = Piece::Literal(str::from_utf8(&LONG).unwrap());
        assert_eq!(example(&[long], &[long]).unwrap().len(), LONGEST);
        // An odd number of bytes, so the cut is within a character.
        let umlauts = Piece::Literal(format!("x{}", "ä".repeat(100)).leak());
        let cut = example(&[umlauts], &[umlauts]).unwrap();
        assert!(cut.len() == LONGEST - 1 && cut.starts_with("xää"), "{cut}");
    }

    /// Templates that the derive accepts: an argument between two literals ends before the second.
    fn template() -> impl Strategy<Value = Vec<Piece>> {
        let literal = prop::sample::select(vec![
            "a:", "b", "a", ":", ":7", "me", ":me", "-", "x:1:", "0", ".", "::", "%",
        ]);
        let class = prop::sample::select(vec![
            U8,
            TEXT,
            HEX,
            WORDS,
            i8::CLASS,
            bool::CLASS,
            char::CLASS,
            ArgumentClass::RAW,
            u64::CLASS,
            ArgumentClass::V4,
            ArgumentClass::V6,
            ArgumentClass::ADDRESS,
            ArgumentClass::shape("xx-7"),
            ArgumentClass::shape("T_xx"),
            ArgumentClass::shape("Txme"),
            ArgumentClass::one_of(&["T_a7", "T_me", "T7me", "me"]),
            ArgumentClass::alphabet("T_a7me", 1, 4),
            ArgumentClass::alphabet("me", 1, 3),
            ArgumentClass::alphabet("a7", 2, UNBOUNDED),
        ]);
        prop::collection::vec((literal, class), 1..4).prop_map(|parts| {
            let mut pieces: Vec<Piece> = Vec::new();
            for (literal, class) in parts {
                match pieces.last() {
                    Some(Piece::Argument(before)) if !before.class.ends_before(literal.as_bytes()[0]) => {
                        break;
                    }
                    _ => pieces.push(Piece::Literal(literal)),
                }
                pieces.push(argument(class));
            }
            pieces
        })
    }

    /// Creates a key of the template from this seed, if the random choices lead to one.
    fn key(pieces: &[Piece], seed: u64) -> Option<String> {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut key = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Literal(text) => key.extend(text.bytes()),
                Piece::Argument(argument) => {
                    let (mut state, mut length) = (START, 0);
                    while !argument.class.accepts(state) || (random.bool() && length < 6) {
                        let step = |&byte: &u8| Some((byte, argument.class.step(state, byte)?));
                        let steps: Vec<_> = b"me7-0true:1ax.%3AT_".iter().filter_map(step).collect();
                        let Some(&(byte, next)) = random.choice(&steps) else { break };
                        key.push(byte);
                        (state, length) = (next, length + 1);
                    }
                    if !argument.class.accepts(state) {
                        return None;
                    }
                }
            }
        }
        String::from_utf8(key).ok()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn an_example_is_a_key_of_both(one in template(), other in template()) {
            if let Some(example) = example(&one, &other) {
                prop_assert!(capture(&one, &example).is_some(), "{:?} in {:?}", example, one);
                prop_assert!(capture(&other, &example).is_some(), "{:?} in {:?}", example, other);
            }
        }

        #[test]
        fn every_common_key_is_found(one in template(), other in template(), seed: u64) {
            for nth in 0..50 {
                let Some(key) = key(&one, seed.wrapping_add(nth)) else { continue };
                if capture(&other, &key).is_some() {
                    prop_assert!(example(&one, &other).is_some(), "{:?} is a key of {:?} and {:?}", key, one, other);
                }
            }
        }

        /// The searches at run time and at compile time agree.
        #[test]
        fn both_searches_agree(one in template(), other in template()) {
            let found = match overlap_behind(&one, "", &other) {
                Overlap::Nothing => None,
                Overlap::Key(text) => Some(text.as_str().to_owned()),
                Overlap::Unknown => panic!("the search gave up"),
            };
            prop_assert_eq!(found.is_some(), example(&one, &other).is_some(), "{:?} {:?}", one, other);
            if let Some(key) = found {
                prop_assert!(capture(&one, &key).is_some() && capture(&other, &key).is_some(), "{:?}", key);
            }
        }

        #[test]
        fn a_text_before_equals_a_leading_literal(one in template(), other in template()) {
            for before in ["a:", ":", "me:", "x:1:"] {
                let mut longer = vec![Piece::Literal(before)];
                longer.extend(&other);
                let found = matches!(overlap_behind(&one, before, &other), Overlap::Key(_));
                prop_assert_eq!(found, example(&one, &longer).is_some(), "{:?} {:?} {:?}", one, before, other);
            }
        }

        #[test]
        fn every_key_parses(one in template(), seed: u64) {
            if let Some(key) = key(&one, seed) {
                prop_assert!(capture(&one, &key).is_some(), "{:?} of {:?}", key, one);
            }
        }
    }
}
