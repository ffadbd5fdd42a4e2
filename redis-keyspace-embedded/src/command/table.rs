//! The table of all commands.

use std::sync::LazyLock;

use super::context::Commands;
use super::{
    clients, cluster, config, connection, counters, expiry, hashes, info, introspection, keys, lists, pubsub,
    scripts, server, sets, sorted_sets, strings, transaction,
};

pub(crate) static COMMANDS: LazyLock<Commands> = LazyLock::new(|| {
    Commands::new(&[
        cluster::TABLE,
        connection::TABLE,
        clients::TABLE,
        counters::TABLE,
        expiry::TABLE,
        hashes::TABLE,
        keys::TABLE,
        lists::TABLE,
        pubsub::TABLE,
        scripts::TABLE,
        server::TABLE,
        info::TABLE,
        introspection::TABLE,
        config::TABLE,
        sets::TABLE,
        sorted_sets::TABLE,
        strings::TABLE,
        transaction::TABLE,
    ])
});

#[cfg(test)]
mod tests {
    use super::COMMANDS;
    use crate::command::flags::{CONTAINER, NO_SCRIPT};
    use crate::command::metadata::metadata;

    /// The handlers go by the tables, clients by what COMMAND reports.
    #[test]
    fn every_command_has_metadata_that_fits_its_table() {
        for spec in COMMANDS.iter() {
            let facts = metadata(spec.name).unwrap_or_else(|| panic!("no metadata for {}", spec.name));
            let has = |flag: &str| facts.flags.contains(&flag);
            if spec.flags & CONTAINER == 0 {
                assert_eq!(spec.flags & NO_SCRIPT != 0, has("noscript"), "{}", spec.name);
            }
        }
    }
}
