//! What the benchmarks share: a value, a server of their own, and command lines.

mod args;
mod server;

pub use args::Args;
pub use server::{Server, pin_process};

use serde::{Deserialize, Serialize};

/// What goes wrong in a benchmark is shown and ends it.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// Ids have four digits, so that every key and every value is of one length.
pub const FIRST_ID: u64 = 1000;
/// Enough keys that no lookup of the server stays in one cache line.
pub const IDS: u64 = 1000;
/// The lifetime that every `SET` states.
pub const TTL: u64 = 3600;

/// The value: 224 bytes of JSON, small enough that the way to the server counts, not the decoding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cart {
    pub user: u64,
    pub currency: String,
    pub note: String,
    pub items: Vec<Item>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    pub sku: String,
    pub quantity: u32,
    pub cents: u64,
}

impl Cart {
    /// The cart of one shopper.
    pub fn of(user: u64) -> Self {
        let item = |sku: &str, quantity, cents| Item { sku: sku.to_owned(), quantity, cents };
        Self {
            user,
            currency: "EUR".to_owned(),
            note: "leave it at my red door".to_owned(),
            items: vec![
                item("lamp-brass-12", 1, 11_999),
                item("chair-oak-04", 4, 8_950),
                item("table-oak-180", 1, 64_900),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_of_the_size_that_the_results_state() {
        for user in [FIRST_ID, FIRST_ID + IDS - 1] {
            assert_eq!(serde_json::to_vec(&Cart::of(user)).unwrap().len(), 224);
        }
    }
}
