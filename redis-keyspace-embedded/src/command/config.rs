//! CONFIG.

use bytes::Bytes;

use super::context::{Context, Spec, command};
use super::flags::{CONTAINER, NO_KEYS};
use super::settings::{Checked, SETTINGS, Setting, SettingKind, set_output_limits, show_output_limits};
use crate::compact::{CompactSize, CompactSizes, NodeSize};
use crate::glob;
use crate::number::parse_i64;
use crate::reply::{Answer, Failure, Reply};

pub(super) const TABLE: &[Spec] = &[
    command("config", -2, CONTAINER, NO_KEYS, |_, _| Err(Failure::SYNTAX)),
    command("config|get", -3, 0, NO_KEYS, get),
    command("config|set", -4, 0, NO_KEYS, set),
    command("config|resetstat", 2, 0, NO_KEYS, |context, _| {
        for db in &mut context.state.dbs {
            (db.hits, db.misses, db.expired) = (0, 0, 0);
        }
        let totals = context.totals();
        context.state.statistics.reset(totals);
        Ok(Reply::OK)
    }),
];

/// Returns the value of the setting with this name, as CONFIG GET shows it.
pub(super) fn value_of(context: &Context<'_>, name: &str) -> Bytes {
    Setting::by_name(name.as_bytes()).map(|setting| value(context, setting)).unwrap_or_default()
}

fn value(context: &Context<'_>, setting: &Setting) -> Bytes {
    if setting.is_output_limits() {
        return show_output_limits(&context.shared.output_limits).into();
    }
    if setting.is_event_classes() {
        return context.state.event_classes.show().into();
    }
    if setting.name == "databases" {
        return context.state.dbs.len().to_string().into();
    }
    let value = context.state.config.get(setting.stored).cloned();
    value.unwrap_or(Bytes::from_static(setting.default.as_bytes()))
}

fn get(context: &mut Context<'_>, patterns: &[Bytes]) -> Answer {
    let mut found: Vec<(Bytes, &Setting)> = Vec::new();
    for pattern in patterns {
        let is_name = !pattern.iter().any(|byte| b"*?[".contains(byte));
        let lower = pattern.to_ascii_lowercase();
        let is_asked = |setting: &&Setting| {
            let name = setting.name.as_bytes();
            if is_name { name == lower } else { glob::matches(&lower, name) }
        };
        for setting in SETTINGS.iter().filter(is_asked) {
            if found.iter().all(|(_, other)| other.name != setting.name) {
                // The reply repeats a name as the client spelled it.
                let name =
                    if is_name { pattern.clone() } else { Bytes::from_static(setting.name.as_bytes()) };
                found.push((name, setting));
            }
        }
    }
    let pairs =
        found.into_iter().map(|(name, setting)| (Reply::Bulk(name), Reply::Bulk(value(context, setting))));
    Ok(Reply::Map(pairs.collect()))
}

/// Sets all values or none: all are checked before the first is set.
fn set(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let failed = |name: &[u8], reason: &str| {
        let before = "ERR CONFIG SET failed (possibly related to argument '";
        Failure::quoting(before, name, &format!("') - {reason}"))
    };
    let mut changes: Vec<(&Setting, &SettingKind, &Bytes)> = Vec::new();
    let (pairs, []) = arguments.as_chunks() else { return Err(Failure::SYNTAX) };
    for [name, value] in pairs {
        let setting = Setting::by_name(name).ok_or_else(|| {
            let text = "ERR Unknown option or number of arguments for CONFIG SET - '";
            Failure::quoting(text, name, "'")
        })?;
        let Some(kind) = &setting.kind else {
            return Err(failed(name, "can't set immutable config"));
        };
        if changes.iter().any(|(other, ..)| other.name == setting.name) {
            return Err(failed(name, "duplicate parameter"));
        }
        changes.push((setting, kind, value));
    }
    let checked = changes.into_iter().map(|(setting, kind, value)| match kind.check(value) {
        Ok(value) => Ok((setting, value)),
        Err(reason) => Err(failed(setting.name.as_bytes(), &reason)),
    });
    for (setting, value) in checked.collect::<Result<Vec<_>, _>>()? {
        match value {
            Checked::Text(text) => drop(context.state.config.insert(setting.stored, text)),
            Checked::EventClasses(classes) => {
                context.shared.set_event_classes(context.state, classes);
            }
            Checked::OutputLimits(changes) => set_output_limits(&context.shared.output_limits, changes),
        }
    }
    let sizes = compact_sizes(context);
    context.state.dbs.iter_mut().for_each(|db| db.compact = sizes);
    Ok(Reply::OK)
}

/// Returns the sizes that are set.
fn compact_sizes(context: &Context<'_>) -> CompactSizes {
    let number = |name| {
        let text = value_of(context, name);
        parse_i64(&text).and_then(|number| usize::try_from(number).ok()).unwrap_or(usize::MAX)
    };
    let compact = |items, length| CompactSize { items: number(items), length: number(length) };
    CompactSizes {
        hash: compact("hash-max-listpack-entries", "hash-max-listpack-value"),
        sorted_set: compact("zset-max-listpack-entries", "zset-max-listpack-value"),
        integers: number("set-max-intset-entries"),
        node: NodeSize { entries: number("stream-node-max-entries"), bytes: number("stream-node-max-bytes") },
    }
}
