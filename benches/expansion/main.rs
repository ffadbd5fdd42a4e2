//! Measures `cargo check` of large keyspaces and of a catalog, compared with the serde derives on
//! as many fields.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use redis_keyspace_benches::{Args, Error};

const WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The contents of a generated package.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Contents {
    /// No code: the fixed cost of cargo and rustc.
    Empty,
    Keyspace(usize),
    Serde(usize),
    /// A keyspace of that many entries that all start with the same argument:
    /// `{tenant}:part7:{id}`.
    Tenants(usize),
    /// That many entries, in keyspaces of ten.
    Keyspaces(usize, Checked),
    /// That many fields, in structs of ten.
    Structs(usize),
}

/// The checks between keyspaces.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Checked {
    /// None: the package has no catalog.
    Nothing,
    /// Their prefixes.
    Prefixes,
    /// All pairs of templates, since no keyspace has a prefix.
    Templates,
}

impl Contents {
    fn name(self) -> String {
        match self {
            Self::Empty => "empty".to_owned(),
            Self::Keyspace(entries) => format!("keyspace-{entries}"),
            Self::Serde(fields) => format!("serde-{fields}"),
            Self::Tenants(entries) => format!("tenants-{entries}"),
            Self::Structs(fields) => format!("structs-{fields}"),
            Self::Keyspaces(entries, Checked::Nothing) => format!("keyspaces-{entries}"),
            Self::Keyspaces(entries, Checked::Prefixes) => format!("catalog-{entries}"),
            Self::Keyspaces(entries, Checked::Templates) => format!("catalog-no-prefix-{entries}"),
        }
    }

    fn source(self) -> String {
        let mut source = String::from("#![allow(dead_code)]\n");
        match self {
            Self::Empty => {}
            Self::Keyspace(entries) => {
                source.push_str("use redis_keyspace::{Bytes, Counter, Json, Keyspace, Text};\n");
                keyspace(&mut source, "Shop", "\"shop\"", 0..entries);
            }
            Self::Tenants(entries) => {
                source.push_str("use redis_keyspace::{Keyspace, Text};\n");
                source.push_str("#[derive(Keyspace)]\n#[keyspace(prefix = \"shop\", ttl = 3600)]\npub struct ShopKeys {\n");
                for entry in 0..entries {
                    let _ = writeln!(
                        source,
                        "    /// Entry {entry}.\n    #[key(\"{{tenant}}:part{entry}:{{id}}\")]\n    \
                         pub(crate) part_{entry}: fn(tenant: &str, id: u64) -> Text,"
                    );
                }
                source.push_str("}\n");
            }
            Self::Keyspaces(entries, checked) => {
                source.push_str("use redis_keyspace::{Bytes, Counter, Json, Keyspace, Text};\n");
                let mut names = Vec::new();
                for first in (0..entries).step_by(10) {
                    let name = format!("Shop{first}");
                    let prefix = match checked {
                        Checked::Templates => "none".to_owned(),
                        Checked::Nothing | Checked::Prefixes => format!("\"shop{first}\""),
                    };
                    keyspace(&mut source, &name, &prefix, first..entries.min(first + 10));
                    names.push(format!("{name}Keys"));
                }
                if checked != Checked::Nothing {
                    let names = names.join(", ");
                    let _ = writeln!(source, "redis_keyspace::catalog!(pub CATALOG = [{names}]);");
                }
            }
            Self::Serde(fields) => {
                source.push_str("use serde::{Deserialize, Serialize};\n");
                serde_struct(&mut source, "Shop", 0..fields);
            }
            Self::Structs(fields) => {
                source.push_str("use serde::{Deserialize, Serialize};\n");
                for first in (0..fields).step_by(10) {
                    serde_struct(&mut source, &format!("Shop{first}"), first..fields.min(first + 10));
                }
            }
        }
        source
    }
}

fn keyspace(source: &mut String, name: &str, prefix: &str, entries: Range<usize>) {
    let _ = writeln!(
        source,
        "#[derive(Keyspace)]\n#[keyspace(prefix = {prefix}, ttl = 3600)]\npub struct {name}Keys {{"
    );
    for entry in entries {
        let (template, signature) = match entry % 4 {
            0 => (":{id}", "fn(id: u64) -> Json<Vec<String>>"),
            1 => (":{id}:views", "fn(id: u64) -> Counter"),
            2 => (":{shop}:{name}", "fn(shop: u32, name: &str) -> Text"),
            _ => ("", "Bytes"),
        };
        let _ = writeln!(
            source,
            "    /// Entry {entry}.\n    #[key(\"part{entry}{template}\")]\n    pub(crate) part_{entry}: {signature},"
        );
    }
    source.push_str("}\n");
}

fn serde_struct(source: &mut String, name: &str, fields: Range<usize>) {
    let _ = writeln!(source, "#[derive(Serialize, Deserialize)]\npub struct {name} {{");
    for field in fields {
        let ty = ["Vec<String>", "u64", "String", "Option<u32>"][field % 4];
        let _ = writeln!(source, "    /// Field {field}.\n    pub(crate) part_{field}: {ty},");
    }
    source.push_str("}\n");
}

