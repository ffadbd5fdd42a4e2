//! Commands about the server.

use std::time::Duration;

use bytes::Bytes;

use super::arguments::{exactly, float, option, pairs};
use super::{
    BY_NAME, CONTAINER, Context, Effect, IMMEDIATE, NO_KEYS, NO_SCRIPT, Spec, TABLES, WRITE, command, lookup,
};
use crate::glob;
use crate::reply::{Answer, Failure, Reply};

/// The version of the real server that behaviour is compared with.
pub(super) const VERSION: &str = "7.0.15";

pub(super) const TABLE: &[Spec] = &[
    command("dbsize", 1, 0, NO_KEYS, |context, _| Ok(Reply::count(context.db()?.len()))),
    command("flushdb", -1, WRITE, NO_KEYS, |context, arguments| {
        flush_mode(arguments)?;
        context.db()?.clear();
        Ok(Reply::OK)
    }),
    command("flushall", -1, WRITE, NO_KEYS, |context, arguments| {
        flush_mode(arguments)?;
        for index in 0..context.state.dbs.len() {
            context.db_at(index)?.clear();
        }
        Ok(Reply::OK)
    }),
    command("time", 1, 0, NO_KEYS, |context, _| {
        let now = context.shared.clock.now();
        Ok(Reply::Array(vec![
            Reply::bulk(now.as_secs().to_string()),
            Reply::bulk(now.subsec_micros().to_string()),
        ]))
    }),
    command("info", -1, 0, NO_KEYS, info),
    command("command", -1, CONTAINER, NO_KEYS, |_, _| Ok(Reply::Array(top_level().map(describe).collect()))),
    command("command|count", 2, 0, NO_KEYS, |_, _| Ok(Reply::count(top_level().count()))),
    command("command|list", -2, 0, NO_KEYS, |_, _| {
        Ok(Reply::Array(top_level().map(|spec| Reply::text(spec.name)).collect()))
    }),
    command("command|info", -2, 0, NO_KEYS, |_, names| {
        let info = |name: &Bytes| lookup(name).map_or(Reply::NilArray, describe);
        if names.is_empty() {
            return Ok(Reply::Array(top_level().map(describe).collect()));
        }
        Ok(Reply::Array(names.iter().map(info).collect()))
    }),
    command("command|docs", -2, 0, NO_KEYS, |_, names| {
        let document = |spec: &'static Spec| (Reply::text(spec.name), Reply::Map(Vec::new()));
        if names.is_empty() {
            return Ok(Reply::Map(top_level().map(document).collect()));
        }
        Ok(Reply::Map(names.iter().filter_map(|name| lookup(name)).map(document).collect()))
    }),
    command("config", -2, CONTAINER | NO_SCRIPT, NO_KEYS, |_, _| Err(Failure::SYNTAX)),
    command("config|get", -3, NO_SCRIPT, NO_KEYS, |context, patterns| {
        let known =
            |name: &[u8]| patterns.iter().any(|pattern| glob::matches(&pattern.to_ascii_lowercase(), name));
        let defaults =
            [("maxmemory", "0"), ("maxmemory-policy", "noeviction"), ("save", ""), ("appendonly", "no")];
        let defaults =
            defaults.map(|(name, value)| (name.as_bytes().to_vec(), Bytes::from_static(value.as_bytes())));
        let databases = (b"databases".to_vec(), Bytes::from(context.state.dbs.len().to_string()));
        let mut settings: std::collections::BTreeMap<_, _> =
            defaults.into_iter().chain([databases]).collect();
        settings.extend(context.state.config.iter().map(|(name, value)| (name.clone(), value.clone())));
        let matching = settings.into_iter().filter(|(name, _)| known(name));
        Ok(Reply::Map(matching.map(|(name, value)| (Reply::bulk(name), Reply::Bulk(value))).collect()))
    }),
    command("config|set", -4, NO_SCRIPT, NO_KEYS, |context, arguments| {
        let pairs = pairs(arguments, "config|set")?;
        if let Some([name, _]) = pairs.iter().find(|[name, _]| !is_setting(name)) {
            let text = "ERR Unknown option or number of arguments for CONFIG SET - '";
            return Err(Failure::quoting(text, name, "'"));
        }
        for [name, value] in pairs {
            // Remembered and without effect: there is neither memory to run out of nor a disk.
            context.state.config.insert(name.to_ascii_lowercase(), Bytes::copy_from_slice(value));
        }
        Ok(Reply::OK)
    }),
    command("config|resetstat", 2, NO_SCRIPT, NO_KEYS, |context, _| {
        for db in &mut context.state.dbs {
            (db.hits, db.misses, db.expired) = (0, 0, 0);
        }
        Ok(Reply::OK)
    }),
    command("debug", -2, CONTAINER | NO_SCRIPT, NO_KEYS, |_, _| Err(Failure::SYNTAX)),
    command("debug|sleep", 3, NO_SCRIPT, NO_KEYS, |context, arguments| {
        let [seconds] = exactly(arguments)?;
        let delay = float(seconds).ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        context.set_effect(Effect::Sleep(delay.unwrap_or_default()));
        Ok(Reply::OK)
    }),
];

