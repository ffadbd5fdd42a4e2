//! INFO.

use bytes::Bytes;

use super::context::{Context, Spec, command};
use super::flags::NO_KEYS;
use crate::db::Db;
use crate::reply::{Answer, Reply};

/// The version of the real server whose behaviour this one follows.
pub(super) const VERSION: &str = "7.0.15";

pub(super) const TABLE: &[Spec] = &[command("info", -1, 0, NO_KEYS, info)];

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
    let sum = |of: fn(&Db) -> u64| state.dbs.iter().map(of).fold(0, u64::saturating_add).to_string();
    let blocked: usize = state.dbs.iter().map(Db::waiting).sum();
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
