//! Events, where the feature `tracing` is on; without it they compile to nothing.

macro_rules! observe {
    ($level:ident, $($event:tt)+) => {{
        #[cfg(feature = "tracing")]
        ::tracing::$level!(target: "redis_keyspace", $($event)+);
    }};
}
