//! Keys and what is declared about them: text, parsing, slots, the catalog.

mod arguments_and_parsing;
mod bound_keyspaces;
mod catalog;
mod cluster_slots;
mod fuzz_corpus;
mod key_formats;
mod shared_databases;
mod tenants;
