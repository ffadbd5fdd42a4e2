//! The targets of the fuzzer: functions that accept any bytes and panic if a guarantee does not
//! hold. The tests replay the corpus through the same functions.

mod input;
mod keys;
mod keyspace;
mod parse;
mod patterns;
mod requests;

use std::io;

pub use keys::keys;
pub use parse::parse;
pub use patterns::patterns;
pub use requests::requests;

/// Runs a target on the files given on the command line.
pub fn replay(target: fn(&[u8])) -> io::Result<()> {
    for path in std::env::args_os().skip(1) {
        target(&std::fs::read(path)?);
    }
    Ok(())
}
