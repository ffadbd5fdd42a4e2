//! Code that the benchmarks share: the value, a server, and command lines.

mod args;
mod cluster;
mod server;

pub use args::Args;
pub use cluster::Cluster;
pub use server::{Server, pin_process};

use serde::{Deserialize, Serialize};

/// Any error. It ends the benchmark and is printed.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// Ids have four digits, so all keys have the same length, and all values too.
pub const FIRST_ID: u64 = 1000;
/// The number of ids: enough that the server's lookups do not stay in one cache line.
pub const IDS: u64 = 1000;
/// The TTL of every `SET`, in seconds.
pub const TTL: u64 = 3600;

/// The id of the large value, its key and its size in bytes.
pub const LARGE_ID: u64 = 1;
pub const LARGE_KEY: &str = "cart:picture:1";
pub const LARGE_SIZE: usize = 1 << 20;

/// The value: 224 bytes of JSON, small enough that the round trip dominates, not the decoding.
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
    /// Returns the cart of one shopper.
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

/// Returns the median, or a NaN of no values.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => values[length / 2],
        length => (values[length / 2 - 1] + values[length / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_the_documented_size() {
        for user in [FIRST_ID, FIRST_ID + IDS - 1] {
            assert_eq!(serde_json::to_vec(&Cart::of(user)).unwrap().len(), 224);
        }
    }
}
