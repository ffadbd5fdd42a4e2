//! Redis ACL rules: the permissions that a program needs.

use std::collections::BTreeSet;
use std::fmt;

use super::Catalog;
use super::acl_commands::{
    ALWAYS, CHANNEL, EVERY_KEY, FILLED, FOR_REPLICAS, FUNCTIONS, HEALTH, INSTEAD_OF_SCRIPTS, KEPT, KINDS,
    NOTIFICATIONS, OF_SENTINELS, ON_CLUSTERS, SHARDED_CHANNEL, TIMED,
};
use crate::client::{HEALTH_PROBE, check_tenant};
use crate::error::Result;
use crate::key::{Companion, GENERATION_MARKER, Piece, without_spaces};
use crate::kind::Role;
use crate::protocol::NewerCommand;
use crate::schema::{KeyspaceMeta, TemplateMeta, sweep_mark};

/// The version of Redis whose commands the rules contain, unless the application sets another one.
const DEFAULT_REDIS: (u16, u16) = (6, 2);

impl Catalog {
    /// Returns the narrowest Redis ACL rules under which the program works: a `~` rule for the keys
    /// of each template, and a `+` rule for each command that is sent. They print as the end of
    /// `ACL SETUSER name on >password ..`.
    ///
    /// Templates with fills also need rights on their companion keys. Templates with
    /// `fills = false` do not.
    ///
    /// In an ACL pattern, `*` matches colons too, so the rule of a template permits more keys than
    /// the template has.
    ///
    /// Each template of a channel has a `&` rule. The server permits a subscription to a pattern
    /// only if a rule has exactly its text. So the rules permit a subscription to all channels of a
    /// template, but not to a pattern with bound arguments, which needs its own rule. Patterns of a
    /// tenant, and notifications about its keys, need the rules of [`tenant`](AclRules::tenant).
    /// Redis 6.0 has no such rules, and needs [`redis_version(6, 0)`](AclRules::redis_version).
    ///
    /// The rules do not include what only some programs need: a [cluster](AclRules::cluster),
    /// [sentinels](AclRules::sentinel), [replicas](AclRules::replicas), [health
    /// checks](AclRules::health) with details, [notifications](AclRules::notifications) about keys,
    /// [`watch`](AclRules::watch), [functions](AclRules::functions), and raw commands. The
    /// [guide](crate::guide::scans#permissions) has a table of all methods.
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
        AclRules {
            catalog: *self,
            namespace: String::new(),
            tenant: None,
            server: None,
            is_cluster: false,
            uses_sentinels: false,
            checks_health: false,
            uses_replicas: false,
            watches_keys: None,
            uses_watch: false,
            uses_functions: false,
            redis: None,
            valkey: None,
        }
    }
}

/// The permissions that a program needs, created by [`Catalog::acl_rules`]. Prints as rules for
/// `ACL SETUSER`.
#[derive(Debug, Clone)]
#[must_use = "print it"]
pub struct AclRules {
    catalog: Catalog,
    /// Ends in its separator, or is empty.
    namespace: String,
    tenant: Option<String>,
    server: Option<Option<String>>,
    is_cluster: bool,
    uses_sentinels: bool,
    checks_health: bool,
    uses_replicas: bool,
    /// The database whose notifications the program subscribes to.
    watches_keys: Option<u16>,
    uses_watch: bool,
    uses_functions: bool,
    /// The oldest versions of the servers, major and minor.
    redis: Option<(u16, u16)>,
    valkey: Option<(u16, u16)>,
}

