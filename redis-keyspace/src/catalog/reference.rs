//! The reference of all keys, in Markdown.

use std::fmt::Write;

use super::Catalog;
use crate::key::Piece;
use crate::schema::{KeyspaceMeta, Lifetime, TemplateMeta};

impl Catalog {
    /// Returns a reference of every key in Markdown: a section for each keyspace, a row for each
    /// template.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Text, catalog};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "motd", ttl = "1h")]
    /// # struct Motd { today: Text }
    /// catalog!(CATALOG = [Motd]);
    /// assert!(CATALOG.to_markdown().contains("| `motd:today` | `Text` |"));
    /// ```
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut text = String::from("# Keys\n");
        for keyspace in self.keyspaces {
            section(keyspace, &mut text);
        }
        text
    }

    /// Returns the catalog as JSON.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Text, catalog};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "motd", ttl = "1h")]
    /// # struct Motd { today: Text }
    /// catalog!(CATALOG = [Motd]);
    /// assert!(CATALOG.to_json().contains("\"template\": \"motd:today\""));
    /// ```
    #[cfg(feature = "json")]
    #[must_use]
    pub fn to_json(&self) -> String {
        // The catalog consists of strings and numbers, whose serialization does not fail.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

fn section(keyspace: &KeyspaceMeta, text: &mut String) {
    let _ = write!(text, "\n## {}\n\n", keyspace.name());
    if !keyspace.docs().is_empty() {
        let _ = write!(text, "{}\n\n", keyspace.docs().trim());
    }
    let db = keyspace.db().map_or_else(|| "as configured".to_owned(), |db| db.to_string());
    let _ = write!(text, "Database: {db}.");
    if let Some(server) = keyspace.server() {
        let dedicated = if keyspace.has_dedicated_server() { " (dedicated)" } else { "" };
        let _ = write!(text, " Server: {server}{dedicated}.");
    }
    if let Some(tenant) = keyspace.tenant() {
        let _ = write!(text, " Each key belongs to one tenant and starts with `{tenant}:{{tenant}}:`.");
    }
    text.push_str(
        "\n\n| key | value | on the wire | lifetime | arguments | |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for template in keyspace.templates() {
        let _ = writeln!(
            text,
            "| `{}` | `{}` | {} | {}{} | {} | {} |",
            cell(template.template()),
            cell(template.kind()),
            cell(template.wire_format()),
            lifetime(template.lifetime()),
            template.trim().map(|trim| format!(", trim: {trim}")).unwrap_or_default(),
            cell(&arguments(template)),
            cell(template.docs().lines().next().unwrap_or_default()),
        );
    }
}

/// Escapes text for a table cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// Lists the arguments of a template: `id: u64, name: &str`.
fn arguments(template: &TemplateMeta) -> String {
    let arguments = template.pieces().iter().filter_map(|piece| match piece {
        Piece::Argument(argument) => Some(format!("{}: {}", argument.name(), argument.type_name())),
        Piece::Literal(_) => None,
    });
    arguments.collect::<Vec<_>>().join(", ")
}

/// Prints a lifetime in the largest unit of which it is a whole multiple.
pub(super) fn lifetime(lifetime: Lifetime) -> String {
    const UNITS: [(u128, &str); 5] =
        [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms")];
    let Some(millis) = lifetime.duration().map(|duration| duration.as_millis()) else {
        return "none".to_owned();
    };
    let unit = UNITS.iter().find(|(unit, _)| millis.is_multiple_of(*unit));
    unit.map_or_else(String::new, |(unit, name)| format!("{}{name}", millis / unit))
}
