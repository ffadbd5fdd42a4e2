//! Checks that each kind of violation is found, with both ends of the import in the message.

use std::path::Path;

use redis_keyspace_layers::{LoadError, Report, check};

fn report(fixture: &str) -> Result<Report, LoadError> {
    check(&Path::new("fixtures").join(fixture)) // tests run in the package's directory
}

/// Returns the messages about a fixture, with paths relative to its directory.
fn messages(fixture: &str) -> Vec<String> {
    let messages = match report(fixture) {
        Ok(report) => report.violations.iter().map(ToString::to_string).collect(),
        Err(error) => vec![error.to_string()],
    };
    let directory = format!("fixtures/{fixture}/");
    messages.into_iter().map(|message| message.replace(&directory, "")).collect()
}

/// The message about an import of `high` from `low`, in fixtures with only these two layers.
fn upward(line: &str, path: &str, defined_in: &str) -> String {
    format!(
        "{line}: `low` (layer `foundations`) must not use `high` (higher layer `clients`): \
         imports `{path}`, defined in {defined_in}"
    )
}

#[test]
fn allowed_imports_pass() {
    let Report { layers, modules, files, edges, violations, .. } = report("clean").unwrap();
    assert_eq!(violations, []);
    assert_eq!((layers, modules, files, edges), (3, 7, 11, 10));
}

