//! A minimal parser of command lines.

use std::str::FromStr;

use crate::Error;

/// The arguments of a benchmark: flags, options with a value, and words.
#[derive(Debug)]
pub struct Args {
    rest: Vec<String>,
    measuring: bool,
}

impl Args {
    /// Returns the arguments of this process.
    pub fn from_env() -> Self {
        let mut args = Self { rest: std::env::args().skip(1).collect(), measuring: false };
        args.measuring = args.flag("--bench");
        args
    }

    /// Returns whether the benchmark must only show, within seconds, that it works. That is the
    /// case with `--smoke`, and under `cargo test`, which unlike `cargo bench` does not add
    /// `--bench`.
    pub fn smoke(&mut self) -> bool {
        let asked = self.flag("--smoke") | self.flag("--test");
        asked || !self.measuring
    }

    /// Removes a flag and returns whether it was present.
    pub fn flag(&mut self, name: &str) -> bool {
        let before = self.rest.len();
        self.rest.retain(|argument| argument != name);
        self.rest.len() < before
    }

    /// Removes an option and returns its value.
    pub fn option<T: FromStr<Err: std::fmt::Display>>(&mut self, name: &str) -> Result<Option<T>, Error> {
        let Some(at) = self.rest.iter().position(|argument| argument == name) else { return Ok(None) };
        if at + 1 == self.rest.len() {
            return Err(format!("{name} needs a value").into());
        }
        let value = self.rest.drain(at..at + 2).nth(1).unwrap_or_default();
        value.parse().map(Some).map_err(|error| format!("{name} {value}: {error}").into())
    }

    /// Removes an option and returns its comma-separated values.
    pub fn list<T: FromStr<Err: std::fmt::Display>>(&mut self, name: &str) -> Result<Option<Vec<T>>, Error> {
        let Some(values) = self.option::<String>(name)? else { return Ok(None) };
        let parsed = values
            .split(',')
            .map(|value| value.trim().parse().map_err(|error| format!("{name} {value}: {error}").into()));
        parsed.collect::<Result<_, Error>>().map(Some)
    }

    /// Returns the remaining arguments. An unknown option is an error, because a mistyped option
    /// would measure something else.
    pub fn words(self) -> Result<Vec<String>, Error> {
        match self.rest.iter().find(|argument| argument.starts_with('-')) {
            Some(unknown) => Err(format!("unknown option {unknown}").into()),
            None => Ok(self.rest),
        }
    }
}
