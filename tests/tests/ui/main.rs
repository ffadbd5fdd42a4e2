//! Checks the compiler's messages about declarations, and that valid declarations compile.
//!
//! Each case of `ui/fail` has a record with the position of each error, its code, and our own text.
//! The compiler's own words are not recorded, because they differ between versions.

mod cases;
mod diagnostic;
mod ours;

use std::collections::BTreeSet;

// Cases that compile and run.
#[path = "../../ui/pass/batch-of-one.rs"]
mod batch_of_one;
#[path = "../../ui/pass/catalog.rs"]
mod catalog;
#[path = "../../ui/pass/command-as-a-future.rs"]
mod command_as_a_future;
#[path = "../../ui/pass/declaration.rs"]
#[allow(unused_parens, reason = "the case shows that they make no difference")]
mod declaration;
#[path = "../../ui/pass/script.rs"]
mod script;

#[path = "../../ui/pass/records.rs"]
mod records;

/// If set to `overwrite`, the test records the messages that it finds.
const VARIABLE: &str = "REDIS_KEYSPACE_UI";

#[test]
fn a_catalog_of_disjoint_keyspaces_compiles() {
    catalog::main();
}

#[test]
fn commands_are_futures() {
    command_as_a_future::main();
}

#[test]
fn every_declaration_option_compiles() {
    declaration::main();
}

#[test]
fn every_option_of_a_record_compiles() {
    records::main();
}

#[test]
fn a_batch_can_be_one_command() {
    batch_of_one::main();
}

#[test]
fn scripts_have_any_fields() {
    script::main();
}

#[test]
fn every_passing_case_is_a_test() {
    let names: BTreeSet<String> = cases::names("pass", "rs");
    assert_eq!(
        names,
        BTreeSet::from(
            ["batch-of-one", "catalog", "command-as-a-future", "declaration", "records", "script"]
                .map(str::to_owned)
        )
    );
}

#[test]
fn errors_in_declarations_are_reported_as_recorded() {
    let names = cases::names("fail", "rs");
    let overwrite = std::env::var(VARIABLE).is_ok_and(|value| value == "overwrite");
    let texts = texts();
    let mut diagnostics = cases::check(&names);
    let mut wrong = Vec::new();
    for name in &names {
        let case = cases::directory("fail").join(format!("{name}.rs"));
        let source = std::fs::read_to_string(&case).expect("read a case");
        let found = diagnostic::record(name, &source, &diagnostics.remove(name).unwrap_or_default(), &texts);
        if found.is_empty() {
            wrong.push(format!("{name}: compiles without an error"));
            continue;
        }
        assert_no_standard_library_paths(name, &found);
        let path = case.with_extension("txt");
        if overwrite {
            std::fs::write(&path, &found).expect("write a record");
            continue;
        }
        let recorded = std::fs::read_to_string(&path).unwrap_or_default();
        // Git may check out a record with these line endings.
        let recorded = recorded.replace("\r\n", "\n");
        if recorded != found {
            wrong.push(format!("{name}\n--- recorded\n{recorded}+++ found\n{found}"));
        }
    }
    for left_over in cases::names("fail", "txt").difference(&names) {
        wrong.push(format!("{left_over}: record without a case"));
    }
    assert!(
        wrong.is_empty(),
        "{} of {} cases differ; if that is intended, record them with {VARIABLE}=overwrite and review the diff\n\n{}",
        wrong.len(),
        names.len(),
        wrong.join("\n\n")
    );
}

fn texts() -> ours::Texts {
    let workspace = cases::workspace();
    ours::Texts::of(&workspace.join("redis-keyspace/src"), &workspace.join("redis-keyspace-derive/src"))
}

/// Fails on paths of the standard library: the compiler quotes its source only if that is
/// installed.
fn assert_no_standard_library_paths(name: &str, found: &str) {
    for trace in ["rustlib", "/rustc/", "$RUST", "library/core", "library/std"] {
        assert!(!found.contains(trace), "{name} quotes the standard library ({trace}):\n{found}");
    }
}

/// As in the case `argument-class-with-reserved-bytes`: the error is in the standard library, and
/// the compiler quotes its source if that is installed.
#[test]
fn standard_library_errors_are_recorded_without_their_source() {
    let of_the_compiler = serde_json::json!({
        "message": "evaluation panicked: our words",
        "code": { "code": "E0080" },
        "level": "error",
        "spans": [
            { "file_name": "/rustc/abc/library/core/src/panic.rs", "line_start": 1, "column_start": 1,
              "is_primary": false, "label": "the failure occurred here", "expansion": null },
            { "file_name": "ui/fail/case.rs", "line_start": 1, "column_start": 4, "is_primary": true,
              "label": "evaluation of `X` failed inside this call", "expansion": null },
        ],
        "children": [
            { "message": "inside `core::panicking::panic`", "level": "note", "spans": [] },
        ],
    });
    let diagnostic = serde_json::from_value(of_the_compiler).expect("parse a diagnostic");
    let texts = ours::Texts::default();
    let found = diagnostic::record("case", "fn main() {}\n", &[diagnostic], &texts);
    assert_eq!(found, "1:4 E0080\n  | fn main() {}\n  |    ^\n  our words\n");
    assert_no_standard_library_paths("case", &found);
}
