//! The handle on a server: how commands find it, and how requests run on it.

mod binding;
mod call;
mod checks;
mod choose;
mod counters;
mod disabled;
mod health;
mod keys;
mod known;
mod misplaced;
mod newer;
mod observe;
mod open;
mod optimistic;
mod raw;
mod redis;
mod refusals;
mod replica;
mod run;
mod scope;
mod script;
mod sentinels;
mod spread;
mod stats;
mod subject;
mod tenant;
mod types;
mod undo;
mod wait;
mod watch;

pub(crate) use binding::{Binding, current_runtime, disabled};
pub(crate) use call::{CallOptions, call_options, wait_option};
pub(crate) use checks::{WriteChecks, most_value_bytes};
pub(crate) use choose::{Target, same_server};
pub(crate) use counters::FillCounters;
pub(crate) use health::HEALTH_PROBE;
pub use health::{Health, HealthCheck, NodeHealth, ServerRole};
pub(crate) use known::{learn_missing, may_have};
pub(crate) use newer::{delete_if_equal, explain_missing, explain_missing_in, missing_command, run_newer};
pub(crate) use observe::Observed;
pub(crate) use optimistic::{WatchAttempts, WatchSession};
pub use redis::Redis;
pub(crate) use refusals::{
    has_refusal, is_answered_by_replica, is_redirected, may_be_repeated, not_run, renew_if_replica, written,
};
pub(crate) use replica::{is_final, run_on_replica, submit_to_replica};
pub(crate) use run::{OnServer, run, run_at, run_on, run_rest, run_whole, submit};
#[cfg(feature = "tower")]
pub(crate) use scope::InScope;
pub(crate) use scope::in_scope_of_caller;
pub use sentinels::SentinelStats;
pub use stats::{ClosedConnections, FillStats, NodeStats, PoolStats, PoolStatus, ReplicaStats, Stats};
pub(crate) use subject::Subject;
pub(crate) use tenant::check_tenant;
pub(crate) use types::{MOST_ASKED, NAMING, WrongTypeOf, has_wrong_type, naming_types};
pub(crate) use undo::{UndoAttempts, may_have_run};
pub(crate) use wait::run_waiting;
pub(crate) use watch::DeadlineWatch;
