//! Commands on single values, counters and many keys, on both servers.

mod alike;
mod batches;
mod both_servers;
mod command_futures;
mod counters;
mod durations;
mod lifetimes;
mod many_keys;
mod native_field_lifetimes;
mod native_scripts;
mod native_workers;
mod paused_clock;
mod raw_access;
mod raw_keys;
mod reserved_names;
mod run_time_options;
mod scans;
mod undecodable_values;
mod unreadable_writes;
mod user_scripts;
mod values;
mod watches;
mod wire_keys;
