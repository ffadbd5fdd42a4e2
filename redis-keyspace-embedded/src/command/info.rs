//! INFO. The file `info.txt` has the fields, and the values of those that never change.

use bytes::Bytes;

use super::config::value_of;
use super::context::{Context, Spec, command};
use super::flags::NO_KEYS;
use crate::db::Db;
use crate::reply::{Answer, Reply};

/// The version of the real server that this server emulates.
pub(super) const VERSION: &str = "7.0.15";

pub(super) const TABLE: &[Spec] = &[command("info", -1, 0, NO_KEYS, info)];

/// Sections that are shown only for `INFO all` and `INFO everything`, or by name.
const NOT_BY_DEFAULT: [&str; 2] = ["Commandstats", "Latencystats"];

fn info(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let asked = |name: &str| arguments.iter().any(|asked| asked.eq_ignore_ascii_case(name.as_bytes()));
    let all = asked("all") || asked("everything");
    let default = arguments.is_empty() || asked("default");
    let now = context.now;
    context.state.dbs.iter_mut().for_each(|db| db.purge(now));
    let mut text = String::new();
    let mut wanted = false;
    // The first line is a comment.
    for line in include_str!("info.txt").lines().skip(1) {
        if let Some(section) = line.strip_prefix("# ") {
            wanted = all || asked(section) || (default && !NOT_BY_DEFAULT.contains(&section));
            if wanted {
                let gap = if text.is_empty() { "" } else { "\r\n" };
                text.push_str(&format!("{gap}# {section}\r\n"));
                listed(context, section).iter().for_each(|line| text.push_str(&format!("{line}\r\n")));
            }
        } else if wanted {
            let value = line.strip_suffix(":?").and_then(|name| computed(context, name));
            match (value, line.strip_suffix('?')) {
                (Some(value), Some(name)) => text.push_str(&format!("{name}{value}\r\n")),
                _ => text.push_str(&format!("{line}\r\n")),
            }
        }
    }
    Ok(Reply::Verbatim(text.into()))
}

/// Returns the lines of a section that is a list.
fn listed(context: &Context<'_>, section: &str) -> Vec<String> {
    match section {
        "Errorstats" => {
            // Separators of fields are replaced, as on a real server.
            let shown = |kind: &str| kind.replace(['#', ':'], "_");
            let errors = context.state.statistics.errors.iter();
            errors.map(|(kind, count)| format!("errorstat_{}:count={count}", shown(kind))).collect()
        }
        "Keyspace" => {
            let dbs = context.state.dbs.iter().enumerate().filter(|(_, db)| db.len() > 0);
            let line = |(index, db): (usize, &Db)| {
                format!("db{index}:keys={},expires={},avg_ttl=0", db.len(), db.expiring())
            };
            dbs.map(line).collect()
        }
        _ => Vec::new(),
    }
}

/// Returns the value of a field that has no value in the file.
fn computed(context: &Context<'_>, field: &str) -> Option<String> {
    let (shared, state) = (context.shared, &*context.state);
    let (statistics, totals) = (&state.statistics, state.statistics.since_reset(context.totals()));
    let (now, uptime) = (shared.clock.now(), shared.clock.uptime());
    let sum = |of: fn(&Db) -> u64| state.dbs.iter().map(of).fold(0, u64::saturating_add).to_string();
    let setting = |name| String::from_utf8_lossy(&value_of(context, name)).into_owned();
    Some(match field {
        "redis_version" => VERSION.to_owned(),
        "server_version" => env!("CARGO_PKG_VERSION").to_owned(),
        "redis_mode" => shared.mode().to_owned(),
        "os" => format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        "arch_bits" => usize::BITS.to_string(),
        "process_id" => std::process::id().to_string(),
        "run_id" | "master_replid" => shared.run_id.clone(),
        "server_time_usec" => now.as_micros().to_string(),
        "uptime_in_seconds" => uptime.as_secs().to_string(),
        "uptime_in_days" => (uptime.as_secs() / 86_400).to_string(),
        "hz" | "configured_hz" => setting("hz"),
        "lru_clock" => (now.as_secs() & 0xFF_FFFF).to_string(), // 24 bits, as on a real server
        "connected_clients" => state.clients.len().to_string(),
        "blocked_clients" => state.dbs.iter().map(Db::waiting).sum::<usize>().to_string(),
        "number_of_cached_scripts" => state.scripts.loaded().to_string(),
        "maxmemory" => setting("maxmemory"),
        "maxmemory_human" => human(setting("maxmemory").parse().unwrap_or_default()),
        "maxmemory_policy" => setting("maxmemory-policy"),
        "rdb_last_save_time" => now.saturating_sub(uptime).as_secs().to_string(), // the start
        "aof_enabled" => u8::from(setting("appendonly") == "yes").to_string(),
        "total_connections_received" => totals.connections.to_string(),
        "total_commands_processed" => totals.commands.to_string(),
        "total_error_replies" => statistics.total_errors.to_string(),
        "total_reads_processed" => totals.reads.to_string(),
        "expired_keys" => sum(|db| db.expired),
        "keyspace_hits" => sum(|db| db.hits),
        "keyspace_misses" => sum(|db| db.misses),
        "pubsub_channels" => state.subscribers.channels.len().to_string(),
        "pubsub_patterns" => state.subscribers.patterns.len().to_string(),
        "pubsubshard_channels" => state.subscribers.shards.len().to_string(),
        "cluster_enabled" => u8::from(shared.is_cluster).to_string(),
        _ => return None,
    })
}

/// Formats a number of bytes as a real server does.
fn human(bytes: u64) -> String {
    let mut units = ["K", "M", "G", "T", "P"].iter();
    // Small counts, and counts beyond petabytes, have no unit.
    let has_unit = (1 << 10..1 << 60).contains(&bytes);
    let Some(mut unit) = units.next().filter(|_| has_unit) else { return format!("{bytes}B") };
    let mut amount = bytes as f64 / 1024.0;
    while amount >= 1024.0
        && let Some(next) = units.next()
    {
        amount /= 1024.0;
        unit = next;
    }
    format!("{amount:.2}{unit}")
}

#[cfg(test)]
mod tests {
    use super::human;

    #[test]
    fn human_readable_bytes() {
        for (bytes, expected) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.00K"),
            (1_065_328, "1.02M"),
            (1 << 40, "1.00T"),
            (1 << 60, "1152921504606846976B"),
        ] {
            assert_eq!(human(bytes), expected);
        }
    }
}
