//! Finds words that do not belong in docs, and prose that is too wide.
//!
//! Prose is the text of Markdown files, of comments in Rust files, and of string literals in Rust
//! files, which are messages. Only comments and Markdown have a width: code blocks, tables, links
//! and headings are exempt.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The longest line of prose, in characters.
const WIDTH: usize = 100;

/// Directories with text that is not ours or not prose.
const SKIPPED: [&str; 6] = ["target", "fixtures", "snapshots", "corpus", "fail", "prose"];

/// A word that is not used, and what to write instead.
#[derive(Debug)]
pub struct Word {
    words: String,
    instead: String,
}

impl Word {
    /// Reads the list of words: one entry per line, `words = replacement`.
    #[must_use]
    pub fn list(text: &str) -> Vec<Self> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let entries = lines.filter_map(|line| line.split_once(" = "));
        entries
            .map(|(words, instead)| Self { words: words.to_owned(), instead: instead.to_owned() })
            .collect()
    }
}

/// What is wrong in a line.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    path: PathBuf,
    line: usize,
    problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path.display(), self.line, self.problem)
    }
}

/// Checks all Markdown and Rust files below a directory.
///
/// # Errors
///
/// If a directory or a file can't be read.
pub fn check(directory: &Path, words: &[Word]) -> io::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if kind.is_dir() {
                if !name.starts_with('.') && !SKIPPED.contains(&name.as_ref()) {
                    directories.push(path);
                }
                continue;
            }
            let is_rust = name.ends_with(".rs");
            if kind.is_file() && (is_rust || name.ends_with(".md")) {
                let text = fs::read_to_string(&path)?;
                findings.extend(check_text(&path, &text, is_rust, words));
            }
        }
    }
    findings.sort_by(|one, other| (&one.path, one.line).cmp(&(&other.path, other.line)));
    Ok(findings)
}

/// Checks one file.
#[must_use]
pub fn check_text(path: &Path, text: &str, is_rust: bool, words: &[Word]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut in_code_block = false;
    for (index, line) in text.lines().enumerate() {
        let mut report = |problem| findings.push(Finding { path: path.to_owned(), line: index + 1, problem });
        let (comment, other) = if is_rust { parts(line) } else { (Some(line), String::new()) };
        if let Some(comment) = comment {
            in_code_block ^= comment.trim_start().starts_with("```");
            let width = line.chars().count();
            if !in_code_block && width > WIDTH && is_prose(comment) {
                report(format!("{width} characters wide: wrap prose at {WIDTH}"));
            }
        } else {
            in_code_block = false;
        }
        let prose = format!("{} {other}", comment.unwrap_or_default());
        for word in words.iter().filter(|word| has_words(&prose, &word.words)) {
            report(format!("\"{}\": write {}", word.words, word.instead));
        }
    }
    findings
}

/// The comment of a line of Rust, if the line is nothing else, and the strings of the line.
fn parts(line: &str) -> (Option<&str>, String) {
    let start = line.trim_start();
    if let Some(comment) = start.strip_prefix("//") {
        return (Some(comment.trim_start_matches(['/', '!'])), String::new());
    }
    // Every other part between quotes. Escaped quotes only make the parts of a string trade places.
    let strings = line.split('"').skip(1).step_by(2);
    let comment = line.split_once(" // ").map(|(_, comment)| comment).unwrap_or_default();
    (None, strings.chain([comment]).collect::<Vec<_>>().join(" "))
}

/// Whether a line of a comment or of Markdown can be wrapped.
fn is_prose(line: &str) -> bool {
    let line = line.trim_start();
    let is_exempt = line.starts_with('|') || line.starts_with('#') || line.starts_with('[');
    // A line of one long word, such as a link, has nowhere to wrap.
    !is_exempt && !line.contains("://") && line.split(' ').count() > 3
}

/// Whether a text contains these words as whole words, in lower case or at the start of a sentence.
fn has_words(text: &str, words: &str) -> bool {
    let text = text.to_lowercase();
    let is_letter = |c: char| c.is_alphanumeric() || c == '_' || c == '`';
    text.match_indices(words).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + words.len()..).and_then(|after| after.chars().next());
        !before.is_some_and(is_letter) && !after.is_some_and(is_letter)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str, is_rust: bool) -> Vec<String> {
        let words = Word::list("# comment\nanew = again\nunder way = in flight\n");
        let findings = check_text(Path::new("a"), text, is_rust, &words);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn words_are_found_in_comments_strings_and_markdown() {
        let rust = "/// Loads anew.\nlet anew = f(\"a load is under way\"); // Anew\nlet x = renewed;\n";
        let again = "\"anew\": write again";
        let expected = [
            format!("a:1: {again}"),
            format!("a:2: {again}"),
            "a:2: \"under way\": write in flight".to_owned(),
        ];
        assert_eq!(problems(rust, true), expected);
        assert_eq!(problems("It is\nunder way.\n", false), ["a:2: \"under way\": write in flight"]);
        assert!(problems("fn anew() {}\n/// `anew`\n", true).is_empty());
    }

    #[test]
    fn only_prose_has_a_width() {
        let long = "word ".repeat(30);
        let wide = |line: String| problems(&line, true).len();
        assert_eq!(wide(format!("    /// {long}")), 1);
        assert_eq!(wide(format!("//! | {long}")), 0);
        assert_eq!(wide(format!("//! ```\n//! {long}\n//! ```\n//! {long}")), 1);
        assert_eq!(wide(format!("let x = {long}")), 0);
        assert_eq!(problems(&long, false).len(), 1);
        assert_eq!(problems(&format!("# {long}"), false).len(), 0);
        assert_eq!(wide(format!("/// [link]: https://{}", "x".repeat(120))), 0);
    }
}
