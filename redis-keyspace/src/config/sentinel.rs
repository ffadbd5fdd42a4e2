//! The sentinels that name the master of a handle.

use std::fmt;

use super::address::Address;
use super::secret::Secret;
#[cfg(feature = "tls")]
use super::tls::Tls;

/// A master that sentinels watch, and the configured sentinels. There is at least one sentinel.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct WatchedMaster {
    /// The name of the master, as in `sentinel monitor`.
    pub(crate) name: String,
    pub(crate) sentinels: Vec<Address>,
}

impl fmt::Display for WatchedMaster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the master {} of the sentinels ", self.name)?;
        for (nth, (host, port)) in self.sentinels.iter().enumerate() {
            f.write_str(if nth > 0 { "," } else { "" })?;
            match host.contains(':') {
                true => write!(f, "[{host}]:{port}")?,
                false => write!(f, "{host}:{port}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for WatchedMaster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How connections to sentinels log in. The credentials of the master are not sent to them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct SentinelAccess {
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
    /// Set if connections to sentinels are encrypted.
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<Tls>,
}
