//! Typed Lua scripts and functions of the server: the trait [`Script`], its derive macro, and the
//! types of arguments and results. See [the guide](crate::guide::scripts).

pub use crate::command::{KeyGroup, Script, ScriptArgument, ScriptResult};
