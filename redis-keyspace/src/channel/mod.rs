//! Subscriptions: to a channel, to all channels of a template, and to changes of keys.
//!
//! [`Channel`](crate::Channel) describes the kind, and [`crate::guide::channels`] the whole subject.

mod builder;
mod event;
mod feed;
mod matched;
mod notifications;
mod pattern;
mod subscription;

pub use builder::Subscribe;
pub use event::Event;
pub use notifications::{Notification, Notifications, WatchKeys};
pub use pattern::{PatternSubscription, SubscribePattern};
pub use subscription::Subscription;
