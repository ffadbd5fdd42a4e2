//! Our own texts: the strings of all `#[diagnostic::on_unimplemented(..)]` attributes in our
//! source.

use std::path::Path;

/// The strings of all attributes, with placeholders in place of what the compiler inserts.
#[derive(Debug, Default)]
pub struct Texts(Vec<String>);

impl Texts {
    /// Reads the attributes of all files in a directory.
    pub fn of(directory: &Path) -> Self {
        let mut texts = Self::default();
        texts.collect(directory);
        texts
    }

    fn collect(&mut self, directory: &Path) {
        for entry in std::fs::read_dir(directory).expect("read the source directory") {
            let path = entry.expect("read a directory entry").path();
            if path.is_dir() {
                self.collect(&path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let source = std::fs::read_to_string(&path).expect("read a source file");
                for attribute in source.split("diagnostic::on_unimplemented(").skip(1) {
                    self.0.extend(literals(attribute));
                }
            }
        }
    }

    /// Returns whether a text from the compiler is one of them.
    pub fn have(&self, text: &str) -> bool {
        self.0.iter().any(|ours| fits(ours, text))
    }
}

/// Returns the string literals up to the closing parenthesis.
fn literals(attribute: &str) -> Vec<String> {
    let mut literals = Vec::new();
    let mut rest = attribute.chars();
    loop {
        match rest.next() {
            None | Some(')') => return literals,
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
    let texts = Texts(ours);
    assert!(texts.have("`Vec<u8>` is \"no\" key") && texts.have("write `Json<Cart>` (or more)"));
    for theirs in
        ["the trait bound `X: Y` is not satisfied", "`X` is \"no\" key at all", "write `Json<Cart>`", ""]
    {
        assert!(!texts.have(theirs), "{theirs}");
    }
}
