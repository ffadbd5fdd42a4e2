//! Measures a clean build of a minimal program, compared with the same program by hand.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use redis_keyspace_benches::{Args, Error};

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
    source: r#"use redis::AsyncCommands;

#[derive(serde::Serialize, serde::Deserialize)]
struct Cart {
    items: Vec<String>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = redis::Client::open("redis://127.0.0.1/")?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    let cart = Cart { items: vec!["lamp".to_owned()] };
    let () = connection.set_ex("cart:user:7", serde_json::to_string(&cart)?, 3600).await?;
    let found: Option<String> = connection.get("cart:user:7").await?;
    let found: Option<Cart> = found.map(|found| serde_json::from_str(&found)).transpose()?;
    println!("{}", found.map_or(0, |cart| cart.items.len()));
    Ok(())
}
"#,
};

const KEYSPACE: Program = Program {
    name: "keyspace",
    dependencies: "",
    source: r#"use redis_keyspace::{Json, Keyspace, Redis};

#[derive(serde::Serialize, serde::Deserialize)]
struct Cart {
    items: Vec<String>,
}

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = 3600)]
struct CartKeys {
    #[key("user:{id}")]
    user: fn(id: u64) -> Json<Cart>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    Redis::builder().url("redis://127.0.0.1/")?.build()?.install();
    let cart = Cart { items: vec!["lamp".to_owned()] };
    CartKeys::user(7).set(&cart).await?;
    println!("{}", CartKeys::user(7).get().await?.map_or(0, |cart| cart.items.len()));
    Ok(())
}
"#,
};

/// What a build takes, in seconds.
#[derive(Clone, Copy)]
struct Cost {
    elapsed: f64,
    /// Processor time, of all compilers.
    processor: f64,
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
        println!("the two programs resolve; without --smoke, they are built");
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
    let [by_hand, keyspace] = costs.map(|costs| Cost {
        elapsed: median(costs.iter().map(|cost| cost.elapsed)),
        processor: median(costs.iter().map(|cost| cost.processor)),
    });
    for (what, cost) in [("redis, tokio and serde_json", by_hand), ("redis-keyspace", keyspace)] {
        println!("| {what} | {:.1} | {:.1} |", cost.elapsed, cost.processor);
    }
    println!(
        "| ratio | {:.2} | {:.2} |",
        keyspace.elapsed / by_hand.elapsed,
        keyspace.processor / by_hand.processor
    );
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
        let own = if dependencies.is_empty() {
            format!("redis-keyspace = {{ path = {:?} }}\n", Path::new(WORKSPACE).join("redis-keyspace"))
        } else {
            (*dependencies).to_owned()
        };
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n\
             {own}serde = {{ version = \"1\", features = [\"derive\"] }}\n\
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
        let processor = processor_time_of_children() - before;
        Ok(Cost { elapsed: start.elapsed().as_secs_f64(), processor })
    }

    fn cargo(&self, all: &Path, args: &[&str]) -> Result<(), Error> {
        let dir = self.dir(all);
        let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(args)
            .arg("--offline")
            .current_dir(&dir)
            .env("CARGO_TARGET_DIR", dir.join("target"))
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

/// The processor time of all processes that this one waited for, and of those that they waited for.
/// It is 0 where `/proc` does not exist.
fn processor_time_of_children() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program is in parentheses, and may contain spaces.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    // `cutime` and `cstime`, in hundredths of a second.
    let times = fields.split_whitespace().skip(13).take(2);
    times.filter_map(|time| time.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