fn main() -> Result<(), Error> {
    let mut args = Args::from_env();
    let smoke = args.smoke();
    let rounds = args.option("--rounds")?.unwrap_or(if smoke { 1 } else { 5_usize }).max(1);
    let sizes =
        args.list("--entries")?.unwrap_or_else(|| if smoke { vec![1, 10] } else { vec![1, 100, 500] });
    let catalog = args.option("--catalog")?.unwrap_or(if smoke { 20 } else { 500_usize });
    args.words()?;

    let catalogs = [Checked::Nothing, Checked::Prefixes, Checked::Templates];
    let all: Vec<Contents> = [Contents::Empty]
        .into_iter()
        .chain(
            sizes
                .iter()
                .flat_map(|&size| [Contents::Keyspace(size), Contents::Tenants(size), Contents::Serde(size)]),
        )
        .chain([Contents::Structs(catalog)])
        .chain(catalogs.map(|checked| Contents::Keyspaces(catalog, checked)))
        .collect();
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("expansion");
    let packages: Vec<_> = all.iter().map(|&contents| generate(&dir, contents)).collect::<Result<_, _>>()?;
    write_workspace(&dir, &all)?;
    let mut times = vec![Vec::new(); all.len()];
    // The first pass builds the dependencies. Each round then checks every package once, because
    // noise lasts for minutes.
    for round in 0..=rounds {
        for ((contents, source), times) in all.iter().zip(&packages).zip(&mut times) {
            let time = check(&dir, *contents, source)?;
            if round > 0 {
                times.push(time);
            }
        }
    }
    let median = |wanted: Contents| {
        let mut times = all.iter().position(|&contents| contents == wanted).map(|at| times[at].clone())?;
        times.sort();
        times.get(times.len() / 2).map(Duration::as_secs_f64)
    };
    let empty = median(Contents::Empty).unwrap_or_default();
    println!(
        "`cargo check` of one package with built dependencies; medians of {rounds} rounds; an empty package takes {empty:.3} s\n"
    );
    println!(
        "| entries or fields | Keyspace, s | with a tenant argument, s | Serialize + Deserialize, s | ratio | ratio without \
         the empty package |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for size in sizes {
        let [ours, tenants, serde] =
            [Contents::Keyspace(size), Contents::Tenants(size), Contents::Serde(size)].map(&median);
        let (Some(ours), Some(tenants), Some(serde)) = (ours, tenants, serde) else { continue };
        println!(
            "| {size} | {ours:.3} | {tenants:.3} | {serde:.3} | {:.2} | {:.2} |",
            ours / serde,
            (ours - empty) / (serde - empty)
        );
    }
    println!("\n| {catalog} entries or fields, ten in each type | s | ratio to serde |\n| --- | --- | --- |");
    let serde = median(Contents::Structs(catalog)).unwrap_or_default();
    println!("| Serialize + Deserialize | {serde:.3} | 1 |");
    for checked in catalogs {
        let what = match checked {
            Checked::Nothing => "keyspaces, no catalog",
            Checked::Prefixes => "keyspaces and their catalog",
            Checked::Templates => "a catalog of keyspaces without prefixes",
        };
        let time = median(Contents::Keyspaces(catalog, checked)).unwrap_or_default();
        println!("| {what} | {time:.3} | {:.2} |", time / serde);
    }
    Ok(())
}

/// Writes a package and returns the path of its source file.
fn generate(dir: &Path, contents: Contents) -> Result<PathBuf, Error> {
    let name = contents.name();
    let source = dir.join(&name).join("lib.rs");
    std::fs::create_dir_all(dir.join(&name))?;
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[lib]\npath = \"lib.rs\"\n\n\
         [dependencies]\nredis-keyspace = {{ path = {:?} }}\nserde = {{ version = \"1\", features = [\"derive\"] }}\n",
        Path::new(WORKSPACE).join("redis-keyspace")
    );
    std::fs::write(dir.join(&name).join("Cargo.toml"), manifest)?;
    std::fs::write(&source, contents.source())?;
    Ok(source)
}

fn write_workspace(dir: &Path, all: &[Contents]) -> Result<(), Error> {
    let members: Vec<_> = all.iter().map(|contents| contents.name()).collect();
    std::fs::write(
        dir.join("Cargo.toml"),
        format!("[workspace]\nresolver = \"3\"\nmembers = {members:?}\n"),
    )?;
    // With the lock file of this workspace, all dependencies are already downloaded.
    std::fs::copy(Path::new(WORKSPACE).join("Cargo.lock"), dir.join("Cargo.lock"))?;
    Ok(())
}

/// Touches the source of a package and measures `cargo check`.
fn check(dir: &Path, contents: Contents, source: &Path) -> Result<Duration, Error> {
    std::fs::File::options().append(true).open(source)?.set_modified(SystemTime::now())?;
    let start = Instant::now();
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["check", "--quiet", "--offline", "--package", &contents.name()])
        .current_dir(dir)
        .env("CARGO_TARGET_DIR", dir.join("target"))
        .env("CARGO_INCREMENTAL", "0") // otherwise an unchanged expansion is not checked again
        .output()?;
    let time = start.elapsed();
    if !output.status.success() {
        let problem = String::from_utf8_lossy(&output.stderr);
        return Err(format!("cargo check of {} failed:\n{problem}", contents.name()).into());
    }
    Ok(time)
}
