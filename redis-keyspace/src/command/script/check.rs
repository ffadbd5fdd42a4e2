//! Compile-time checks of the text of a script.
#![expect(clippy::indexing_slicing, reason = "constant functions can't use `get`, and indices are checked")]

/// Adds the number of keys of a field to those before it. `None` if it is not known.
#[doc(hidden)]
#[must_use]
pub const fn add_keys(before: Option<usize>, count: Option<usize>) -> Option<usize> {
    match (before, count) {
        (Some(before), Some(count)) => Some(before + count),
        _ => None,
    }
}

/// Fails to compile if a text is empty, or uses a key or an argument that no field provides.
///
/// # Panics
///
/// At compile time, if the text is invalid.
#[doc(hidden)]
pub const fn check_script(text: &str, keys: Option<usize>, arguments: usize) {
    let text = text.as_bytes();
    assert!(!is_blank(text), "the text of the script is empty");
    let (of_keys, of_arguments) = indices(text);
    let Indices { lowest, highest } = of_keys;
    assert!(lowest != 0, "the script uses `KEYS[0]`, but Lua counts from 1: the first key is `KEYS[1]`");
    if let Some(keys) = keys
        && highest > keys
    {
        missing_key(highest);
    }
    let Indices { lowest, highest } = of_arguments;
    assert!(lowest != 0, "the script uses `ARGV[0]`, but Lua counts from 1: the first argument is `ARGV[1]`");
    if highest > arguments {
        missing_argument(highest);
    }
}

/// A panic message of a constant can't be formatted.
macro_rules! numbered {
    ($name:ident, $table:literal, $advice:literal, $($number:literal)+) => {
        const fn $name(number: usize) -> ! {
            match number {
                $($number => panic!("{}", concat!("the script uses `", $table, "[", $number, "]`, but has fewer ", $advice)),)+
                _ => panic!(concat!("the script uses an index of `", $table, "` that is too large: it has fewer ", $advice)),
            }
        }
    };
}

numbered!(missing_key, "KEYS", "keys: add a field of type `Key<..>`, or fix the index", 1 2 3 4 5 6 7 8 9 10 11 12);
numbered!(missing_argument, "ARGV", "arguments: add a field with `#[script(arg)]`, or fix the index", 1 2 3 4 5 6 7 8 9 10 11 12);

const fn is_blank(text: &[u8]) -> bool {
    text.trim_ascii().is_empty()
}

/// The lowest and the highest number that a table is indexed with. Without any, these are 1 and 0.
#[derive(Clone, Copy)]
struct Indices {
    lowest: usize,
    highest: usize,
}

impl Indices {
    const NONE: Self = Self { lowest: 1, highest: 0 };

    const fn with(self, index: usize) -> Self {
        Self {
            lowest: if index < self.lowest { index } else { self.lowest },
            highest: if index > self.highest { index } else { self.highest },
        }
    }
}

/// Returns the numbers that `KEYS` and `ARGV` are indexed with, outside of comments and strings.
///
/// The compiler interprets this, so most bytes must cost only one comparison.
const fn indices(text: &[u8]) -> (Indices, Indices) {
    let (mut keys, mut arguments) = (Indices::NONE, Indices::NONE);
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'-' | b'[' | b'\'' | b'"' => {
                let after = after_text(text, at);
                at = if after > at { after } else { at + 1 };
            }
            b'K' | b'A' => {
                let is_keys = starts_with(text, at, b"KEYS");
                if !(is_keys || starts_with(text, at, b"ARGV")) || (at > 0 && is_word(text[at - 1])) {
                    at += 1;
                    continue;
                }
                let (after, index) = index_at(text, at + 4);
                at = after;
                if let Some(index) = index {
                    if is_keys {
                        keys = keys.with(index);
                    } else {
                        arguments = arguments.with(index);
                    }
                }
            }
            _ => at += 1,
        }
    }
    (keys, arguments)
}

/// Reads `[1]` after the name of a table. Returns where to continue, and the number if there is
/// one.
const fn index_at(text: &[u8], after_name: usize) -> (usize, Option<usize>) {
    let mut at = after_spaces(text, after_name);
    if at >= text.len() || text[at] != b'[' {
        return (at, None);
    }
    at = after_spaces(text, at + 1);
    let start = at;
    let mut number: usize = 0;
    while at < text.len() && text[at].is_ascii_digit() {
        number = number.saturating_mul(10).saturating_add((text[at] - b'0') as usize);
        at += 1;
    }
    let end = after_spaces(text, at);
    let is_index = at > start && end < text.len() && text[end] == b']';
    (at, if is_index { Some(number) } else { None })
}

