//! Checks the crates in the package directories given as arguments. With `--list`, also prints all
//! imports.

use std::env;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use redis_keyspace_layers::{Report, check};

fn main() -> io::Result<ExitCode> {
    let (flags, packages): (Vec<_>, Vec<_>) =
        env::args_os().skip(1).partition(|argument| argument == "--list");
    let (mut out, mut err) = (io::stdout().lock(), io::stderr().lock());
    if packages.is_empty() {
        writeln!(err, "usage: redis-keyspace-layers [--list] PACKAGE-DIRECTORY..")?;
        return Ok(ExitCode::FAILURE);
    }
    let mut is_clean = true;
    for package in packages.into_iter().map(PathBuf::from) {
        match check(&package) {
            Ok(Report { layers, modules, files, edges, files_in_cycles, imports, violations, .. }) => {
                if !flags.is_empty() {
                    imports.iter().try_for_each(|import| writeln!(out, "{import}"))?;
                }
                writeln!(
                    out,
                    "{}: layers {layers}, modules {modules}, files {files}, edges {edges}, files in cycles {files_in_cycles}",
                    package.display(),
                )?;
                is_clean &= violations.is_empty();
                for violation in violations {
                    writeln!(err, "error: {violation}")?;
                }
            }
            Err(error) => {
                is_clean = false;
                writeln!(err, "error: {error}")?;
            }
        }
    }
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
