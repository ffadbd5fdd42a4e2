//! The grammar of templates: literal text, `{name}` for a placeholder (a hole), `{{` and `}}` for
//! braces.
//!
//! This file does not depend on Rust's syntax, so that fuzz targets and property tests can include
//! it.

use std::fmt;
use std::ops::Range;

/// A template, parsed as far as possible.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Template {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) problems: Vec<Problem>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Text of the key, with doubled braces replaced by single ones. Never empty, and never next to
    /// another literal.
    Literal(String),
    Hole(Hole),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hole {
    pub(crate) name: String,
    /// Its range in the template's text, including the braces.
    pub(crate) at: Range<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) what: Mistake,
    pub(crate) at: Range<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mistake {
    Empty,
    Unclosed,
    Unopened,
    EmptyHole,
    NumberedHole,
    /// `{id:u64}`: the name, and the text after the `:`.
    TypedHole(String, String),
    RawHole(String),
    NoName(String),
    Adjacent(String, String),
    Duplicate(String),
    Glob(char),
    Control(char),
    Percent,
    LeadingColon,
    DoubleColon,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => {
                f.write_str("the template is empty: write the text of the key, or remove the template to use the field's name")
            }
            Self::Unclosed => f.write_str(
                "unclosed `{`: close the placeholder with `}`, or write `{{` for a brace in the key",
            ),
            Self::Unopened => {
                f.write_str("unmatched `}`: write `}}` for a brace in the key, or remove it")
            }
            Self::EmptyHole => f.write_str("empty placeholder: write the name of a parameter between the braces"),
            Self::NumberedHole => f.write_str(
                "placeholders can't be numbers: write the name of a parameter of the field's `fn`",
            ),
            Self::TypedHole(name, ty) => write!(
                f,
                "a placeholder has no type: write `{{{name}}}` in the template and `fn({name}: {ty})` as the field's type",
                ty = if ty.is_empty() { ".." } else { ty },
            ),
            Self::RawHole(name) => write!(f, "`r#` is not valid in a placeholder: write `{{{name}}}`"),
            Self::NoName(name) => write!(
                f,
                "`{{{name}}}` is not a valid placeholder: write the name of a parameter between the braces"
            ),
            Self::Adjacent(first, second) => write!(
                f,
                "ambiguous template: no separator between `{{{first}}}` and `{{{second}}}`; write `{{{first}}}:{{{second}}}`"
            ),
            Self::Duplicate(name) => write!(
                f,
                "`{{{name}}}` is in the template twice; remove one"
            ),
            Self::Glob(c) => write!(
                f,
                "`{c}` is not valid in a template, because scans would read it as a glob: use another character"
            ),
            Self::Control(c) => write!(
                f,
                "control characters are not valid in a template: remove `{}`",
                c.escape_default()
            ),
            Self::Percent => f.write_str(
                "`%` is not valid in a template, because it starts the escapes in arguments: use another character",
            ),
            Self::LeadingColon => f.write_str("a template can't start with `:`: remove it"),
            Self::DoubleColon => f.write_str("`::` is an empty segment: write a single `:`"),
        }
    }
}

impl Template {
    /// Parses a template. Errors are collected in [`problems`](Self::problems), and parsing
    /// continues after them.
    pub(crate) fn parse(text: &str) -> Self {
        let mut parser = Parser { text, template: Self::default(), literal: String::new() };
        parser.run();
        parser.template
    }

    /// Whether its literals contain braces.
    pub(crate) fn has_braces(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Literal(text) if text.contains(['{', '}'])))
    }

    /// Adds literal braces around the hole of this name. A cluster then hashes only the text
    /// between them.
    pub(crate) fn tagged(mut self, name: &str) -> Self {
        let pieces = std::mem::take(&mut self.pieces);
        let mut add = |piece: Piece| match (self.pieces.last_mut(), piece) {
            (Some(Piece::Literal(before)), Piece::Literal(text)) => before.push_str(&text),
            (_, piece) => self.pieces.push(piece),
        };
        for piece in pieces {
            if matches!(&piece, Piece::Hole(hole) if hole.name == name) {
                add(Piece::Literal("{".to_owned()));
                add(piece);
                add(Piece::Literal("}".to_owned()));
            } else {
                add(piece);
            }
        }
        self
    }

    pub(crate) fn holes(&self) -> impl Iterator<Item = &Hole> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Hole(hole) => Some(hole),
            Piece::Literal(_) => None,
        })
    }
}

/// Writes the template as in source code. Parsing the output returns the same pieces.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces.iter().try_for_each(|piece| match piece {
            Piece::Literal(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}")),
            Piece::Hole(hole) => write!(f, "{{{}}}", hole.name),
        })
    }
}

