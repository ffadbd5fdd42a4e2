//! Scripts and functions of the application.

mod argument;
mod callee;
mod check;
mod definition;
mod functions;
mod input;
mod result;

pub use argument::ScriptArgument;
pub use callee::ScriptDefinition;
pub use check::{add_keys, check_script};
pub use definition::Script;
pub use input::ScriptInput;
pub use result::{ScriptReply, ScriptResult};
