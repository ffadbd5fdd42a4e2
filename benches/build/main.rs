//! Measures a clean build of a minimal program, compared with the same program by hand.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use redis_keyspace_benches::{Args, Error, median};

const WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A program that stores a value and reads it again.
struct Program {
    name: &'static str,
    /// The lines of its manifest besides serde and tokio.
    dependencies: &'static str,
    source: &'static str,
}

const BY_HAND: Program = Program {
    name: "by-hand",
    dependencies: "redis = { version = \"1.8\", features = [\"tokio-comp\"] }\nserde_json = \"1\"\n",
    source: include_str!("by_hand.rs"),
};

const KEYSPACE: Program = Program {
    name: "keyspace",
    dependencies: concat!(
        "redis-keyspace = { path = '",
        env!("CARGO_MANIFEST_DIR"),
        "/../redis-keyspace' }\n"
    ),
    source: include_str!("keyspace.rs"),
};

// Compiled with the benchmark, so that a change of the library that breaks them is noticed.
#[allow(dead_code, reason = "they are run as programs")]
mod by_hand;
#[allow(dead_code, reason = "they are run as programs")]
mod keyspace;

/// What a build takes, in seconds.
#[derive(Clone, Copy)]
struct Cost {
    elapsed: f64,
    /// Processor time of all compilers, where the system tells it.
    processor: Option<f64>,
}

fn main() -> Result<(), Error> {
    let mut args = Args::from_env();
    let smoke = args.smoke();
    let rounds = args.option("--rounds")?.unwrap_or(3_usize).max(1);
    args.words()?;

    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("build");
    let programs = [&BY_HAND, &KEYSPACE];
    for program in programs {
        program.write(&dir)?;
        program.cargo(&dir, &["tree", "--quiet"])?;
    }
    if smoke {
        println!("the two programs resolve; `cargo bench` builds them");
        return Ok(());
    }
    let mut costs = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (program, costs) in programs.iter().zip(&mut costs) {
            costs.push(program.build(&dir)?);
        }
    }
    println!("a clean debug build, without incremental compilation; medians of {rounds} rounds\n");
    println!("| program | elapsed, s | processor, s |\n| --- | --- | --- |");
    let [by_hand, keyspace] = costs.map(|costs| {
        let processor: Option<Vec<f64>> = costs.iter().map(|cost| cost.processor).collect();
        Cost {
            elapsed: median(costs.iter().map(|cost| cost.elapsed)),
            processor: processor.map(|times| median(times.into_iter())),
        }
    });
    let text = |time: Option<f64>, digits| time.map_or("-".to_owned(), |time| format!("{time:.digits$}"));
    for (what, cost) in [("redis, tokio and serde_json", by_hand), ("redis-keyspace", keyspace)] {
        println!("| {what} | {:.1} | {} |", cost.elapsed, text(cost.processor, 1));
    }
    let processor = keyspace.processor.zip(by_hand.processor).map(|(ours, theirs)| ours / theirs);
    println!("| ratio | {:.2} | {} |", keyspace.elapsed / by_hand.elapsed, text(processor, 2));
    Ok(())
}

impl Program {
    fn dir(&self, all: &Path) -> PathBuf {
        all.join(self.name)
    }

    fn write(&self, all: &Path) -> Result<(), Error> {
        let Self { name, dependencies, source } = self;
        let dir = self.dir(all);
        std::fs::create_dir_all(dir.join("src"))?;
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n\
             {dependencies}serde = {{ version = \"1\", features = [\"derive\"] }}\n\
             tokio = {{ version = \"1\", features = [\"macros\", \"rt-multi-thread\"] }}\n"
        );
        std::fs::write(dir.join("Cargo.toml"), manifest)?;
        std::fs::write(dir.join("src/main.rs"), source)?;
        // With the lock file of this workspace, all dependencies are already downloaded.
        std::fs::copy(Path::new(WORKSPACE).join("Cargo.lock"), dir.join("Cargo.lock"))?;
        Ok(())
    }

    fn build(&self, all: &Path) -> Result<Cost, Error> {
        let target = self.dir(all).join("target");
        if target.exists() {
            std::fs::remove_dir_all(&target)?;
        }
        let (start, before) = (Instant::now(), processor_time_of_children());
        self.cargo(all, &["build", "--quiet"])?;
        let processor = processor_time_of_children().zip(before).map(|(after, before)| after - before);
        Ok(Cost { elapsed: start.elapsed().as_secs_f64(), processor })
    }

    fn cargo(&self, all: &Path, args: &[&str]) -> Result<(), Error> {
        let dir = self.dir(all);
        let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(args)
            .arg("--offline")
            .current_dir(&dir)
            .env("CARGO_TARGET_DIR", dir.join("target"))
            // A cache of compilations would hide what they take.
            .env("RUSTC_WRAPPER", "")
            // Dependencies from a registry are never built incrementally. This one is a path.
            .env("CARGO_INCREMENTAL", "0")
            .output()?;
        if !output.status.success() {
            let problem = String::from_utf8_lossy(&output.stderr);
            return Err(format!("cargo {} of {} failed:\n{problem}", args.join(" "), self.name).into());
        }
        Ok(())
    }
}

/// Returns the processor time of all processes that this one waited for, and of those that they
/// waited for, if `/proc` exists.
fn processor_time_of_children() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program is in parentheses, and may contain spaces.
    let (_, fields) = stat.rsplit_once(')')?;
    // `cutime` and `cstime`, in hundredths of a second.
    let times = fields.split_whitespace().skip(13).take(2);
    Some(times.filter_map(|time| time.parse::<f64>().ok()).sum::<f64>() / 100.0)
}
