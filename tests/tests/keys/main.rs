//! Keys and what is declared about them: text, parsing, slots, the catalog.

mod arguments_and_parsing;
mod catalog;
mod cluster_slots;
mod fuzz_corpus;
mod shared_databases;
