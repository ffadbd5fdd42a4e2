//! Values that are loaded on a miss, kept stale, shared and invalidated.

mod fill_attacks;
mod fill_errors;
mod fill_options;
mod fills;
mod groups;
mod hash_fields;
mod many_fills;
mod renamed_fields;
mod resurrection;
mod stale_and_negative_entries;
mod stampedes;
mod unencodable;
mod waits;
mod whole_collections;
mod without_fills;
