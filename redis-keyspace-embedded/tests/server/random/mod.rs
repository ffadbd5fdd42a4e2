//! Random sequences of commands get the same replies from the embedded server and a real one.

mod bits;
mod commands;
mod families;
mod geo;
mod replies;
mod runner;
mod sorted_sets;
mod streams;
mod waiting;
