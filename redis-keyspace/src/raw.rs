//! Access to the driver: see [`Redis::raw`](crate::Redis::raw).

pub use crate::connect::RawConnection;
