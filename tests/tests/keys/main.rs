//! Keys and their declarations: text, parsing, slots and the catalog.

mod arguments_and_parsing;
mod bound_keyspaces;
mod catalog;
mod cluster_slots;
mod fuzz_corpus;
mod key_formats;
mod shared_databases;
mod tenants;
