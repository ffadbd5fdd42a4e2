//! Removes the arguments of commands from error replies.

use std::borrow::Cow;

/// Arguments up to this length are never replaced: they occur in too many words by chance.
const TOO_SHORT: usize = 2;
/// Arguments longer than this are also replaced inside words.
const WORD: usize = 5;
/// Servers truncate arguments that they repeat. A prefix of this length is enough to recognize one.
const PREFIX: usize = 24;

/// Codes that servers send, which reveal nothing about an argument that is equal to one of them.
const KNOWN_CODES: [&str; 14] = [
    "MOVED",
    "ASK",
    "TRYAGAIN",
    "CLUSTERDOWN",
    "CROSSSLOT",
    "MASTERDOWN",
    "READONLY",
    "LOADING",
    "BUSY",
    "NOSCRIPT",
    "NOPERM",
    "NOAUTH",
    "WRONGTYPE",
    "EXECABORT",
];

/// Returns an error text with `***` in place of each argument of its command, because arguments may
/// be passwords or values. Keeps the name of the command.
pub(crate) fn redacted<'a>(said: &str, arguments: impl Iterator<Item = &'a [u8]>) -> String {
    let arguments: Vec<_> = arguments.filter(|argument| argument.len() > TOO_SHORT).collect();
    let texts = arguments.iter().filter_map(|argument| std::str::from_utf8(argument).ok());
    let mut text = without(said, texts);
    for argument in arguments {
        if is_shown_in_another_form(&text, argument) {
            text = format!("{} (the rest is omitted, because it may repeat an argument)", code_of(&text));
        }
    }
    if !code_of(&text).contains('*') {
        return text;
    }
    // An argument such as `moved` must not hide what the server said.
    let code = Some(code_of(said)).filter(|code| KNOWN_CODES.contains(code)).unwrap_or("ERR");
    text.replacen(code_of(&text), code, 1)
}

/// Removes the arguments that a server or a proxy repeats in the error of a rejected command. They
/// may be values or secrets. Keeps the name of the command.
///
/// Servers quote arguments in errors with the code `ERR`: unknown commands, unknown ACL rules and
/// options, and scripts that do not compile.
pub(crate) fn without_arguments(said: &str) -> Cow<'_, str> {
    const BEFORE: [&str; 4] =
        ["unknown command", "unsupported command", "unknown subcommand", "with args beginning with"];
    let lower = said.to_ascii_lowercase();
    let ends = BEFORE.iter().filter_map(|words| lower.find(words).map(|at| at + words.len()));
    if let Some(end) = ends.min() {
        return Cow::Borrowed(said.get(..end).unwrap_or(said));
    }
    if !said.starts_with("ERR") || lower.contains("wrong number of arguments for '") {
        return Cow::Borrowed(said);
    }
    without_quoted(said)
}

/// Replaces quoted text, for commands whose arguments are unknown.
pub(crate) fn without_quoted(said: &str) -> Cow<'_, str> {
    // Replace everything from the first quote to the last quote of the same kind: an argument may
    // contain quotes itself.
    match quotes(said, None).next() {
        Some((start, quote)) => {
            let end = quotes(said, Some(quote)).last().map_or(said.len(), |(end, _)| end);
            let end = if end == start { said.len() } else { end + quote.len_utf8() };
            let (before, after) = (said.get(..start), said.get(end..));
            let after = without_quoted(after.unwrap_or_default());
            Cow::Owned(format!("{}***{after}", before.unwrap_or_default()))
        }
        None => Cow::Borrowed(said),
    }
}

/// Returns the positions of quotes of one kind, or of any kind. An apostrophe within a word is not
/// a quote.
fn quotes(said: &str, kind: Option<char>) -> impl Iterator<Item = (usize, char)> {
    let is_quote = move |c: char| kind.map_or("'\"`".contains(c), |kind| kind == c);
    said.char_indices().filter(move |&(at, c)| {
        let is_in_word = said.get(..at).is_some_and(|before| before.ends_with(char::is_alphanumeric))
            && said.get(at + 1..).is_some_and(|after| after.starts_with(char::is_alphanumeric));
        is_quote(c) && !is_in_word
    })
}

/// The first word of an error reply, which is its code.
fn code_of(text: &str) -> &str {
    text.split(' ').next().unwrap_or_default()
}

/// Replaces each occurrence of an argument by `***`. Ignores case, because servers change it.
///
/// An argument may contain another one, or overlap with it. So all are sought in the whole text.
fn without<'a>(text: &str, arguments: impl Iterator<Item = &'a str>) -> String {
    let lower = text.to_ascii_lowercase();
    let is_part_of_word = |start: usize, end: usize| {
        let continues = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        continues(text.get(..start).and_then(|text| text.chars().next_back()))
            || continues(text.get(end..).and_then(|text| text.chars().next()))
    };
    let mut found = Vec::new();
    for argument in arguments {
        let sought = argument.to_ascii_lowercase();
        let parts = lower.as_bytes().windows(sought.len()).enumerate();
        let places = parts.filter(|(_, part)| *part == sought.as_bytes());
        let places = places.map(|(start, _)| (start, start + sought.len()));
        found.extend(places.filter(|&(start, end)| argument.len() > WORD || !is_part_of_word(start, end)));
    }
    found.sort_unstable();
    let mut kept = String::with_capacity(text.len());
    let mut done = 0;
    for (start, end) in found {
        if start >= done {
            kept.push_str(text.get(done..start).unwrap_or_default());
            kept.push_str("***");
        }
        done = done.max(end);
    }
    kept.push_str(text.get(done..).unwrap_or_default());
    kept
}

