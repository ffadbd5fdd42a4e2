//! Access to the driver. See [`Redis::raw`](crate::Redis::raw).

pub use crate::connect::RawConnection;
