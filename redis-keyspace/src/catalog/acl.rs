//! The rights that a program needs.

use std::collections::BTreeSet;

use super::Catalog;
use crate::keyspace::{Piece, TemplateMeta};

/// What every connection says, and what takes no key. Not `client|setinfo`, which servers before 7.2 do not know, and
/// which may be refused.
const ALWAYS: [&str; 7] = ["client|setname", "dbsize", "exec", "multi", "ping", "scan", "select"];
/// What can be done with every key.
const EVERY_KEY: [&str; 8] =
    ["exists", "persist", "pexpire", "pexpireat", "pttl", "rename", "renamenx", "unlink"];
/// What can be done with a Redis string.
const STRING: [&str; 7] = ["get", "getdel", "getex", "incrby", "mget", "set", "strlen"];

impl Catalog {
    /// The narrowest Redis ACL rules under which the program works: a `~` for the keys of each template, a `+` for each
    /// command that is sent. For `ACL SETUSER name on >password ..`.
    ///
    /// `namespace` is the application namespace that the program is run with, if any. The rules are for the keyspaces of all
    /// servers together. A `*` of Redis matches colons too, so the rule of a template lets in more than its keys.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Text, catalog};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "session", ttl = "1d")]
    /// # pub struct SessionKeys { token: fn(user: u64) -> Text }
    /// catalog!(CATALOG = [SessionKeys]);
    /// let rules = CATALOG.acl_rules(None);
    /// assert!(rules.starts_with("resetkeys ~session:token:* -@all "));
    /// assert!(rules.contains("+get "));
    /// ```
    #[must_use]
    pub fn acl_rules(&self, namespace: Option<&str>) -> String {
        let namespace =
            namespace.map(|namespace| format!("{}:", without_spaces(namespace))).unwrap_or_default();
        let templates = || self.keyspaces.iter().flat_map(|keyspace| keyspace.templates());
        let keys: BTreeSet<String> = templates().map(|template| glob(&namespace, template)).collect();
        let mut commands: BTreeSet<&str> = ALWAYS.into_iter().chain(EVERY_KEY).collect();
        if templates().any(|template| template.redis_type() == "string") {
            commands.extend(STRING);
        }
        let mut rules = vec!["resetkeys".to_owned()];
        rules.extend(keys.iter().map(|glob| format!("~{glob}")));
        rules.push("-@all".to_owned());
        rules.extend(commands.iter().map(|command| format!("+{command}")));
        rules.join(" ")
    }
}

/// Rules end at a space.
fn without_spaces(text: &str) -> String {
    text.replace(' ', "?")
}

fn glob(namespace: &str, template: &TemplateMeta) -> String {
    let mut glob = namespace.to_owned();
    for piece in template.pieces() {
        match piece {
            // Of what a glob would take for its own, templates contain nothing.
            Piece::Literal(text) => glob.push_str(&without_spaces(text)),
            Piece::Argument(_) => glob.push('*'),
        }
    }
    glob
}