impl AclRules {
    /// Sets the application namespace that the program uses.
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.namespace = if namespace.is_empty() { String::new() } else { format!("{namespace}:") };
        self
    }

    /// Restricts the rules of keyspaces that declare `tenant` to one tenant, for a user of this
    /// tenant only. By default, they cover all tenants.
    ///
    /// A user of several tenants needs these `&` rules, for each of them, to subscribe to patterns
    /// and to notifications, because the server compares the text of patterns.
    ///
    /// ```
    /// # use redis_keyspace::{Channel, Keyspace, Text, catalog};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "chat", tenant = "t")]
    /// # pub struct ChatKeys { room: fn(id: u64) -> Channel<Text> }
    /// catalog!(CATALOG = [ChatKeys]);
    /// # fn main() -> Result<(), redis_keyspace::Error> {
    /// let rules = CATALOG.acl_rules();
    /// assert!(rules.to_string().contains(" &t:*:chat:room:* "));
    /// assert!(rules.tenant("acme")?.to_string().contains(" &t:acme:chat:room:* "));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for a name that
    /// [`Redis::for_tenant`](crate::Redis::for_tenant) rejects.
    pub fn tenant(mut self, tenant: &str) -> Result<Self> {
        check_tenant(tenant)?;
        self.tenant = Some(tenant.to_owned());
        Ok(self)
    }

    /// Restricts the rules to the keyspaces of one server: those that declare this name or, with
    /// `None`, those that declare no server. By default, the rules cover the keyspaces of all
    /// servers.
    pub fn server(mut self, name: Option<&str>) -> Self {
        self.server = Some(name.map(str::to_owned));
        self
    }

    /// Adds the commands that a program sends on a [cluster](crate::guide::cluster).
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Text, catalog};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # pub struct PageKeys { title: fn(id: u64) -> Text }
    /// catalog!(pub CATALOG = [PageKeys], cluster);
    ///
    /// let rules = CATALOG.acl_rules().cluster().to_string();
    /// assert!(rules.contains("+cluster|slots") && rules.contains("+asking"));
    /// ```
    pub fn cluster(mut self) -> Self {
        self.is_cluster = true;
        self
    }

    /// Adds the command that a program sends to the master that sentinels name: `ROLE`. It is sent
    /// only if the login did not report the role. The sentinels themselves have other users.
    pub fn sentinel(mut self) -> Self {
        self.uses_sentinels = true;
        self
    }

    /// Adds what [`Redis::health`](crate::Redis::health) uses in addition: `INFO`, for the role and
    /// the version, and the key of
    /// [`with_write_probe`](crate::health::HealthCheck::with_write_probe). Without these rules, a
    /// check works, but reports neither role nor version, and with a write probe it fails.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Text, catalog};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "session", ttl = "1d")]
    /// # pub struct SessionKeys { token: fn(user: u64) -> Text }
    /// catalog!(CATALOG = [SessionKeys]);
    /// let rules = CATALOG.acl_rules().namespace("staging").health().to_string();
    /// assert!(rules.contains(" ~staging:redis-keyspace:health ") && rules.contains(" +info "));
    /// ```
    pub fn health(mut self) -> Self {
        self.checks_health = true;
        self
    }

    /// Adds the commands for [replicas](crate::guide::replicas): `INFO` and `READONLY` to read from
    /// them, and `WAIT` for writes that wait for them. The users of a master are not replicated, so
    /// create them on the replicas, too.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Text, catalog};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d", reads = "prefer_replica")]
    /// # pub struct PageKeys { title: fn(id: u64) -> Text }
    /// catalog!(CATALOG = [PageKeys]);
    /// let rules = CATALOG.acl_rules().replicas().to_string();
    /// assert!(rules.contains("+info") && rules.contains("+readonly") && rules.contains("+wait"));
    /// ```
    pub fn replicas(mut self) -> Self {
        self.uses_replicas = true;
        self
    }

    /// Adds the channels and the commands of
    /// [notifications](crate::scan::Pattern::notifications) about the keys of this database.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Text, catalog};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "session", ttl = "1d")]
    /// # pub struct SessionKeys { token: fn(user: u64) -> Text }
    /// catalog!(CATALOG = [SessionKeys]);
    /// let rules = CATALOG.acl_rules().notifications(0).to_string();
    /// assert!(rules.contains(" &__keyspace@0__:session:token:* ") && rules.contains(" +psubscribe "));
    /// ```
    pub fn notifications(mut self, db: u16) -> Self {
        self.watches_keys = Some(db);
        self
    }

    /// Adds the command of [`Redis::watch`](crate::Redis::watch).
    pub fn watch(mut self) -> Self {
        self.uses_watch = true;
        self
    }

    /// Adds the commands that call and load [functions](crate::guide::scripts#functions), which
    /// Redis 7.0 and later have.
    ///
    /// ```
    /// # use redis_keyspace::{Counter, Keyspace, catalog};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # pub struct PageKeys { views: fn(id: u64) -> Counter }
    /// catalog!(CATALOG = [PageKeys]);
    /// let rules = CATALOG.acl_rules().watch().functions().to_string();
    /// assert!(rules.contains(" +watch") && rules.contains(" +fcall "));
    /// ```
    pub fn functions(mut self) -> Self {
        self.uses_functions = true;
        self
    }

    /// Sets the oldest version of Redis that loads the rules. They contain the commands that it
    /// has, because a server rejects rules with a command that it does not know:
    ///
    /// - from 7.0 on, those of `expire_time`, `lmpop`, `zmpop`, `sinter_card` and `zinter_card`;
    /// - for hashes and records, the commands of field TTLs, such as `HPEXPIRE` from 7.4 on;
    /// - for locks, and for updates of keys without fills, `DELEX` from 8.4 on, which replaces a
    ///   script. Without the permission, the script runs. Each process sends the command once to
    ///   find out, and the server logs that in its `ACL LOG`.
    ///
    /// By default, the rules contain the commands of Redis 6.2, and those of sharded channels if a
    /// template declares them. With 6.0, there are no rules of channels, and before 7.0 none of the
    /// commands of sharded channels.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Lock, catalog};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "job", ttl = "30s")]
    /// # pub struct JobKeys { lock: fn(job: &str) -> Lock }
    /// catalog!(CATALOG = [JobKeys]);
    /// assert!(CATALOG.acl_rules().redis_version(8, 4).to_string().contains(" +delex "));
    /// assert!(!CATALOG.acl_rules().redis_version(7, 2).to_string().contains("delex"));
    /// assert!(!CATALOG.acl_rules().redis_version(6, 0).to_string().contains("copy"));
    /// ```
    pub fn redis_version(mut self, major: u16, minor: u16) -> Self {
        self.redis = Some((major, minor));
        self
    }

    /// Sets the oldest version of Valkey that loads the rules. They contain the commands that it
    /// has, such as those of field TTLs and `DELIFEQ` from 9.0 on; see
    /// [`redis_version`](Self::redis_version). If both are set, the rules contain the commands that
    /// both versions have.
    pub fn valkey_version(mut self, major: u16, minor: u16) -> Self {
        self.valkey = Some((major, minor));
        self
    }

    /// Whether the application sets neither version.
    fn is_for_any_server(&self) -> bool {
        self.redis.is_none() && self.valkey.is_none()
    }

    /// Whether the servers that load the rules have a command.
    fn has(&self, command: &str) -> bool {
        let Some(newer) = NewerCommand::named(&command.replace('|', " ")) else { return true };
        let redis = if self.is_for_any_server() { Some(DEFAULT_REDIS) } else { self.redis };
        // What the application asks for is there.
        let is_asked_for = SHARDED_CHANNEL.contains(&command) || FUNCTIONS.contains(&command);
        newer.is_in(redis, self.valkey) || (self.is_for_any_server() && is_asked_for)
    }

    /// Whether the servers that load the rules have rules for channels. Every Valkey has.
    fn has_rules_for_channels(&self) -> bool {
        self.redis.is_none_or(|redis| redis >= DEFAULT_REDIS)
    }

    /// Whether the program deletes keys that have a value, with a command or a script.
    fn deletes_if_equal(&self) -> bool {
        self.templates().any(|(_, template)| match template.kind.role {
            Role::Lock => true,
            Role::Data => !template.ends_fills() && !template.kind.is_collection,
            _ => false,
        })
    }

    /// Returns the templates, each with the text before its keys: namespace and tenant.
    fn templates(&self) -> impl Iterator<Item = (String, &'static TemplateMeta)> {
        let namespace = without_spaces(&self.namespace);
        let is_meant = |keyspace: &&&'static KeyspaceMeta| {
            self.server.as_ref().is_none_or(|server| server.as_deref() == keyspace.server())
        };
        let tenant = self.tenant.as_deref().map_or_else(|| "*".to_owned(), without_spaces);
        let start = move |keyspace: &KeyspaceMeta| match keyspace.tenant() {
            Some(segment) => format!("{namespace}{}:{tenant}:", without_spaces(segment)),
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
        let mut channels = BTreeSet::new();
        for (namespace, template) in self.templates() {
            let glob = glob(&namespace, template);
            if !template.stores() {
                channels.insert(glob);
                continue;
            }
            channels.extend(self.watches_keys.map(|db| format!("__keyspace@{db}__:{glob}")));
            // A glob that ends in `*` already matches all names that start with a key.
            if !glob.ends_with('*') {
                if template.kind.role == Role::Lock {
                    keys.insert(format!("{glob}{}*", Companion::Fence.marker()));
                }
                if has(Role::Group) && template.may_expire() {
                    keys.insert(format!("{glob}{GENERATION_MARKER}*"));
                }
            }
            keys.insert(glob);
        }
        let filled = || self.templates().filter(|(_, template)| template.ends_fills());
        keys.extend(filled().flat_map(|(namespace, template)| companion_globs(&namespace, template)));
        if self.checks_health {
            keys.insert(format!("{}{HEALTH_PROBE}", without_spaces(&self.namespace)));
        }
        keys.iter().try_for_each(|glob| write!(f, " ~{glob}"))?;
        if !self.has_rules_for_channels() {
            channels.clear();
        }
        if !channels.is_empty() {
            // Servers before 7.0 permit all channels otherwise.
            f.write_str(" resetchannels")?;
        }
        channels.iter().try_for_each(|glob| write!(f, " &{glob}"))?;
        let mut commands: BTreeSet<&str> = ALWAYS.into_iter().chain(EVERY_KEY).collect();
        let has_kind = |layout, redis_type| {
            let mut templates = self.templates();
            templates
                .any(|(_, template)| template.kind.layout == layout && template.redis_type() == redis_type)
        };
        for (layout, redis_type, of_kind) in KINDS {
            if has_kind(layout, redis_type) {
                commands.extend(of_kind);
            }
        }
        if has(Role::Channel) {
            commands.extend(CHANNEL);
        }
        if self.templates().any(|(_, template)| template.is_sharded()) {
            commands.extend(SHARDED_CHANNEL);
        }
        if self.watches_keys.is_some() {
            commands.extend(NOTIFICATIONS);
        }
        if self.uses_watch {
            commands.insert("watch");
        }
        if self.uses_functions {
            commands.extend(FUNCTIONS);
        }
        if self.templates().any(|(_, template)| template.kind.is_collection) {
            commands.extend(KEPT);
        }
        if filled().next().is_some() {
            commands.extend(FILLED);
        }
        if has(Role::Lock) || has(Role::RateLimit) {
            commands.extend(TIMED);
        }
        if self.is_cluster {
            commands.extend(ON_CLUSTERS);
        }
        if self.uses_sentinels {
            commands.extend(OF_SENTINELS);
        }
        if self.checks_health {
            commands.extend(HEALTH);
        }
        if self.uses_replicas {
            commands.extend(FOR_REPLICAS);
        }
        if self.deletes_if_equal() {
            commands.extend(INSTEAD_OF_SCRIPTS);
        }
        commands.retain(|command| self.has(command));
        f.write_str(" -@all")?;
        commands.iter().try_for_each(|command| write!(f, " +{command}"))
    }
}

/// Returns the globs of the companion keys and the sweep mark of a template that its own glob does
/// not match.
fn companion_globs(namespace: &str, template: &TemplateMeta) -> Vec<String> {
    let (glob, mark) = (glob(namespace, template), sweep_mark(template));
    let mark = format!("{namespace}{}", without_spaces(mark.as_str()));
    let mut companion_globs = Vec::new();
    if !glob.ends_with('*') {
        companion_globs.push(format!("{glob}%*"));
    }
    // The name of a mark starts like the keys.
    let lets_mark_in = glob.strip_suffix('*').is_some_and(|start| mark.starts_with(start));
    if !lets_mark_in && template.pieces().iter().any(|piece| matches!(piece, Piece::Argument(_))) {
        companion_globs.push(mark);
    }
    companion_globs
}

fn glob(namespace: &str, template: &TemplateMeta) -> String {
    let mut glob = namespace.to_owned();
    for piece in template.pieces() {
        match piece {
            // Templates contain no glob characters.
            Piece::Literal(text) => glob.push_str(&without_spaces(text)),
            Piece::Argument(_) => glob.push('*'),
        }
    }
    glob
}
