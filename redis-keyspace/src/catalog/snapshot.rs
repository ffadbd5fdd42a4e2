//! The catalog as a file for reviewers. A change of the file shows what changes in Redis.

use std::fmt::Write;
use std::path::Path;

use super::Catalog;
use super::reference::lifetime;
use crate::key::Piece;
use crate::schema::TemplateMeta;

/// If this variable is `update`, the test writes the file instead of comparing it.
const VARIABLE: &str = "REDIS_KEYSPACE_SNAPSHOT";

impl Catalog {
    /// Returns the catalog as lines of text, one for each template;
    /// [`catalog_test!`](crate::catalog_test) compares them with a file.
    ///
    /// The lines contain templates, kinds, wire formats, TTLs, `trim`, `fills`, databases, servers,
    /// tenants and the types of arguments. For an argument type of the program, they also contain
    /// its wire format.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Text, catalog};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "motd", ttl = "1h")]
    /// # struct Motd { today: Text }
    /// catalog!(CATALOG = [Motd]);
    /// assert!(CATALOG.to_snapshot().contains("motd:today = Text"));
    /// ```
    #[must_use]
    pub fn to_snapshot(&self) -> String {
        let mut text = String::from(
            "# The keys that this program stores in Redis. A change here moves keys or changes how values are read.\n",
        );
        for keyspace in self.keyspaces {
            let db = keyspace.db().map_or_else(|| "as configured".to_owned(), |db| db.to_string());
            let _ = write!(text, "\n[{}] db: {db}", keyspace.name());
            if let Some(server) = keyspace.server() {
                let dedicated = if keyspace.has_dedicated_server() { " (dedicated)" } else { "" };
                let _ = write!(text, ", server: {server}{dedicated}");
            }
            if let Some(tenant) = keyspace.tenant() {
                let _ = write!(text, ", tenant: {tenant}");
            }
            text.push('\n');
            for template in keyspace.templates() {
                let _ = write!(
                    text,
                    "{} = {} ({}), ttl: {}",
                    template.template(),
                    template.kind(),
                    template.wire_format(),
                    lifetime(template.lifetime()),
                );
                if let Some(trim) = template.trim() {
                    let _ = write!(text, ", trim: {trim}");
                }
                if let Some(fills) = template.declared_fills() {
                    let _ = write!(text, ", fills: {fills}");
                }
                let arguments = arguments_written(template);
                if !arguments.is_empty() {
                    let _ = write!(text, ", with {arguments}");
                }
                text.push('\n');
            }
        }
        text
    }
}

/// Lists the arguments of a template: `id: u64, device: Device = phone|desktop`.
fn arguments_written(template: &TemplateMeta) -> String {
    let arguments = template.pieces().iter().filter_map(|piece| match piece {
        Piece::Argument(argument) => Some(argument),
        Piece::Literal(_) => None,
    });
    let written = arguments.map(|argument| {
        let (name, type_name) = (argument.name(), argument.type_name());
        let class = argument.class().to_string();
        let bare = type_name.rsplit("::").next().unwrap_or_default().trim_start_matches('&');
        // For a standard type, the name already says how it is written.
        let says_it = match class.as_str() {
            "text" => ["str", "String", "'static str", "'_ str"].contains(&bare) || bare.starts_with("Cow<"),
            class => class == bare,
        };
        if says_it { format!("{name}: {type_name}") } else { format!("{name}: {type_name} = {class}") }
    });
    written.collect::<Vec<_>>().join(", ")
}

/// Panics if the file does not match the catalog, and prints the lines that differ.
#[expect(clippy::panic, reason = "a failing test panics")]
pub fn assert_snapshot(catalog: &Catalog, path: &str) {
    let now = catalog.to_snapshot();
    if std::env::var(VARIABLE).is_ok_and(|value| value == "update") {
        if let Err(error) = std::fs::write(path, &now) {
            panic!("{path} can't be written: {error}");
        }
        return;
    }
    let advice = format!("run the test with {VARIABLE}=update to write the file, then commit it");
    let then = match std::fs::read_to_string(path) {
        Ok(then) => then.replace("\r\n", "\n"),
        Err(error) => panic!("{path} can't be read: {error}; {advice}"),
    };
    if then != now {
        let name = Path::new(path).file_name().unwrap_or_default().display();
        panic!(
            "{name} does not match the declarations:\n\n{}\nKeys that are already stored in Redis do not change. If the change \
             is intended, {advice}.",
            difference(&then, &now)
        );
    }
}

/// Returns the lines that are in only one of two texts, in order, each with its section.
fn difference(then: &str, now: &str) -> String {
    let mut text = String::new();
    let only_in = |one: &str, other: &str, sign: char, text: &mut String| {
        let mut section = "";
        for line in one.lines() {
            if line.starts_with('[') {
                section = line;
            }
            if !line.is_empty() && !other.lines().any(|other| other == line) {
                let _ = writeln!(text, "{sign} {section}{}{line}", if section == line { "" } else { "  " });
            }
        }
    };
    only_in(then, now, '-', &mut text);
    only_in(now, then, '+', &mut text);
    if text.is_empty() {
        text.push_str("only the order of the lines differs\n");
    }
    text
}
