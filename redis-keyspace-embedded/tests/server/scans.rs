//! A scan finds what exists all the time, also if it is replaced during the scan.

use std::collections::BTreeSet;

use crate::raw::{Raw, Running, children};

const ITEMS: usize = 600;

/// The commands that replace an item in one step. `K` is its name.
type Replacement = &'static [&'static str];

/// A scan of items, the command that creates one, and how it is replaced.
const CASES: &[(&str, &str, &[Replacement])] = &[
    (
        "SCAN",
        "SET K v",
        &[
            &["SET spare v", "RENAME spare K"],
            &["COPY source K REPLACE"],
            &["MULTI", "DEL K", "SET K v", "EXEC"],
        ],
    ),
    ("HSCAN h", "HSET h K v", &[&["MULTI", "HDEL h K", "HSET h K v", "EXEC"]]),
    ("SSCAN s", "SADD s K", &[&["MULTI", "SREM s K", "SADD s K", "EXEC"]]),
    ("ZSCAN z", "ZADD z 1 K", &[&["MULTI", "ZREM z K", "ZADD z 1 K", "EXEC"]]),
];

/// Runs commands in one pipeline.
async fn run(connection: &mut Raw, lines: impl Iterator<Item = String>) {
    let lines: Vec<String> = lines.collect();
    connection
        .send_bytes(lines.iter().map(|line| format!("{line}\r\n")).collect::<String>().as_bytes())
        .await;
    for line in lines {
        let reply = connection.receive().await.expect("a reply");
        assert!(!reply.starts_with(b"-"), "{line}: {}", reply.escape_ascii());
    }
}

fn text(reply: &[u8]) -> String {
    String::from_utf8_lossy(reply).lines().nth(1).unwrap_or_default().to_owned()
}

/// Scans while each item is replaced between two pages. Returns the names that the scan found, and
/// the number of pages.
async fn scan(connection: &mut Raw, scan: &str, replacement: Replacement) -> (BTreeSet<String>, usize) {
    let (mut cursor, mut seen, mut pages) = ("0".to_owned(), BTreeSet::new(), 0);
    loop {
        let page = connection.line(&format!("{scan} {cursor} COUNT 50")).await;
        let (_, parts) = children(page.as_bytes());
        let (_, items) = children(&parts[1]);
        seen.extend(items.iter().map(|item| text(item)).filter(|item| item.starts_with("item:")));
        (cursor, pages) = (text(&parts[0]), pages + 1);
        if cursor == "0" {
            return (seen, pages);
        }
        let names = (0..ITEMS).map(|number| format!("item:{number}"));
        run(connection, names.flat_map(|name| replacement.iter().map(move |line| line.replace('K', &name))))
            .await;
    }
}

#[tokio::test]
async fn items_that_are_replaced_are_found() {
    for server in Running::both() {
        let mut connection = server.connect().await;
        for (command, create, replacements) in CASES {
            for replacement in *replacements {
                run(&mut connection, ["FLUSHALL".to_owned(), "SET source v".to_owned()].into_iter()).await;
                let items = (0..ITEMS).map(|number| create.replace('K', &format!("item:{number}")));
                run(&mut connection, items).await;
                let (seen, pages) = scan(&mut connection, command, replacement).await;
                assert_eq!(seen.len(), ITEMS, "{}: {command} during {replacement:?}", server.name());
                assert!(pages > 1, "{}: {command}", server.name());
            }
        }
        // A value that another one replaces, like one that is restored.
        for (command, create, _) in &CASES[1..] {
            let key = command.split(' ').nth(1).expect("a key");
            run(&mut connection, std::iter::once("FLUSHALL".to_owned())).await;
            let items = (0..ITEMS).map(|number| create.replace('K', &format!("item:{number}")));
            run(&mut connection, items).await;
            let (mut cursor, mut seen) = ("0".to_owned(), BTreeSet::new());
            loop {
                let page = connection.line(&format!("{command} {cursor} COUNT 50")).await;
                let (_, parts) = children(page.as_bytes());
                let (_, items) = children(&parts[1]);
                seen.extend(items.iter().map(|item| text(item)).filter(|item| item.starts_with("item:")));
                cursor = text(&parts[0]);
                if cursor == "0" {
                    break;
                }
                let lines = [format!("COPY {key} spare REPLACE"), format!("RENAME spare {key}")];
                run(&mut connection, lines.into_iter()).await;
            }
            assert_eq!(seen.len(), ITEMS, "{}: {command} of a copy", server.name());
        }
    }
}
