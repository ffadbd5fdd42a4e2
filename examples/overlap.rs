//! Two templates that can make the same key are a compile error.
//!
//! This example runs `cargo check` on two small programs. In the first, a user named `me` would
//! share the key `user:me`. In the second, the argument is a number, so it can't be `me`.
//!
//! Run it with `cargo run --example overlap`.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// The program with the given type of the argument.
fn program(argument: &str) -> String {
    format!(
        r#"use redis_keyspace::{{Keyspace, Text}};

#[derive(Keyspace)]
#[keyspace(prefix = "user", ttl = "1h")]
pub struct UserKeys {{
    #[key("{{name}}")]
    by_name: fn(name: {argument}) -> Text,
    #[key("me")]
    me: Text,
}}

fn main() {{
    println!("{{}} and {{}}", UserKeys::by_name(Default::default()), UserKeys::me());
}}
"#
    )
}

fn main() -> Result<(), Box<dyn Error>> {
    for argument in ["&str", "u64"] {
        let source = program(argument);
        let output = check(&source)?;
        let message = String::from_utf8_lossy(&output.stderr);
        println!("{source}");
        if output.status.success() {
            println!("compiles.");
        } else if message.contains("can make the same key") {
            println!("does not compile:\n\n{message}");
        } else {
            return Err(format!("cargo check failed for another reason: {message}").into());
        }
    }
    Ok(())
}

/// Runs `cargo check` on a program, with the dependencies of this workspace.
fn check(source: &str) -> Result<Output, Box<dyn Error>> {
    let target = target_dir()?;
    let package = target.join(format!("overlap-example-{}", std::process::id()));
    std::fs::create_dir_all(&package)?;
    let library = Path::new(HERE).join("../redis-keyspace");
    let manifest = format!(
        "[package]\nname = \"overlap\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
         [[bin]]\nname = \"overlap\"\npath = \"main.rs\"\n\n[dependencies]\nredis-keyspace = {{ path = {library:?} }}\n"
    );
    std::fs::write(package.join("Cargo.toml"), manifest)?;
    std::fs::write(package.join("main.rs"), source)?;
    // With the lock file of this workspace, all dependencies are already downloaded.
    std::fs::copy(Path::new(HERE).join("../Cargo.lock"), package.join("Cargo.lock"))?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut check = Command::new(cargo);
    check.args(["check", "--quiet", "--offline"]).current_dir(&package).env("CARGO_TARGET_DIR", &target);
    let output = check.output();
    std::fs::remove_dir_all(&package)?;
    Ok(output?)
}

/// Returns the target directory, from the path of this program:
/// `target/debug/examples/overlap`.
fn target_dir() -> Result<PathBuf, Box<dyn Error>> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(3).ok_or("the example must run from the target directory")?;
    Ok(target.to_owned())
}
