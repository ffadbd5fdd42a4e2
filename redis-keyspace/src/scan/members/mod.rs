//! Scans of the elements of one large collection.

mod operations;
mod pages;
mod stream;

pub use stream::{HScan, SScan, ZScan};
