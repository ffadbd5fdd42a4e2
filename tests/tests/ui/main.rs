//! What the compiler says about errors in declarations, and what it must not complain about.
//!
//! Each case of `ui/fail` has a record of what is ours in it: where each error is, its code, and our own words. The compiler's
//! words are not recorded, because they differ from one version to the next.

mod cases;
mod diagnostic;
mod ours;

use std::collections::BTreeSet;
use std::path::Path;

// Cases that compile, and whose `main` runs.
#[path = "../../ui/pass/catalog.rs"]
mod catalog;
#[path = "../../ui/pass/declaration.rs"]
#[allow(unused_parens, reason = "that they make no difference is the case")]
mod declaration;

/// Set to `overwrite`, it has the test record what it finds.
const VARIABLE: &str = "REDIS_KEYSPACE_UI";

#[test]
fn a_catalog_of_keyspaces_that_have_no_key_in_common_compiles() {
    catalog::main();
}

#[test]
fn everything_that_a_declaration_can_say_compiles() {
    declaration::main();
}

#[test]
fn every_passing_case_is_among_the_tests() {
    let names: BTreeSet<String> = cases::names("pass", "rs");
    assert_eq!(names, BTreeSet::from(["catalog", "declaration"].map(str::to_owned)));
}

#[test]
fn errors_in_declarations_are_reported_as_recorded() {
    let names = cases::names("fail", "rs");
    let overwrite = std::env::var(VARIABLE).is_ok_and(|value| value == "overwrite");
    let texts = ours::Texts::of(&cases::workspace().join("redis-keyspace/src"));
    let mut diagnostics = cases::check(&names);
    let mut wrong = Vec::new();
    for name in &names {
        let case = cases::directory("fail").join(format!("{name}.rs"));
        let source = std::fs::read_to_string(&case).expect("a case is text");
        let found = diagnostic::record(name, &source, &diagnostics.remove(name).unwrap_or_default(), &texts);
        if found.is_empty() {
            wrong.push(format!("{name}: it compiles"));
            continue;
        }
        assert_nothing_of_the_standard_library(name, &found);
        let path = case.with_extension("txt");
        if overwrite {
            std::fs::write(&path, &found).expect("a record can be written");
            continue;
        }
        let recorded = std::fs::read_to_string(&path).unwrap_or_default();
        // As git may check it out.
        let recorded = recorded.replace("\r\n", "\n");
        if recorded != found {
            wrong.push(format!("{name}\n--- recorded\n{recorded}+++ found\n{found}"));
        }
    }
    for left_over in cases::names("fail", "txt").difference(&names) {
        wrong.push(format!("{left_over}: a record without a case"));
    }
    assert!(
        wrong.is_empty(),
        "{} of {} cases differ; if that is meant, record them with {VARIABLE}=overwrite and read the difference\n\n{}",
        wrong.len(),
        names.len(),
        wrong.join("\n\n")
    );
}

/// What the compiler quotes of it depends on whether its source is installed.
fn assert_nothing_of_the_standard_library(name: &str, found: &str) {
    for trace in ["rustlib", "/rustc/", "$RUST", "library/core", "library/std"] {
        assert!(!found.contains(trace), "{name} quotes the standard library ({trace}):\n{found}");
    }
}

/// As in the case `argument-class-with-reserved-bytes`: the error arises within the standard library, which the compiler quotes
/// where its source is installed.
#[test]
fn an_error_within_the_standard_library_is_recorded_without_it() {
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
    let diagnostic = serde_json::from_value(of_the_compiler).expect("it is as the compiler says it");
    let texts = ours::Texts::of(Path::new(env!("CARGO_MANIFEST_DIR")));
    let found = diagnostic::record("case", "fn main() {}\n", &[diagnostic], &texts);
    assert_eq!(found, "1:4 E0080\n  | fn main() {}\n  |    ^\n  our words\n");
    assert_nothing_of_the_standard_library("case", &found);
}
