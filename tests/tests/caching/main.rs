//! Values that are loaded on a miss, kept stale, shared and invalidated.

mod fill_attacks;
mod fill_options;
mod fills;
mod groups;
mod kept_beside;
mod many_fills;
mod resurrection;
mod stampedes;
mod unencodable;