/// Whether a text contains an argument in truncated or escaped form.
fn is_shown_in_another_form(text: &str, argument: &[u8]) -> bool {
    let lower = text.to_ascii_lowercase();
    let shows =
        |part: &[u8]| std::str::from_utf8(part).is_ok_and(|part| lower.contains(&part.to_ascii_lowercase()));
    if argument.get(..PREFIX).is_some_and(shows) {
        return true;
    }
    let is_escaped = |byte: &u8| !(b' '..=b'~').contains(byte) || b"\"'\\`".contains(byte);
    argument.iter().any(is_escaped)
        && argument.split(|byte| !byte.is_ascii_alphanumeric()).any(|run| run.len() > TOO_SHORT && shows(run))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(said: &str, arguments: &[&str]) -> String {
        redacted(said, arguments.iter().map(|argument| argument.as_bytes()))
    }

    #[test]
    fn arguments_are_replaced() {
        for (said, arguments, shown) in [
            (
                "ERR Error in ACL SETUSER modifier 'hunter2': Syntax error",
                &["SETUSER", "app", "hunter2"][..],
                "ERR Error in ACL *** modifier '***': Syntax error",
            ),
            ("ERR Unknown option 'HUNTER2'", &["hunter2"], "ERR Unknown option '***'"),
            ("ERR value is not an integer", &["a", "is", "int"], "ERR value is not an integer"),
            ("ERR no pin 4711, but 47110", &["4711"], "ERR no pin ***, but 47110"),
            ("ERR xhunter2x", &["hunter2"], "ERR x***x"),
            ("hunter2 is wrong", &["hunter2"], "ERR is wrong"),
            ("MOVED 6812 10.0.0.1:1", &["moved"], "MOVED 6812 10.0.0.1:1"),
            ("ERR modifier '<orders-7f3a9b'", &["orders", "<orders-7f3a9b"], "ERR modifier '***'"),
            ("ERR modifier '<orders-7f3a9b'", &["<orders-7f3a9b", "orders"], "ERR modifier '***'"),
            ("ERR bad hunterhunterhunter", &["hunterhunter"], "ERR bad ***"),
            ("ERR bad first-second-third", &["first-second", "second-third"], "ERR bad ***"),
        ] {
            assert_eq!(of(said, arguments), shown);
        }
    }

    #[test]
    fn other_forms_are_omitted() {
        let long = "hunter2-".repeat(8);
        for (said, argument) in [
            (format!("ERR bad '{}...'", &long[..40]), long.as_str()),
            (r#"ERR bad "quo\"te""#.to_owned(), "quo\"te"),
            ("ERR bad 'one  two'".to_owned(), "one\r\ntwo"),
            (r"ERR bad gr\xc3\xbc\xc3\x9fe-geheim".to_owned(), "grüße-geheim"),
        ] {
            assert_eq!(
                of(&said, &[argument]),
                "ERR (the rest is omitted, because it may repeat an argument)"
            );
        }
    }

    #[test]
    fn quotes_are_replaced() {
        for (said, shown) in [
            ("can't use 'a' or \"b\" there", "can't use *** or *** there"),
            ("bad 'a' b'c' d", "bad *** d"),
            ("open 'a", "open ***"),
            ("argument 'a' couldn't be parsed", "argument *** couldn't be parsed"),
            ("argument 'a'b' couldn't be parsed", "argument *** couldn't be parsed"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(without_quoted(said), shown);
        }
    }

    #[test]
    fn unknown_arguments_are_removed() {
        for said in [
            "ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'hunter2'",
            "ERR Unknown command `HELLO`, with args beginning with: hunter2",
            "ERR unsupported command hunter2",
            "ERR Error in ACL SETUSER modifier 'hunter2': Syntax error",
            "ERR Error in ACL SETUSER modifier '>hun'ter2': Syntax error",
            "ERR unknown subcommand 'hunter2'. Try CLIENT HELP.",
            "ERR Unknown option or number of arguments for CONFIG SET - 'hunter2'",
            "ERR CONFIG SET failed (possibly related to argument 'hunter2') - argument couldn't be parsed",
        ] {
            let shown = without_arguments(said);
            assert!(!shown.contains("hunter2") && !shown.contains("ter2"), "{shown}");
            assert!(shown.starts_with("ERR "), "{shown}");
        }
        for said in [
            "ERR wrong number of arguments for 'get' command",
            "OOM command not allowed when used memory > 'maxmemory'.",
            "NOPERM User app has no permissions to run the 'get' command",
            "ERR value is not an integer or out of range",
        ] {
            assert_eq!(without_arguments(said), said);
        }
    }
}
