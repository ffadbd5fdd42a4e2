//! What a subscription asks a server for.

use std::sync::Arc;

/// The three kinds of names that a server can be subscribed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum TopicKind {
    Channel,
    Pattern,
    /// A channel of `SPUBLISH`.
    Shard,
}

/// Which nodes of a cluster have the messages of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Reach {
    /// Every node has all messages.
    AnyNode,
    /// Only the nodes of this slot.
    Slot(u16),
    /// Each master has its own.
    EveryMaster,
}

/// The name of a channel or a pattern, with the namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Topic {
    pub(crate) kind: TopicKind,
    pub(crate) name: Arc<str>,
    pub(crate) reach: Reach,
}

impl Topic {
    /// The topic of a channel with this name, which includes the namespace.
    pub(crate) fn channel(name: String, slot_if_sharded: Option<u16>) -> Self {
        match slot_if_sharded {
            Some(slot) => Self { kind: TopicKind::Shard, name: name.into(), reach: Reach::Slot(slot) },
            None => Self { kind: TopicKind::Channel, name: name.into(), reach: Reach::AnyNode },
        }
    }

    /// The topic of a glob pattern, which includes the namespace.
    pub(crate) fn pattern(glob: String, reach: Reach) -> Self {
        Self { kind: TopicKind::Pattern, name: glob.into(), reach }
    }
}

impl TopicKind {
    pub(super) fn subscribe(self) -> &'static str {
        match self {
            Self::Channel => "SUBSCRIBE",
            Self::Pattern => "PSUBSCRIBE",
            Self::Shard => "SSUBSCRIBE",
        }
    }

    pub(super) fn unsubscribe(self) -> &'static str {
        match self {
            Self::Channel => "UNSUBSCRIBE",
            Self::Pattern => "PUNSUBSCRIBE",
            Self::Shard => "SUNSUBSCRIBE",
        }
    }

    /// How many names one command may have. The channels of one command must be in one slot.
    pub(super) fn names_per_command(self) -> usize {
        match self {
            Self::Channel | Self::Pattern => 256,
            Self::Shard => 1,
        }
    }
}

/// A topic as a server knows it: without its reach.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ServerTopic {
    pub(super) kind: TopicKind,
    pub(super) name: Arc<str>,
}

impl From<&Topic> for ServerTopic {
    fn from(topic: &Topic) -> Self {
        Self { kind: topic.kind, name: Arc::clone(&topic.name) }
    }
}
