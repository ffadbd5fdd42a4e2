//! The table of commands in the guide has each command of the servers.

use std::collections::BTreeSet;

use redis_keyspace::Redis;
use redis_keyspace_tests::{is_known, on_embedded, on_real, raw};

pub(crate) const GUIDE: &str = include_str!("../../../redis-keyspace/src/guide/commands.md");

/// The commands in the first column of tables.
pub(crate) struct Listed(BTreeSet<String>);

impl Listed {
    /// A cell is a list of commands, such as `HGET, HMGET` or `XGROUP CREATE, SETID; XACK`. `with`
    /// starts a list of options or subcommands, and `;` ends it.
    pub(crate) fn of<'l>(lines: impl Iterator<Item = &'l str>) -> Self {
        let mut names = BTreeSet::new();
        for cell in lines.filter_map(|line| line.strip_prefix("| ")).filter_map(|row| row.split(" | ").next())
        {
            let cell: String =
                cell.split('(').map(|part| part.split_once(')').map_or(part, |(_, rest)| rest)).collect();
            for part in cell.replace('`', "").split(';') {
                let (commands, options) = part.split_once("with ").unwrap_or((part, ""));
                let mut container = None;
                for words in commands.split(',').map(upper_words) {
                    // `SETID` after `XGROUP CREATE` is another subcommand.
                    match (words.as_slice(), container) {
                        ([subcommand], Some(container)) => {
                            names.extend([format!("{container}|{subcommand}")])
                        }
                        ([name, subcommand], _) => {
                            container = Some(*name);
                            names.insert(format!("{name}|{subcommand}"));
                        }
                        ([name], None) => names.extend([(*name).to_owned()]),
                        _ => {}
                    }
                }
                if let [name] = upper_words(commands).as_slice() {
                    let options = options.split(',').map(upper_words);
                    names.extend(options.flatten().map(|option| format!("{name}|{option}")));
                }
            }
        }
        Self(names)
    }

    /// Whether it has the command or subcommand. A row with a container of commands and no
    /// subcommand is about all of them.
    pub(crate) fn has(&self, command: &str) -> bool {
        let is_of_all = |container: &str| self.0.contains(container) && !self.has_some_of(container);
        let matches = |name: &String| {
            // A row such as `JSON.*`.
            name.strip_suffix('*').is_some_and(|start| command.starts_with(start))
        };
        match command.split_once('|') {
            Some((container, _)) => self.0.contains(command) || is_of_all(container),
            None => self.0.contains(command) || self.has_some_of(command) || self.0.iter().any(matches),
        }
    }

    fn has_some_of(&self, container: &str) -> bool {
        self.0.iter().any(|name| name.split_once('|').is_some_and(|(of, _)| of == container))
    }
}

/// The first words of a text that are names of commands.
fn upper_words(text: &str) -> Vec<&str> {
    let is_name = |word: &&str| {
        word.starts_with(|c: char| c.is_ascii_uppercase())
            && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || "_-.*".contains(c))
    };
    text.split_whitespace().take_while(is_name).collect()
}

/// The lines of the guide after a heading, up to the next one.
fn chapter(heading: &str) -> impl Iterator<Item = &'static str> {
    let lines = GUIDE.lines().skip_while(move |line| line.strip_prefix("## ") != Some(heading)).skip(1);
    lines.take_while(|line| !line.starts_with("## "))
}

/// The categories of commands that belong in one table, and the heading of the table.
const CHAPTERS: [(&str, &str); 9] = [
    ("@hash", "Hashes"),
    ("@list", "Lists"),
    ("@set", "Sets"),
    ("@sortedset", "Sorted sets"),
    ("@geo", "Geo sets"),
    ("@bitmap", "Bitmaps and HyperLogLogs"),
    ("@hyperloglog", "Bitmaps and HyperLogLogs"),
    ("@stream", "Streams"),
    ("@pubsub", "Channels"),
];

/// A command of a server, in capital letters, with its categories. A subcommand has the name of its
/// container in front, with `|` in between.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ServerCommand {
    name: String,
    categories: BTreeSet<String>,
}

impl ServerCommand {
    fn named(name: &redis::Value) -> String {
        redis::from_redis_value_ref::<String>(name).expect("a name").to_ascii_uppercase()
    }

    /// Reads an entry of `COMMAND`.
    fn of(entry: &redis::Value) -> Self {
        let redis::Value::Array(parts) = entry else { panic!("{entry:?}") };
        let categories = redis::from_redis_value_ref(&parts[6]).expect("the categories of a command");
        Self { name: Self::named(&parts[0]), categories }
    }
}

/// Each command of the server is in the table of its group, or in the list of those left out.
async fn check_the_commands_of_the_server(redis: Redis) {
    let known: Vec<redis::Value> = raw(&redis, &["COMMAND"]).await;
    // Before 7.0, these two were in the list to detect requests of browsers.
    let is_command = |command: &ServerCommand| !["HOST:", "POST"].contains(&command.name.as_str());
    let commands: BTreeSet<_> = known.iter().map(ServerCommand::of).filter(is_command).collect();
    assert!(commands.len() > 200, "{commands:?}");
    let left_out = Listed::of(chapter("Left out"));
    let all = Listed::of(GUIDE.lines());
    let mut missing = Vec::new();
    let mut misplaced = Vec::new();
    for ServerCommand { name, categories } in commands {
        if !all.has(&name) {
            missing.push(name);
            continue;
        }
        // `SORT` and `SORT_RO` are for several kinds.
        let chapters: Vec<&str> = CHAPTERS
            .iter()
            .filter(|(category, _)| categories.contains(*category))
            .map(|(_, heading)| *heading)
            .collect();
        if let [heading] = chapters[..]
            && !left_out.has(&name)
            && !Listed::of(chapter(heading)).has(&name)
        {
            misplaced.push((name, heading));
        }
    }
    assert!(missing.is_empty(), "neither in a table nor left out: {missing:?}");
    assert!(misplaced.is_empty(), "not in the table of their group: {misplaced:?}");
    // Since 7.0, a server also lists subcommands.
    if is_known(&["COMMAND", "LIST"]).await {
        let known: Vec<redis::Value> = raw(&redis, &["COMMAND", "LIST"]).await;
        let is_missing = |name: &String| !name.ends_with("|HELP") && !all.has(name);
        let missing: Vec<String> = known.iter().map(ServerCommand::named).filter(is_missing).collect();
        assert!(missing.is_empty(), "neither in a table nor left out: {missing:?}");
    }
}

#[test]
fn the_guide_lists_each_command_of_the_server() {
    on_real(check_the_commands_of_the_server);
}

#[test]
fn the_guide_lists_each_command_of_the_embedded_server() {
    on_embedded(check_the_commands_of_the_server);
}
