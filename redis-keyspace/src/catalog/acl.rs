//! The rights that a program needs.

use std::collections::BTreeSet;
use std::fmt;

use super::Catalog;
use crate::key::{Companion, GENERATION_MARKER, Piece};
use crate::kind::Role;
use crate::schema::{KeyspaceMeta, TemplateMeta, sweep_mark};

/// What every connection says, and what takes no key. Not `client|setinfo`, which servers before 7.2 do not know, and
/// not `info`: both may be refused. `discard` and `unwatch` clean up connections of the application's pool.
const ALWAYS: [&str; 9] =
    ["client|setname", "dbsize", "discard", "exec", "multi", "ping", "scan", "select", "unwatch"];
/// What can be done with every key.
const EVERY_KEY: [&str; 9] =
    ["exists", "persist", "pexpire", "pexpireat", "pttl", "rename", "renamenx", "type", "unlink"];
/// What can be done with a Redis string.
const STRING: [&str; 9] = ["eval", "evalsha", "get", "getdel", "getex", "incrby", "mget", "set", "strlen"];
/// What is done with what is kept beside a key that can be filled.
const FILLED: [&str; 5] = ["hdel", "hget", "hmget", "hset", "time"];
/// What the scripts of locks and rate limits take besides.
const TIMED: [&str; 1] = ["time"];

impl Catalog {
    /// The narrowest Redis ACL rules under which the program works: a `~` for the keys of each template, a `+` for each
    /// command that is sent. They print as the end of `ACL SETUSER name on >password ..`.
    ///
    /// A `*` of Redis matches colons too, so the rule of a template lets in more than its keys.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Text, catalog};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "session", ttl = "1d")]
    /// # pub struct SessionKeys { token: fn(user: u64) -> Text }
    /// catalog!(CATALOG = [SessionKeys]);
    /// let rules = CATALOG.acl_rules().namespace("staging").to_string();
    /// assert!(rules.starts_with("resetkeys ~staging:session:token:* -@all "));
    /// assert!(rules.contains("+get "));
    /// ```
    pub fn acl_rules(&self) -> AclRules {
        AclRules { catalog: *self, namespace: String::new(), server: None }
    }
}

/// The rights that a program needs: see [`Catalog::acl_rules`]. Prints as rules for `ACL SETUSER`.
#[derive(Debug, Clone)]
#[must_use = "print it"]
pub struct AclRules {
    catalog: Catalog,
    /// With its separator, if there is one.
    namespace: String,
    server: Option<Option<String>>,
}

impl AclRules {
    /// For a program that is run with this application namespace.
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.namespace = if namespace.is_empty() { String::new() } else { format!("{namespace}:") };
        self
    }

    /// For one server only: that of the keyspaces which state this name, or, with `None`, of those that state none. Without
    /// it, the rules are for the keyspaces of all servers together.
    pub fn server(mut self, name: Option<&str>) -> Self {
        self.server = Some(name.map(str::to_owned));
        self
    }

    /// The templates, each with the text before its keys: namespace and tenant.
    fn templates(&self) -> impl Iterator<Item = (String, &'static TemplateMeta)> {
        let namespace = without_spaces(&self.namespace);
        let is_meant = |keyspace: &&&'static KeyspaceMeta| {
            self.server.as_ref().is_none_or(|server| server.as_deref() == keyspace.server())
        };
        let start = move |keyspace: &KeyspaceMeta| match keyspace.tenant() {
            Some(tenant) => format!("{namespace}{}:*:", without_spaces(tenant)),
            None => namespace.clone(),
        };
        let meant = self.catalog.keyspaces.iter().filter(is_meant);
        meant.flat_map(move |keyspace| {
            let start = start(keyspace);
            keyspace.templates().iter().map(move |template| (start.clone(), template))
        })
    }
}

impl fmt::Display for AclRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("resetkeys")?;
        let has = |role| self.templates().any(|(_, template)| template.kind.role == role);
        let mut keys = BTreeSet::new();
        for (namespace, template) in self.templates() {
            let glob = glob(&namespace, template);
            // One that ends in a `*` lets in all that is named after a key.
            if !glob.ends_with('*') {
                if template.kind.role == Role::Lock {
                    keys.insert(format!("{glob}{}*", Companion::Fence.marker()));
                }
                if has(Role::Group)
                    && (template.lifetime().duration().is_some() || template.inherits_lifetime)
                {
                    keys.insert(format!("{glob}{GENERATION_MARKER}*"));
                }
            }
            keys.insert(glob);
        }
        let filled = || self.templates().filter(|(_, template)| template.kind.is_filled);
        keys.extend(filled().flat_map(|(namespace, template)| beside(&namespace, template)));
        keys.iter().try_for_each(|glob| write!(f, " ~{glob}"))?;
        let mut commands: BTreeSet<&str> = ALWAYS.into_iter().chain(EVERY_KEY).collect();
        if self.templates().any(|(_, template)| template.redis_type() == "string") {
            commands.extend(STRING);
        }
        if filled().next().is_some() {
            commands.extend(FILLED);
        }
        if has(Role::Lock) || has(Role::RateLimit) {
            commands.extend(TIMED);
        }
        f.write_str(" -@all")?;
        commands.iter().try_for_each(|command| write!(f, " +{command}"))
    }
}

/// Rules end at a space.
fn without_spaces(text: &str) -> String {
    text.replace(' ', "?")
}

/// What is kept beside the keys of a template, and the mark of its sweeps, as far as its own glob does not let them in.
fn beside(namespace: &str, template: &TemplateMeta) -> Vec<String> {
    let (glob, mark) = (glob(namespace, template), sweep_mark(template));
    let mark = format!("{namespace}{}", without_spaces(mark.as_str()));
    let mut beside = Vec::new();
    if !glob.ends_with('*') {
        beside.push(format!("{glob}%*"));
    }
    // A mark starts as the keys do.
    let lets_mark_in = glob.strip_suffix('*').is_some_and(|start| mark.starts_with(start));
    if !lets_mark_in && template.pieces().iter().any(|piece| matches!(piece, Piece::Argument(_))) {
        beside.push(mark);
    }
    beside
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
