//! The configuration of a handle: from code, URLs, the environment and profiles.

mod address;
mod address_map;
mod builder;
mod builder_cluster;
mod builder_credentials;
mod builder_env;
mod builder_sentinel;
mod builder_url;
mod credentials;
mod effective;
mod endpoint;
mod environment;
#[cfg(test)]
mod environment_tests;
mod fingerprint;
mod keyspace_options;
mod nodes;
mod optional_text;
#[cfg(feature = "profiles")]
mod profiles;
mod secret;
mod sentinel;
mod settings;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "tls")]
mod tls_changes;
mod url;
mod url_hosts;
mod url_part;
#[cfg(test)]
mod url_tests;
mod validate;

pub(crate) use address::Address;
pub(crate) use address_map::AddressMap;
pub use builder::RedisBuilder;
pub use credentials::{Credentials, CredentialsError, CredentialsProvider};
#[cfg(feature = "embedded")]
pub(crate) use endpoint::EmbeddedServer;
pub(crate) use endpoint::{Endpoint, ExternalPool, ServerIdentity, unique_id};
pub use fingerprint::Fingerprint;
pub use keyspace_options::KeyspaceOptions;
pub use optional_text::OptionalText;
#[cfg(feature = "profiles")]
pub use profiles::Profiles;
pub(crate) use secret::Secret;
pub(crate) use sentinel::{SentinelAccess, WatchedMaster};
pub(crate) use settings::{BreakerSettings, Settings};
pub use settings::{LoginMode, Protocol};
#[cfg(feature = "tls")]
pub(crate) use tls::{ClientCertificate, PemSource};
#[cfg(feature = "tls")]
pub use tls::{Tls, TlsVersion};
pub(crate) use validate::{NAMESPACE_RULES, is_namespace, validate};
