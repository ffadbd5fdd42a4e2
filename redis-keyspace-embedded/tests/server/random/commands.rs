//! Random commands from templates.

use proptest::prelude::*;

/// The words that random commands of a family are made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Family {
    pub(crate) name: &'static str,
    /// Words in capitals are sent as they are, with these exceptions: `K` is a key, `E` an element,
    /// `I` an integer, `N` a small count, `X` anything. `+` means one or more, `#K` keys after
    /// their number, `a|b` either, and `[..]` an optional part.
    pub(crate) templates: &'static [&'static str],
    pub(crate) keys: &'static [&'static str],
    pub(crate) elements: &'static [&'static [u8]],
    /// Compared after each sequence, with every key.
    pub(crate) state: &'static [&'static str],
}

const INTEGERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "-2",
    "3",
    "-3",
    "5",
    "100",
    "-100",
    "9223372036854775807",
    "-9223372036854775808",
    "x",
    "",
    "1.5",
    "+1",
    "01",
    " 1",
];
const JUNK: &[&[u8]] = &[
    b"",
    b"junk",
    b"0",
    b"-1",
    b"COUNT",
    b"LEFT",
    b"MATCH",
    b"NX",
    b"FIELDS",
    b"WITHVALUES",
    b"REPLACE",
    b"\x00\xff",
    b"1e3",
];

/// Picks by random numbers that were drawn before, so that proptest can shrink them. 0 is the
/// simplest choice.
struct Choices<'a> {
    numbers: std::iter::Cycle<std::slice::Iter<'a, u16>>,
}

impl Choices<'_> {
    fn below(&mut self, limit: usize) -> usize {
        usize::from(*self.numbers.next().expect("at least one number")) % limit
    }

    fn pick<'w, T: ?Sized>(&mut self, words: &[&'w T]) -> &'w T {
        words[self.below(words.len())]
    }

    /// Whether something unlikely happens, once in `limit` times.
    fn rarely(&mut self, limit: usize) -> bool {
        self.below(limit) == limit - 1
    }
}

impl Family {
    /// A command, mostly one that is correct.
    pub(crate) fn command(self) -> impl Strategy<Value = Vec<Vec<u8>>> {
        self.command_or_spoiled(true)
    }

    /// A command that is correct.
    pub(super) fn correct_command(self) -> impl Strategy<Value = Vec<Vec<u8>>> {
        self.command_or_spoiled(false)
    }

    fn command_or_spoiled(self, spoils: bool) -> impl Strategy<Value = Vec<Vec<u8>>> {
        let template = prop::sample::select(self.templates);
        (template, prop::collection::vec(any::<u16>(), 24)).prop_map(move |(template, numbers)| {
            let mut choices = Choices { numbers: numbers.iter().cycle() };
            let words: Vec<&str> = template.split_whitespace().collect();
            let mut command = Vec::new();
            self.render(&words, &mut choices, &mut command);
            if spoils {
                self.spoil(&mut choices, &mut command);
            }
            command
        })
    }

    fn render(self, words: &[&str], choices: &mut Choices<'_>, command: &mut Vec<Vec<u8>>) {
        let mut rest = words;
        while let Some((word, after)) = rest.split_first() {
            rest = after;
            if *word == "[" {
                let end = after.iter().position(|word| *word == "]").expect("the optional part ends");
                if choices.below(2) == 1 {
                    self.render(&after[..end], choices, command);
                }
                rest = &after[end + 1..];
                continue;
            }
            let (single, times) = match word.strip_suffix('+') {
                Some(single) => (single, 1 + choices.below(3)),
                None => (*word, 1),
            };
            for _ in 0..times {
                self.word(single, choices, command);
            }
        }
    }

    fn word(self, word: &str, choices: &mut Choices<'_>, command: &mut Vec<Vec<u8>>) {
        let word = match word {
            "K" => choices.pick(self.keys).into(),
            "E" => choices.pick(self.elements).into(),
            "I" => choices.pick(INTEGERS).into(),
            "N" => choices.pick(&["1", "2", "0", "3", "10"]).into(),
            "X" => choices.pick(JUNK).into(),
            "EE" => {
                command.push(choices.pick(self.elements).into());
                choices.pick(self.elements).into()
            }
            "#K" | "#E" | "#EE" => {
                let count = 1 + choices.below(3);
                let stated = if choices.rarely(10) { choices.below(5) } else { count };
                command.push(stated.to_string().into());
                for _ in 1..count {
                    self.word(&word[1..], choices, command);
                }
                return self.word(&word[1..], choices, command);
            }
            _ => choices.pick(&word.split('|').collect::<Vec<_>>()).into(),
        };
        command.push(word);
    }

    /// Now and then makes a command wrong, or spells it differently.
    fn spoil(self, choices: &mut Choices<'_>, command: &mut Vec<Vec<u8>>) {
        if matches!(command[0].as_slice(), b"EXPIRED" | b"CARRY") {
            return;
        }
        if choices.rarely(8) {
            command[0].make_ascii_lowercase();
        }
        // A blocking command with the timeout 0 would wait forever. Servers with NOVALUES reject
        // cursors that the oldest one accepts.
        if command.iter().any(|word| word == b"NOVALUES") {
            return;
        }
        if !choices.rarely(8) || command[0][0] | 0x20 == b'b' {
            return;
        }
        match choices.below(4) {
            0 => drop(command.pop()),
            1 => command.push(choices.pick(JUNK).into()),
            2 => {
                let at = choices.below(command.len());
                if at > 0 {
                    command[at] = choices.pick(JUNK).into();
                }
            }
            _ => {
                let at = 1 + choices.below(command.len());
                command.insert(at, choices.pick(JUNK).into());
            }
        }
        if command.is_empty() {
            command.push(b"PING".to_vec());
        }
    }
}
