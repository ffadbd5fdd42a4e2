//! Random sequences of commands get the same replies from the embedded server and a real one.

mod commands;
mod families;
mod replies;
mod runner;
mod waiting;
