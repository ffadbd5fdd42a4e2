//! Parses the diagnostics of the compiler, and records our own texts in them.

use std::fmt::Write as _;

use serde::Deserialize;

use crate::ours::Texts;

/// An error or a warning from the compiler.
#[derive(Clone, Debug, Deserialize)]
pub struct Diagnostic {
    message: String,
    code: Option<Code>,
    level: String,
    spans: Vec<Span>,
    children: Vec<Child>,
}

#[derive(Clone, Debug, Deserialize)]
struct Code {
    code: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Span {
    file_name: String,
    line_start: usize,
    column_start: usize,
    is_primary: bool,
    label: Option<String>,
    expansion: Option<Box<Expansion>>,
}

#[derive(Clone, Debug, Deserialize)]
struct Expansion {
    span: Span,
}

/// A note or a help text.
#[derive(Clone, Debug, Deserialize)]
struct Child {
    message: String,
}

impl Diagnostic {
    pub fn is_error(&self) -> bool {
        self.level.starts_with("error")
    }

    /// Returns the line and column in the case. For an error in the expansion of a macro, that is
    /// where the macro is called.
    fn place(&self, name: &str) -> Option<(usize, usize)> {
        let file = format!("{name}.rs");
        let in_case = |span: &Span| {
            let mut span = span;
            while span.file_name.rsplit(['/', '\\']).next() != Some(&file) {
                span = &span.expansion.as_ref()?.span;
            }
            Some((span.line_start, span.column_start))
        };
        self.spans.iter().filter(|span| span.is_primary).filter_map(in_case).min()
    }

    /// Returns the parts of the message that are our own text.
    fn ours(&self, texts: &Texts) -> Vec<String> {
        match self.code.as_ref().map(|code| &*code.code) {
            // From `compile_error!`, which derives use to report errors, or from the parser of the
            // compiler.
            None if texts.are_from_a_derive(&self.message) => vec![self.message.clone()],
            None => Vec::new(),
            // A panic in a constant. The compiler adds its own words around our text, in the
            // message or, in older versions, in a label.
            Some("E0080") => {
                let labels = self.spans.iter().filter_map(|span| span.label.as_deref());
                std::iter::once(&*self.message).chain(labels).find_map(panic_text).into_iter().collect()
            }
            // The message about a trait that is not implemented is ours if its text is in our
            // source.
            Some(_) => {
                let message = texts.have(&self.message).then(|| self.message.clone());
                let labels =
                    self.spans.iter().filter(|span| span.is_primary).filter_map(|span| span.label.as_ref());
                let labels = labels.filter(|label| texts.have(label)).map(|label| format!("label: {label}"));
                let notes = self.children.iter().map(|child| &child.message);
                let notes = notes.filter(|note| texts.have(note)).map(|note| format!("note: {note}"));
                message.into_iter().chain(labels).chain(notes).collect()
            }
        }
    }
}

fn panic_text(words: &str) -> Option<String> {
    if let Some((_, text)) = words.split_once("evaluation panicked: ") {
        return Some(text.to_owned());
    }
    let (_, text) = words.split_once("panicked at '")?;
    Some(text.rsplit_once("', ").map_or(text, |(text, _)| text).to_owned())
}

/// Records the errors of a case: the position of each, its source line, and our text. Returns an
/// empty string if there are no errors.
pub fn record(name: &str, source: &str, diagnostics: &[Diagnostic], texts: &Texts) -> String {
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error());
    // The final summary of the compiler has no position.
    let errors = errors.filter(|error| !error.spans.is_empty());
    let mut errors: Vec<_> = errors
        .map(|error| {
            let code = error.code.as_ref().map(|code| code.code.clone());
            (error.place(name), code, error.ours(texts))
        })
        .collect();
    // The compiler's order and repetitions do not matter.
    errors.sort();
    errors.dedup();
    let mut record = String::new();
    for (place, code, ours) in errors {
        if !record.is_empty() {
            record.push('\n');
        }
        let code = code.map_or_else(String::new, |code| format!(" {code}"));
        match place {
            Some((line, column)) => {
                let quoted = source.lines().nth(line - 1).unwrap_or_default();
                let caret = " ".repeat(column - 1);
                let _ = write!(record, "{line}:{column}{code}\n  | {quoted}\n  | {caret}^\n");
            }
            None => {
                let _ = writeln!(record, "elsewhere{code}");
            }
        }
        if ours.is_empty() {
            record.push_str("  (in the compiler's words)\n");
        }
        for text in ours {
            for (nth, line) in text.lines().enumerate() {
                let indent = if nth == 0 { "  " } else { "    " };
                let _ = writeln!(record, "{}", format!("{indent}{line}").trim_end());
            }
        }
    }
    record
}