/// What CONFIG SET takes.
fn is_setting(name: &[u8]) -> bool {
    const SETTINGS: [&[u8]; 10] = [
        b"appendonly",
        b"client-query-buffer-limit",
        b"hz",
        b"lazyfree-lazy-user-del",
        b"maxmemory",
        b"maxmemory-policy",
        b"maxmemory-samples",
        b"save",
        b"tcp-keepalive",
        b"timeout",
    ];
    SETTINGS.iter().any(|setting| setting.eq_ignore_ascii_case(name))
}

fn flush_mode(arguments: &[Bytes]) -> Result<(), Failure> {
    match arguments {
        [] => Ok(()),
        [mode] if matches!(option(mode).as_slice(), b"SYNC" | b"ASYNC") => Ok(()),
        _ => Err(Failure::SYNTAX),
    }
}

fn top_level() -> impl Iterator<Item = &'static Spec> {
    TABLES.iter().copied().flatten().filter(|spec| !spec.name.contains('|'))
}

/// An entry of COMMAND INFO.
fn describe(spec: &'static Spec) -> Reply {
    let mut flags = vec![Reply::status(if spec.flags & WRITE != 0 { "write" } else { "readonly" })];
    if spec.flags & NO_SCRIPT != 0 {
        flags.push(Reply::status("noscript"));
    }
    if spec.flags & IMMEDIATE != 0 {
        flags.push(Reply::status("fast"));
    }
    let (first, last, step) = spec.keys;
    let nothing = || Reply::Array(Vec::new());
    let subcommands = if spec.flags & CONTAINER != 0 {
        let own = |sub: &&&'static Spec| {
            sub.name.split_once('|').is_some_and(|(container, _)| container == spec.name)
        };
        BY_NAME.values().filter(own).map(|sub| describe(sub)).collect()
    } else {
        Vec::new()
    };
    Reply::Array(vec![
        Reply::text(spec.name),
        Reply::Integer(spec.arity),
        Reply::Set(flags),
        Reply::Integer(first),
        Reply::Integer(last),
        Reply::Integer(step),
        Reply::Set(Vec::new()),
        nothing(),
        nothing(),
        Reply::Array(subcommands),
    ])
}

fn info(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let wanted: Vec<Vec<u8>> = arguments.iter().map(|name| name.to_ascii_lowercase()).collect();
    let everything = wanted.is_empty()
        || wanted.iter().any(|name| matches!(name.as_slice(), b"all" | b"everything" | b"default"));
    let mut text = String::new();
    for (name, body) in sections(context) {
        if everything || wanted.iter().any(|wanted| wanted == name.to_ascii_lowercase().as_bytes()) {
            if !text.is_empty() {
                text.push_str("\r\n");
            }
            text.push_str(&format!("# {name}\r\n"));
            for (field, value) in body {
                text.push_str(&format!("{field}:{value}\r\n"));
            }
        }
    }
    Ok(Reply::Verbatim(text.into()))
}

type Section = (&'static str, Vec<(String, String)>);

fn sections(context: &mut Context<'_>) -> Vec<Section> {
    let now = context.now;
    let uptime = context.shared.clock.uptime().as_secs();
    let (mode, run_id) = (context.shared.mode(), &context.shared.run_id);
    let state = &mut *context.state;
    state.dbs.iter_mut().for_each(|db| db.purge(now));
    let sum =
        |of: fn(&crate::db::Db) -> u64| state.dbs.iter().map(of).fold(0, u64::saturating_add).to_string();
    let blocked: usize = state.dbs.iter().map(crate::db::Db::waiting).sum();
    let field = |name: &str, value: &dyn ToString| (name.to_owned(), value.to_string());
    let keyspace = state.dbs.iter().enumerate().filter(|(_, db)| db.len() > 0);
    vec![
        (
            "Server",
            vec![
                field("redis_version", &VERSION),
                field("redis_mode", &mode),
                field("server_name", &"redis-keyspace-embedded"),
                field("server_version", &env!("CARGO_PKG_VERSION")),
                field("run_id", &run_id),
                field("process_id", &std::process::id()),
                field("uptime_in_seconds", &uptime),
                field("uptime_in_days", &(uptime / 86_400)),
            ],
        ),
        (
            "Clients",
            vec![field("connected_clients", &state.clients.len()), field("blocked_clients", &blocked)],
        ),
        (
            "Memory",
            vec![field("used_memory", &0), field("maxmemory", &0), field("maxmemory_policy", &"noeviction")],
        ),
        (
            "Stats",
            vec![
                field("total_connections_received", &state.connections_received),
                field("total_commands_processed", &state.commands_processed),
                field("expired_keys", &sum(|db| db.expired)),
                field("evicted_keys", &0),
                field("keyspace_hits", &sum(|db| db.hits)),
                field("keyspace_misses", &sum(|db| db.misses)),
                field("pubsub_channels", &state.channels.len()),
            ],
        ),
        ("Replication", vec![field("role", &"master"), field("connected_slaves", &0)]),
        (
            "Keyspace",
            keyspace
                .map(|(index, db)| {
                    let value = format!("keys={},expires={},avg_ttl=0", db.len(), db.expiring());
                    (format!("db{index}"), value)
                })
                .collect(),
        ),
    ]
}