#[test]
fn this_crate_passes() {
    assert_eq!(check(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap().violations, []);
}

#[test]
fn upward_by_use() {
    assert_eq!(messages("upward-by-use"), [upward("src/low.rs:3", "crate::high::Client", "src/high.rs")]);
}

#[test]
fn upward_by_super() {
    assert_eq!(
        messages("upward-by-super"),
        [upward("src/low/deep.rs:1", "super::super::high::Client", "src/high.rs")]
    );
}

#[test]
fn upward_by_grouped_use() {
    assert_eq!(
        messages("upward-by-group"),
        [
            upward("src/low/mod.rs:5", "crate::high", "src/high.rs"),
            upward("src/low/mod.rs:5", "crate::high::Client", "src/high.rs"),
        ]
    );
}

#[test]
fn upward_by_inline_path() {
    assert_eq!(
        messages("upward-by-inline-path"),
        [
            upward("src/low.rs:1", "crate::high::Client", "src/high.rs"),
            upward("src/low.rs:2", "crate::high::LIMIT", "src/high.rs"),
            upward("src/low.rs:5", "super::high::Mode", "src/high.rs"),
            upward("src/low.rs:7", "self::super::high::Mode::Fast", "src/high.rs"),
            upward("src/low.rs:8", "crate::high::Mode::Slow", "src/high.rs"),
        ]
    );
}

#[test]
fn upward_in_nested_code() {
    let from_low = |line, path| upward(&format!("src/low.rs:{line}"), path, "src/high.rs");
    assert_eq!(
        messages("upward-in-nested-code"),
        [
            from_low(3, "crate::high"),
            from_low(5, "clients::gen::number"),
            from_low(9, "crate::high::Made"),
            from_low(11, "crate::high::Client"),
            from_low(11, "crate::high::Run::run"),
            from_low(12, "crate::high::gen::number"),
            from_low(15, "crate::high::attribute"),
            from_low(19, "crate::high::Run"),
            from_low(22, "crate::high::Run"),
        ]
    );
}

#[test]
fn upward_through_a_reexport() {
    assert_eq!(
        messages("upward-by-reexport"),
        [
            upward("src/low.rs:1", "super::ClientMode", "src/high/mode.rs"),
            upward("src/low.rs:3", "crate::Client", "src/high/client.rs"),
            "src/middle.rs:1: `middle` (layer `connections`) must not use `high` (higher layer `clients`): \
             imports `crate::high::Client`, defined in src/high/client.rs"
                .to_owned(),
        ]
    );
}

#[test]
fn upward_by_glob() {
    assert_eq!(
        messages("upward-by-glob"),
        [
            upward("src/low.rs:1", "crate::high::*", "src/high/mod.rs"),
            upward("src/low.rs:3", "Client", "src/high/client.rs"),
        ]
    );
}

#[test]
fn upward_in_the_arguments_of_a_macro() {
    assert_eq!(
        messages("upward-in-macro-call"),
        [
            upward("src/low.rs:1", "super::high", "src/high.rs"),
            upward("src/low.rs:4", "crate::high::Client", "src/high.rs"),
            upward("src/low.rs:5", "super::high::limit", "src/high.rs"),
        ]
    );
}

#[test]
fn upward_in_the_body_of_macro_rules() {
    assert_eq!(
        messages("upward-in-macro-rules"),
        [
            upward("src/low.rs:3", "$crate::high::Client", "src/high.rs"),
            upward("src/low.rs:5", "$crate::high::Client", "src/high.rs"),
        ]
    );
}

#[test]
fn upward_by_an_exported_macro() {
    assert_eq!(
        messages("upward-by-exported-macro"),
        [upward("src/low.rs:2", "crate::catalog", "src/high.rs")]
    );
}

#[test]
fn upward_by_the_name_of_the_crate() {
    assert_eq!(
        messages("upward-by-own-name"),
        [
            upward("src/low.rs:1", "shop::high::Client", "src/high.rs"),
            upward("src/low.rs:3", "::shop::high::Client", "src/high.rs"),
        ]
    );
}

#[test]
fn the_root_is_above_all_layers() {
    let message = |line, path| {
        format!(
            "src/low.rs:{line}: `low` (layer `foundations`) must not use `crate` (higher layer `crate root`): \
             imports `{path}`, defined in src/lib.rs"
        )
    };
    assert_eq!(messages("upward-to-the-root"), [message(2, "crate::LIMIT"), message(6, "two")]);
}

#[test]
fn cycle_of_two_files() {
    assert_eq!(
        messages("cycle-of-two-files"),
        ["cycle of 2 files:
    src/key/mod.rs:8 imports `Text` from src/key/text.rs
    src/key/text.rs:1 imports `super::Key` from src/key/mod.rs"]
    );
}

#[test]
fn cycle_of_three_files() {
    assert_eq!(
        messages("cycle-of-three-files"),
        ["cycle of 3 files:
    src/lane/driver.rs:1 imports `super::queue::Queue` from src/lane/queue.rs
    src/lane/queue.rs:1 imports `super::reply::Reply` from src/lane/reply.rs
    src/lane/reply.rs:1 imports `super::driver` from src/lane/driver.rs"]
    );
}

#[test]
fn cycle_by_a_macro_in_textual_scope() {
    assert_eq!(
        messages("cycle-by-textual-macro"),
        [
            "cycle of 2 files:
    src/trace.rs:1 imports `crate::low::Low` from src/low.rs
    src/low.rs:11 imports `count` from src/trace.rs",
            "cycle of 2 files:
    src/trace.rs:2 imports `crate::other::Other` from src/other.rs
    src/other.rs:1 imports `crate::tally` from src/trace.rs",
            "cycle of 2 modules:
    `trace` uses `low`: src/trace.rs:1 imports `crate::low::Low` from src/low.rs
    `low` uses `trace`: src/low.rs:11 imports `count` from src/trace.rs",
            "cycle of 2 modules:
    `trace` uses `other`: src/trace.rs:2 imports `crate::other::Other` from src/other.rs
    `other` uses `trace`: src/other.rs:1 imports `crate::tally` from src/trace.rs",
        ]
    );
}

#[test]
fn cycle_of_modules_without_a_cycle_of_files() {
    assert_eq!(
        messages("cycle-of-modules"),
        ["cycle of 2 modules:
    `cache` uses `lock`: src/cache/fill.rs:1 imports `crate::lock::token::Token` from src/lock/token.rs
    `lock` uses `cache`: src/lock/guard.rs:1 imports `crate::cache::lease::Lease` from src/cache/lease.rs"]
    );
}

#[test]
fn foreign_crate_outside_its_modules() {
    let only = "`connect`, `crate`, `error::driver`";
    assert_eq!(
        messages("foreign-crate"),
        [
            "src/handle.rs:1: `bb8_redis::bb8` names the crate `bb8_redis`; no module may".to_owned(),
            "src/handle.rs:1: `bb8_redis::redis::Cmd` names the crate `bb8_redis`; no module may".to_owned(),
            format!("src/error/driver_kind.rs:3: `::redis` names the crate `redis`; only {only} may"),
            format!("src/handle.rs:7: `crate::redis::Value` names the crate `redis`; only {only} may"),
            format!("src/handle.rs:8: `redis::cmd` names the crate `redis`; only {only} may"),
        ]
    );
}

#[test]
fn same_name_twice() {
    assert_eq!(
        messages("same-name"),
        [
            "2 types are named `Place`: src/update.rs:1, src/update.rs:10",
            "2 types are named `State`: src/connect.rs:1, src/update.rs:8",
        ]
    );
}

#[test]
fn long_file_without_a_reason() {
    assert_eq!(
        messages("long-file"),
        [
            "src/table.rs: 451 lines, more than 450: split the file, or write \"long because ..\" into its first comment"
        ]
    );
}

#[test]
fn module_outside_of_any_group() {
    let message = |line, module| {
        format!("src/lib.rs:{line}: module `{module}` is in no layer: move it into a group below a comment")
    };
    assert_eq!(messages("ungrouped-module"), [message(3, "first"), message(18, "late")]);
}

#[test]
fn unused_rules_are_reported() {
    assert_eq!(
        messages("stale-rules"),
        [
            "Cargo.toml: `foreign.redis` lists `error`, which does not name that crate",
            "Cargo.toml: `same-names` lists `Sealed`, which is not the name of several types",
        ]
    );
}

#[test]
fn unreadable_crates_are_errors() {
    assert_eq!(messages("no-file"), ["src/lib.rs:4: no file for the module `missing`"]);
    assert_eq!(messages("not-rust"), ["src/low.rs:3: cannot parse string into token stream"]);
    assert!(matches!(report("nothing"), Err(LoadError::Read { .. })));
}
