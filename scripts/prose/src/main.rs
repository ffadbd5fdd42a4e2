//! Checks the prose below the directory that is its argument, or below the working directory.

use std::env;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use redis_keyspace_prose::{Word, check};

fn main() -> io::Result<ExitCode> {
    let directory = env::args_os().nth(1).map_or_else(|| PathBuf::from("."), PathBuf::from);
    let findings = check(&directory, &Word::list(include_str!("../words.txt")))?;
    let mut err = io::stderr().lock();
    for finding in &findings {
        writeln!(err, "error: {finding}")?;
    }
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
