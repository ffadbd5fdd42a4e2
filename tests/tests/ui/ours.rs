//! Our own texts: the strings of all `#[diagnostic::on_unimplemented(..)]` attributes in the
//! library, and those of the derives.

use std::path::Path;

#[derive(Debug, Default)]
pub struct Texts {
    /// The strings of all attributes, with placeholders in place of what the compiler inserts.
    attributes: Vec<String>,
    /// Of each string of the derives and macros, the longest part without a placeholder.
    derives: Vec<String>,
}

/// A shorter part of a string of the derives may also be in a message of the compiler.
const TELLING: usize = 12;

impl Texts {
    /// Reads the sources of the library and of the derives.
    pub fn of(library: &Path, derives: &Path) -> Self {
        let mut texts = Self::default();
        files(library, &mut |source| {
            for attribute in source.split("diagnostic::on_unimplemented(").skip(1) {
                texts.attributes.extend(literals(attribute));
            }
            for error in source.split("compile_error!(").skip(1) {
                texts.derives.extend(literals(error));
            }
        });
        files(derives, &mut |source| texts.derives.extend(strings(source)));
        texts.derives = (texts.derives.iter())
            .filter_map(|literal| {
                let parts = literal.split(['{', '}']).filter(|part| part.len() >= TELLING);
                parts.max_by_key(|part| part.len()).map(str::to_owned)
            })
            .collect();
        texts
    }

    /// Returns whether an error without a code is from a derive.
    pub fn are_from_a_derive(&self, message: &str) -> bool {
        // The derive words problems of a prefix as those of a template.
        let message = message.replace("in a prefix", "in a template");
        self.derives.iter().any(|ours| message.contains(ours.as_str()))
    }

    /// Returns whether a text from the compiler is one of them.
    pub fn have(&self, text: &str) -> bool {
        self.attributes.iter().any(|ours| fits(ours, text))
    }
}

fn files(directory: &Path, each: &mut dyn FnMut(&str)) {
    for entry in std::fs::read_dir(directory).expect("read the source directory") {
        let path = entry.expect("read a directory entry").path();
        if path.is_dir() {
            files(&path, each);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            each(&std::fs::read_to_string(&path).expect("read a source file"));
        }
    }
}

/// Returns the string literals up to the closing parenthesis.
fn literals(attribute: &str) -> Vec<String> {
    literals_until(attribute, Some(')'))
}

/// Returns the string literals of a file.
fn strings(source: &str) -> Vec<String> {
    // Quotes in comments and in characters would start a string in the wrong place.
    let lines = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code: String = lines.flat_map(|line| [line, "\n"]).collect();
    literals_until(&code.replace("'\"'", "' '"), None)
}

fn literals_until(source: &str, end: Option<char>) -> Vec<String> {
    let mut literals = Vec::new();
    let mut rest = source.chars();
    loop {
        match rest.next() {
            None => return literals,
            Some(found) if Some(found) == end => return literals,
            Some('"') => {}
            Some(_) => continue,
        }
        let mut literal = String::new();
        loop {
            match rest.next() {
                None | Some('"') => break,
                Some('\\') => match rest.next() {
                    Some('n') => literal.push('\n'),
                    // A backslash at the end of a line skips the indentation of the next line.
                    Some('\n') => rest = rest.as_str().trim_start().chars(),
                    Some(escaped) => literal.push(escaped),
                    None => break,
                },
                Some(other) => literal.push(other),
            }
        }
        literals.push(literal);
    }
}

/// Returns whether a text matches, with any text in place of each `{..}`.
fn fits(ours: &str, text: &str) -> bool {
    let mut parts = ours.split('{').enumerate().map(|(nth, part)| match nth {
        0 => part,
        _ => part.split_once('}').map_or(part, |(_, after)| after),
    });
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

#[test]
fn placeholders_match_any_text() {
    let source = "#[diagnostic::on_unimplemented(\n    message = \"`{Self}` is \\\"no\\\" key\",\n    note = \"write \\\n        `Json<{Self}>` (or more)\"\n)]\npub trait X {}";
    let ours = literals(source.split_once("on_unimplemented(").expect("an attribute").1);
    assert_eq!(ours, ["`{Self}` is \"no\" key", "write `Json<{Self}>` (or more)"]);
    let texts = Texts { attributes: ours, derives: Vec::new() };
    assert!(texts.have("`Vec<u8>` is \"no\" key") && texts.have("write `Json<Cart>` (or more)"));
    for theirs in
        ["the trait bound `X: Y` is not satisfied", "`X` is \"no\" key at all", "write `Json<Cart>`", ""]
    {
        assert!(!texts.have(theirs), "{theirs}");
    }
}

#[test]
fn errors_of_derives_are_told_from_those_of_the_compiler() {
    let texts = crate::texts();
    let ours = "the keyspace has no prefix: write `#[keyspace(prefix = \"cart\")]`, or `prefix = none` for \
                keys without a prefix";
    assert!(texts.are_from_a_derive(ours));
    for theirs in [
        "cannot find attribute `redis` in this scope",
        "functions are not allowed in struct definitions",
        "expected identifier, found keyword `fn`",
        "`self` parameter is only allowed in associated functions",
        "cannot find derive macro `Keyspace` in this scope",
        "mismatched types",
    ] {
        assert!(!texts.are_from_a_derive(theirs), "{theirs}");
    }
}
