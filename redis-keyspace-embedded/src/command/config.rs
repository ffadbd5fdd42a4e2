//! CONFIG.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::arguments::pairs;
use super::context::{Spec, command};
use super::flags::{CONTAINER, NO_KEYS, NO_SCRIPT};
use crate::glob;
use crate::reply::{Failure, Reply};

pub(super) const TABLE: &[Spec] = &[
    command("config", -2, CONTAINER | NO_SCRIPT, NO_KEYS, |_, _| Err(Failure::SYNTAX)),
    command("config|get", -3, NO_SCRIPT, NO_KEYS, |context, patterns| {
        let known =
            |name: &[u8]| patterns.iter().any(|pattern| glob::matches(&pattern.to_ascii_lowercase(), name));
        let defaults =
            [("maxmemory", "0"), ("maxmemory-policy", "noeviction"), ("save", ""), ("appendonly", "no")];
        let defaults =
            defaults.map(|(name, value)| (name.as_bytes().to_vec(), Bytes::from_static(value.as_bytes())));
        let databases = (b"databases".to_vec(), Bytes::from(context.state.dbs.len().to_string()));
        let mut settings: BTreeMap<_, _> = defaults.into_iter().chain([databases]).collect();
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
            // Stored without effect: the server has no memory limit and no disk.
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
];

/// Whether CONFIG SET accepts this setting.
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
