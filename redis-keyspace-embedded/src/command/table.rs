//! The table of all commands.

use std::sync::LazyLock;

use super::context::Commands;
use super::{
    bitmaps, clients, cluster, config, connection, counters, expiry, geo, hashes, hyperloglogs, info,
    introspection, keys, lcs, lists, memory, pubsub, restore, scripts, server, sets, sorted_sets, streams,
    strings, transaction,
};

pub(crate) static COMMANDS: LazyLock<Commands> = LazyLock::new(|| {
    Commands::new(&[
        bitmaps::bits::TABLE,
        bitmaps::fields::TABLE,
        bitmaps::search::TABLE,
        cluster::TABLE,
        connection::TABLE,
        clients::TABLE,
        counters::TABLE,
        expiry::TABLE,
        hashes::reads::TABLE,
        hashes::writes::TABLE,
        hashes::numbers::TABLE,
        hashes::random::TABLE,
        hashes::lifetimes::TABLE,
        hashes::extended::TABLE,
        geo::places::TABLE,
        geo::search::TABLE,
        hyperloglogs::TABLE,
        keys::TABLE,
        lcs::TABLE,
        lists::ends::TABLE,
        lists::reads::TABLE,
        lists::edits::TABLE,
        lists::moves::TABLE,
        lists::blocking::TABLE,
        memory::TABLE,
        pubsub::TABLE,
        restore::TABLE,
        scripts::TABLE,
        server::TABLE,
        info::TABLE,
        introspection::TABLE,
        config::TABLE,
        sets::members::TABLE,
        sets::algebra::TABLE,
        sets::random::TABLE,
        sorted_sets::add::TABLE,
        sorted_sets::combine::TABLE,
        sorted_sets::lookup::TABLE,
        sorted_sets::ranges::TABLE,
        sorted_sets::remove::TABLE,
        streams::claims::TABLE,
        streams::entries::TABLE,
        streams::groups::TABLE,
        streams::info::TABLE,
        streams::pending::TABLE,
        streams::ranges::TABLE,
        streams::read::TABLE,
        streams::set_id::TABLE,
        strings::TABLE,
        transaction::TABLE,
    ])
});

#[cfg(test)]
mod tests {
    use super::COMMANDS;
    use crate::command::metadata::metadata;

    #[test]
    fn every_command_has_metadata() {
        for spec in COMMANDS.iter() {
            assert!(metadata(spec.name).is_some(), "no metadata for {}", spec.name);
        }
    }
}