/// Returns the end of the comment or string that starts here, or `at` if none does.
const fn after_text(text: &[u8], at: usize) -> usize {
    if starts_with(text, at, b"--") {
        let end = after_long_text(text, at + 2);
        if end > at + 2 {
            return end;
        }
        let mut end = at;
        while end < text.len() && text[end] != b'\n' {
            end += 1;
        }
        return end;
    }
    if text[at] == b'[' {
        return after_long_text(text, at);
    }
    if text[at] != b'\'' && text[at] != b'"' {
        return at;
    }
    let mut end = at + 1;
    while end < text.len() && text[end] != text[at] {
        end += if text[end] == b'\\' { 2 } else { 1 };
    }
    end + 1
}

/// Returns the end of a text between `[[` and `]]`, or between `[=[` and `]=]`; `at` if none starts
/// here.
const fn after_long_text(text: &[u8], at: usize) -> usize {
    if at >= text.len() || text[at] != b'[' {
        return at;
    }
    let mut start = at + 1;
    while start < text.len() && text[start] == b'=' {
        start += 1;
    }
    let level = start - at - 1;
    if start >= text.len() || text[start] != b'[' {
        return at;
    }
    let mut end = start + 1;
    while end < text.len() {
        if text[end] != b']' {
            end += 1;
            continue;
        }
        let mut signs = end + 1;
        while signs < text.len() && text[signs] == b'=' {
            signs += 1;
        }
        if signs - end - 1 == level && signs < text.len() && text[signs] == b']' {
            return signs + 1;
        }
        end += 1;
    }
    end
}

const fn starts_with(text: &[u8], at: usize, word: &[u8]) -> bool {
    if at + word.len() > text.len() {
        return false;
    }
    let mut nth = 0;
    while nth < word.len() {
        if text[at + nth] != word[nth] {
            return false;
        }
        nth += 1;
    }
    true
}

const fn after_spaces(text: &[u8], mut at: usize) -> usize {
    while at < text.len() && text[at].is_ascii_whitespace() {
        at += 1;
    }
    at
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_of_a_table() {
        for (text, found) in [
            ("return 1", (1, 0)),
            ("return redis.call('GET', KEYS[1])", (1, 1)),
            ("KEYS[ 3 ] KEYS [2]", (1, 3)),
            ("KEYS[0]", (0, 0)),
            ("KEYS[i + 9] KEYS[n] #KEYS unpack(KEYS)", (1, 0)),
            ("MYKEYS[9] KEYSx[9]", (1, 0)),
            ("-- KEYS[9]\nKEYS[2]", (1, 2)),
            ("KEYS[1] -- KEYS[9]", (1, 1)),
            ("--[[ a\nKEYS[9] ]] KEYS[2]", (1, 2)),
            ("--[==[ KEYS[9] ]] KEYS[8] ]==] KEYS[2]", (1, 2)),
            ("--[ KEYS[9]\nKEYS[2]", (1, 2)),
            ("x = [[ KEYS[9] ]] KEYS[2]", (1, 2)),
            (r#"x = "KEYS[9] \" KEYS[8]" .. 'KEYS[7]' .. KEYS[2]"#, (1, 2)),
            (r#"t["KEYS[9]"] = t[KEYS[2]]"#, (1, 2)),
            ("--[[ KEYS[9]", (1, 0)),
            ("'KEYS[9]\\", (1, 0)),
            ("KEYS[12", (1, 0)),
            ("KEYS", (1, 0)),
        ] {
            let of = |Indices { lowest, highest }| (lowest, highest);
            let (keys, arguments) = indices(text.as_bytes());
            assert_eq!((of(keys), of(arguments)), (found, (1, 0)), "{text}");
            // The same for the other table.
            let text = text.replace("KEYS", "ARGV");
            let (keys, arguments) = indices(text.as_bytes());
            assert_eq!((of(keys), of(arguments)), ((1, 0), found), "{text}");
        }
    }

    #[test]
    fn a_text_that_uses_what_it_has_is_valid() {
        check_script("return {KEYS[2], ARGV[1]}", Some(2), 1);
        check_script("return KEYS[9]", None, 0);
        for (text, keys, arguments) in [
            (" \n", None, 0),
            ("KEYS[2]", Some(1), 0),
            ("ARGV[1]", Some(9), 0),
            ("KEYS[0]", None, 0),
            ("KEYS[99]", Some(3), 0),
        ] {
            assert!(std::panic::catch_unwind(|| check_script(text, keys, arguments)).is_err(), "{text}");
        }
    }
}
