//! The options of a handle for the sentinels that name its master.

use super::builder::RedisBuilder;
use super::endpoint::Endpoint;
use super::nodes::parse_nodes;
use super::sentinel::WatchedMaster;
use crate::error::{Error, Result};

impl RedisBuilder {
    /// Uses the master of this name, which the sentinels watch. Each sentinel is given as
    /// `host:port`; the port is optional, and the default is 26379.
    ///
    /// # Errors
    ///
    /// [`Configuration`](crate::ErrorKind::Configuration) if no sentinel is given, or if an address
    /// is invalid or listed twice.
    pub fn sentinel(
        self,
        master: impl Into<String>,
        sentinels: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self> {
        let texts: Vec<String> = sentinels.into_iter().map(Into::into).collect();
        let sentinels = parse_nodes(texts.iter().map(String::as_str), 26379)
            .map_err(|problem| Error::configuration(format!("the list of sentinels {problem}")))?;
        Ok(self.with_endpoint(Endpoint::Sentinel(WatchedMaster { name: master.into(), sentinels })))
    }
}