struct Parser<'t> {
    text: &'t str,
    template: Template,
    literal: String,
}

impl Parser<'_> {
    fn run(&mut self) {
        // Nothing would remain after removing the colons, so that can't be the advice.
        if self.text.chars().all(|c| c == ':') {
            self.problem(Mistake::Empty, 0..self.text.len());
            return;
        }
        let mut at = 0;
        while let Some(rest) = self.text.get(at..)
            && let Some(c) = rest.chars().next()
        {
            at = match c {
                _ if rest.starts_with("{{") || rest.starts_with("}}") => {
                    self.literal.push(c);
                    at + 2
                }
                '{' => self.hole(at, rest),
                _ => {
                    self.literal_char(at, c);
                    at + c.len_utf8()
                }
            };
        }
        self.end_literal();
    }

    /// Parses from a single `{`. Returns the position to continue at.
    fn hole(&mut self, at: usize, rest: &str) -> usize {
        let body = rest.get(1..).unwrap_or_default();
        let name = match body.find(['{', '}']).and_then(|end| body.split_at_checked(end)) {
            Some((name, tail)) if tail.starts_with('}') => name,
            _ => {
                self.problem(Mistake::Unclosed, at..at + 1);
                return at + 1;
            }
        };
        let range = at..at + name.len() + 2;
        self.end_literal();
        match mistake_in_name(name) {
            Some(mistake) => self.problem(mistake, range.clone()),
            None if self.template.holes().any(|hole| hole.name == name) => {
                self.problem(Mistake::Duplicate(name.to_owned()), range.clone());
            }
            None => {}
        }
        if let Some(Piece::Hole(before)) = self.template.pieces.last() {
            let mistake = Mistake::Adjacent(before.name.clone(), name.to_owned());
            self.problem(mistake, before.at.start..range.end);
        }
        let end = range.end;
        self.template.pieces.push(Piece::Hole(Hole { name: name.to_owned(), at: range }));
        end
    }

    fn literal_char(&mut self, at: usize, c: char) {
        let mistake = match c {
            '}' => Some(Mistake::Unopened),
            '*' | '?' | '[' | ']' | '\\' => Some(Mistake::Glob(c)),
            '%' => Some(Mistake::Percent),
            ':' if at == 0 => Some(Mistake::LeadingColon),
            // A run of colons is one error.
            ':' if self.literal.ends_with(':') && !self.literal.ends_with("::") => Some(Mistake::DoubleColon),
            c if c.is_control() => Some(Mistake::Control(c)),
            _ => None,
        };
        if let Some(mistake) = mistake {
            let start = if mistake == Mistake::DoubleColon { at - 1 } else { at };
            self.problem(mistake, start..at + c.len_utf8());
        }
        self.literal.push(c);
    }

    fn end_literal(&mut self) {
        if !self.literal.is_empty() {
            self.template.pieces.push(Piece::Literal(std::mem::take(&mut self.literal)));
        }
    }

    fn problem(&mut self, what: Mistake, at: Range<usize>) {
        self.template.problems.push(Problem { what, at });
    }
}

fn mistake_in_name(name: &str) -> Option<Mistake> {
    let is_name = |name: &str| {
        name.chars().all(|c| c.is_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_numeric())
    };
    if name.trim().is_empty() {
        Some(Mistake::EmptyHole)
    } else if name.bytes().all(|byte| byte.is_ascii_digit()) {
        Some(Mistake::NumberedHole)
    } else if let Some((name, ty)) = name.split_once(':')
        && is_name(name.trim())
    {
        Some(Mistake::TypedHole(name.trim().to_owned(), ty.trim().to_owned()))
    } else if let Some(name) = name.strip_prefix("r#")
        && is_name(name)
    {
        Some(Mistake::RawHole(name.to_owned()))
    } else if is_name(name) {
        None
    } else {
        Some(Mistake::NoName(name.to_owned()))
    }
}

/// Returns two lines to append to a message: the text, and a mark below the range. The compiler can
/// underline only the whole literal.
pub(crate) fn caret(text: &str, at: &Range<usize>) -> String {
    let shown = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    let (mut line, mut indent, mut width, mut column) = (String::new(), 0, 0, 1);
    for (index, c) in text.char_indices() {
        let c = shown(c);
        if index < at.start {
            indent += c.chars().count();
            column += 1;
        } else if index < at.end {
            width += c.chars().count();
        }
        line.push_str(&c);
    }
    let mark = "^".repeat(width.max(1));
    format!("  {line}\n  {:indent$}{mark} column {column}", "")
}
