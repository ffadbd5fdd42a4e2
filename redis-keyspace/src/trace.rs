//! Macros that log and count. Without the features `tracing` and `metrics` they compile to nothing.
//! They still use their arguments, so that callers get no warnings about unused variables.
//!
//! [`crate::telemetry`] lists the names.

/// Logs an event: `event!(warn, "message", error = %error, attempts = 3)`.
#[cfg(feature = "tracing")]
macro_rules! event {
    ($level:ident, $message:literal $(, $($field:tt)+)?) => {
        ::tracing::$level!(target: "redis_keyspace", $($($field)+ ,)? $message)
    };
}

#[cfg(not(feature = "tracing"))]
macro_rules! event {
    ($level:ident, $message:literal $(, $($field:tt)+)?) => {
        // The closure is never called. Its arguments are type-checked and borrowed, but not
        // evaluated.
        { let _ = || event!(@use $($($field)+)?); }
    };
    (@use) => { () };
    (@use $name:ident = % $value:expr $(, $($rest:tt)*)?) => {{ let _ = &$value; $(event!(@use $($rest)*);)? }};
    (@use $name:ident = ? $value:expr $(, $($rest:tt)*)?) => {{ let _ = &$value; $(event!(@use $($rest)*);)? }};
    (@use $name:ident = $value:expr $(, $($rest:tt)*)?) => {{ let _ = &$value; $(event!(@use $($rest)*);)? }};
    (@use $name:ident $(, $($rest:tt)*)?) => {{ let _ = &$name; $(event!(@use $($rest)*);)? }};
}

/// Increments a counter: by one with `count!("name", "label" => value)`, by `n` with
/// `count!("name" += n, "label" => value)`.
#[cfg(feature = "metrics")]
macro_rules! count {
    ($name:literal += $count:expr $(, $label:literal => $value:expr)*) => {
        ::metrics::counter!($name $(, $label => $value)*).increment($count)
    };
    ($name:literal $(, $label:literal => $value:expr)*) => {
        ::metrics::counter!($name $(, $label => $value)*).increment(1)
    };
}

#[cfg(not(feature = "metrics"))]
macro_rules! count {
    ($name:literal += $count:expr $(, $label:literal => $value:expr)*) => {
        { let _ = || { let _ = &$count; $(let _ = &$value;)* }; }
    };
    ($name:literal $(, $label:literal => $value:expr)*) => {
        { let _ = || { $(let _ = &$value;)* }; }
    };
}
