//! Configuration from environment variables. An invalid value is an error that names its variable.

use std::collections::HashMap;

use super::secret::Secret;
use super::settings::LoginMode;
#[cfg(feature = "tls")]
use super::tls_changes::{TLS_OPTIONS, TlsChanges};
use super::url::{self, UrlParts};
use super::validate::{NAMESPACE_RULES, check_host, check_username, decimal, is_namespace};
use crate::error::{Error, Result};

/// The variables that are read.
pub(crate) const NAMES: [&str; 17] = [
    "REDIS_URL",
    "REDIS_HOST",
    "REDIS_PORT",
    "REDIS_USERNAME",
    "REDIS_PASSWORD",
    "REDIS_PASSWORD_FILE",
    "REDIS_DB",
    "REDIS_TLS",
    "REDIS_TLS_CA",
    "REDIS_TLS_CERT",
    "REDIS_TLS_KEY",
    "REDIS_TLS_SERVER_NAME",
    "REDIS_TLS_MIN_VERSION",
    "REDIS_TLS_ROOTS",
    "REDIS_NAMESPACE",
    "REDIS_VERIFY_WRITES",
    "REDIS_LOGIN",
];

/// The settings from the variables.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    pub(crate) url: Option<UrlParts>,
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) db: Option<u16>,
    pub(crate) namespace: Option<String>,
    pub(crate) verify_writes: Option<bool>,
    pub(crate) login: Option<LoginMode>,
    #[cfg(feature = "tls")]
    pub(super) tls: TlsChanges,
}

pub(crate) fn wrong(name: &str, problem: &str) -> Error {
    Error::configuration(format!("the environment variable {name} {problem}"))
}

/// Reads a password from a file, without white space around it, such as a trailing newline.
/// Messages never repeat the path: it may be the password itself.
pub(crate) fn read_secret(path: &str) -> std::result::Result<String, String> {
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("names a file that can't be read: {error}"))?;
    let secret = text.trim();
    if secret.is_empty() { Err("names a file that is empty".to_owned()) } else { Ok(secret.to_owned()) }
}

/// Trims the value of a variable: files and shells add white space around it. An empty value counts
/// as unset, because compose files pass unset variables on as empty ones.
fn trimmed(value: &str) -> Option<&str> {
    Some(value.trim()).filter(|value| !value.is_empty())
}

/// Returns the value of a variable that is read separately.
#[cfg(feature = "profiles")]
pub(crate) fn value_of(
    variable: std::result::Result<String, std::env::VarError>,
) -> std::result::Result<Option<String>, &'static str> {
    match variable {
        Ok(value) => Ok(trimmed(&value).map(str::to_owned)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err("is not UTF-8"),
    }
}

/// Reads and checks the variables.
pub(crate) fn read(variables: impl IntoIterator<Item = (String, String)>) -> Result<Environment> {
    let variables = Variables::new(variables);
    let url = variables.url()?;
    #[cfg(not(feature = "tls"))]
    variables.check_tls()?;
    let port = variables.number("REDIS_PORT", "a port from 1 to 65535")?;
    if port == Some(0) {
        return Err(wrong("REDIS_PORT", "must be a port number from 1 to 65535"));
    }
    let namespace = variables.get("REDIS_NAMESPACE");
    if namespace.is_some_and(|namespace| !is_namespace(namespace)) {
        return Err(wrong("REDIS_NAMESPACE", &format!("is invalid: {NAMESPACE_RULES}")));
    }
    let host = variables.get("REDIS_HOST");
    host.map_or(Ok(()), check_host).map_err(|problem| wrong("REDIS_HOST", problem))?;
    let username = variables.get("REDIS_USERNAME");
    username.map_or(Ok(()), check_username).map_err(|problem| wrong("REDIS_USERNAME", problem))?;
    let environment = Environment {
        host: host.map(str::to_owned),
        port,
        username: username.map(str::to_owned),
        password: variables.password()?.map(Secret::new),
        db: variables.number("REDIS_DB", "a database number from 0 to 65535")?,
        namespace: namespace.map(str::to_owned),
        verify_writes: variables.truth("REDIS_VERIFY_WRITES")?,
        login: variables.login()?,
        #[cfg(feature = "tls")]
        tls: variables.tls()?,
        url,
    };
    environment.check_against_url(&variables)?;
    Ok(environment)
}

/// Whether a container platform set the variable. For a service named `redis`, Kubernetes and
/// Docker set `REDIS_PORT=tcp://10.0.0.5:6379`, which must not configure the program.
fn is_service_link(name: &str, value: &str) -> bool {
    name == "REDIS_PORT" && ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme))
}

/// The variables that are set.
struct Variables(HashMap<String, String>);

impl Variables {
    fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let named = variables.into_iter().filter(|(name, _)| NAMES.contains(&name.as_str()));
        let set = named.filter_map(|(name, value)| {
            let value = trimmed(&value).filter(|value| !is_service_link(&name, value))?.to_owned();
            Some((name, value))
        });
        Self(set.collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn number(&self, name: &str, what: &str) -> Result<Option<u16>> {
        let parsed =
            self.get(name).map(|text| decimal(text).ok_or_else(|| wrong(name, &format!("is not {what}"))));
        parsed.transpose()
    }

    fn url(&self) -> Result<Option<UrlParts>> {
        let Some(text) = self.get("REDIS_URL") else { return Ok(None) };
        for name in ["REDIS_HOST", "REDIS_PORT"] {
            if self.get(name).is_some() {
                return Err(wrong(name, "contradicts REDIS_URL, which is also set; unset one of them"));
            }
        }
        url::parse(text).map(Some).map_err(|error| wrong("REDIS_URL", &format!("is invalid: {error}")))
    }

    fn truth(&self, name: &str) -> Result<Option<bool>> {
        match self.get(name).map(str::to_ascii_lowercase).as_deref() {
            None => Ok(None),
            Some("0" | "false" | "no" | "off") => Ok(Some(false)),
            Some("1" | "true" | "yes" | "on") => Ok(Some(true)),
            Some(_) => Err(wrong(name, "must be true or false")),
        }
    }

    #[cfg(not(feature = "tls"))]
    fn check_tls(&self) -> Result<()> {
        let needs_feature = |name| Err(wrong(name, "needs the feature `tls` of redis-keyspace; enable it"));
        if self.truth("REDIS_TLS")? == Some(true) {
            return needs_feature("REDIS_TLS");
        }
        let option = NAMES.iter().find(|name| name.starts_with("REDIS_TLS_") && self.get(name).is_some());
        option.map_or(Ok(()), |name| needs_feature(name))
    }

    #[cfg(feature = "tls")]
    fn tls(&self) -> Result<TlsChanges> {
        let mut tls = TlsChanges::default();
        tls.enabled = self.truth("REDIS_TLS")?;
        for option in TLS_OPTIONS {
            let name = tls_variable(option);
            if let Some(value) = self.get(&name) {
                tls.set(option, value).map_err(|error| wrong(&name, &error.problem))?;
            }
        }
        Ok(tls)
    }

    fn login(&self) -> Result<Option<LoginMode>> {
        let mode = self.get("REDIS_LOGIN").map(|text| {
            LoginMode::named(text).ok_or_else(|| wrong("REDIS_LOGIN", "must be auto, minimal or plain"))
        });
        mode.transpose()
    }

    fn password(&self) -> Result<Option<String>> {
        let password = self.get("REDIS_PASSWORD");
        let Some(path) = self.get("REDIS_PASSWORD_FILE") else { return Ok(password.map(str::to_owned)) };
        if password.is_some() {
            return Err(wrong(
                "REDIS_PASSWORD_FILE",
                "contradicts REDIS_PASSWORD, which is also set; unset one of them",
            ));
        }
        read_secret(path).map(Some).map_err(|problem| wrong("REDIS_PASSWORD_FILE", &problem))
    }
}

impl Environment {
    /// Fails if a variable contradicts the URL. A variable may repeat a part of the URL.
    fn check_against_url(&self, variables: &Variables) -> Result<()> {
        let Some(url) = &self.url else { return Ok(()) };
        let contradicts = |name: &str, what: &str| {
            Err(wrong(name, &format!("differs from the {what} in REDIS_URL; set one of them")))
        };
        if differ(url.username.as_ref(), self.username.as_ref()) {
            return contradicts("REDIS_USERNAME", "user name");
        }
        if differ(url.password.as_ref(), self.password.as_ref()) {
            let from_file = variables.get("REDIS_PASSWORD_FILE").is_some();
            return contradicts(if from_file { "REDIS_PASSWORD_FILE" } else { "REDIS_PASSWORD" }, "password");
        }
        if differ(url.db.as_ref(), self.db.as_ref()) {
            return contradicts("REDIS_DB", "database");
        }
        if differ(url.login.as_ref(), self.login.as_ref()) {
            return contradicts("REDIS_LOGIN", "login");
        }
        #[cfg(feature = "tls")]
        if self.tls.enabled.is_some_and(|enabled| enabled != url.tls) {
            return contradicts("REDIS_TLS", "scheme");
        }
        Ok(())
    }
}

/// The name of the variable of a TLS option. Without one, it is that of TLS itself.
#[cfg(feature = "tls")]
pub(super) fn tls_variable(option: &str) -> String {
    format!("REDIS_TLS_{}", option.to_ascii_uppercase()).trim_end_matches('_').to_owned()
}

fn differ<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> bool {
    one.is_some() && other.is_some() && one != other
}

#[cfg(test)]
mod tests {
    use crate::config::RedisBuilder;
    use crate::config::Secret;
    use crate::config::settings::LoginMode;
    use crate::error::Result;

    fn from(variables: &[(&str, &str)]) -> Result<RedisBuilder> {
        let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        RedisBuilder::default().variables(owned)
    }

    #[test]
    fn the_default_is_a_local_server() {
        let base = from(&[]).unwrap().base;
        assert_eq!((base.endpoint.to_string().as_str(), base.db), ("localhost:6379", 0));
    }

    #[test]
    fn variables_are_combined() {
        let builder = from(&[
            ("REDIS_HOST", "cache.internal"),
            ("REDIS_PORT", "6390"),
            ("REDIS_USERNAME", "app"),
            ("REDIS_PASSWORD", "hunter2"),
            ("REDIS_DB", "4"),
            ("REDIS_NAMESPACE", "staging"),
            ("REDIS_LOGIN", "plain"),
            ("REDIS_TLS", "false"),
            ("REDIS_VERIFY_WRITES", "Yes"),
        ])
        .unwrap();
        assert_eq!(builder.base.endpoint.to_string(), "cache.internal:6390");
        assert_eq!(builder.base.username.as_deref(), Some("app"));
        assert_eq!(builder.base.password.as_ref().map(Secret::expose), Some("hunter2"));
        assert_eq!((builder.base.db, builder.namespace.as_str()), (4, "staging:"));
        assert!(builder.base.verify_writes);
        assert!(!from(&[("REDIS_VERIFY_WRITES", "0")]).unwrap().base.verify_writes);
        let error = from(&[("REDIS_VERIFY_WRITES", "maybe")]).unwrap_err().to_string();
        assert!(error.contains("REDIS_VERIFY_WRITES must be true or false"), "{error}");
        assert_eq!(builder.base.login, LoginMode::Plain);
        let url = ("REDIS_URL", "redis://h?login=plain");
        assert_eq!(from(&[url, ("REDIS_LOGIN", "plain")]).unwrap().base.login, LoginMode::Plain);
    }

    #[test]
    fn all_variables_are_trimmed() {
        let builder = from(&[
            ("REDIS_HOST", " h\n"),
            ("REDIS_PORT", " 6390\n"),
            ("REDIS_USERNAME", "\tapp\r\n"),
            ("REDIS_PASSWORD", "hunter2\n"),
            ("REDIS_PASSWORD_FILE", " \n"),
            ("REDIS_DB", " 4\n"),
            ("REDIS_NAMESPACE", "staging\n"),
            ("REDIS_TLS", "false\n"),
            ("REDIS_LOGIN", "plain\n"),
            ("REDIS_URL", " "),
        ])
        .unwrap();
        assert_eq!(builder.base.endpoint.to_string(), "h:6390");
        assert_eq!(builder.base.username.as_deref(), Some("app"));
        assert_eq!(builder.base.password.as_ref().map(Secret::expose), Some("hunter2"));
        assert_eq!((builder.base.db, builder.namespace.as_str()), (4, "staging:"));
        assert_eq!(builder.base.login, LoginMode::Plain);
    }

    #[test]
    fn service_links_and_white_space_are_ignored() {
        let link = ("REDIS_PORT", "tcp://10.0.0.5:6379");
        assert_eq!(from(&[link]).unwrap().base.endpoint.to_string(), "localhost:6379");
        assert_eq!(from(&[link, ("REDIS_HOST", "cache")]).unwrap().base.endpoint.to_string(), "cache:6379");
        let base = from(&[link, ("REDIS_URL", " redis://:hunter2@h:7000/2\n")]).unwrap().base;
        assert_eq!((base.endpoint.to_string().as_str(), base.db), ("h:7000", 2));
        let base =
            from(&[("REDIS_HOST", " cache\n"), ("REDIS_PORT", "6390 "), ("REDIS_PASSWORD", "hunter2\n")]);
        let base = base.unwrap().base;
        assert_eq!(base.endpoint.to_string(), "cache:6390");
        assert_eq!(base.password.as_ref().map(Secret::expose), Some("hunter2"));
        assert_eq!(from(&[("REDIS_USERNAME", " \n")]).unwrap().base.username, None);
    }

    #[test]
    fn a_password_is_read_from_a_file() {
        let path = std::env::temp_dir().join(format!("redis-keyspace-secret-{}", std::process::id()));
        let name = path.to_str().unwrap();
        for text in ["hunter2", "hunter2\n", "hunter2\r\n", " hunter2\n\n"] {
            std::fs::write(&path, text).unwrap();
            let base = from(&[("REDIS_PASSWORD_FILE", name)]).unwrap().base;
            assert_eq!(base.password.as_ref().map(Secret::expose), Some("hunter2"));
        }
        let both = from(&[("REDIS_PASSWORD_FILE", name), ("REDIS_PASSWORD", "hunter2")]).unwrap_err();
        assert!(both.to_string().contains("contradicts REDIS_PASSWORD"), "{both}");
        let other = from(&[("REDIS_PASSWORD_FILE", name), ("REDIS_URL", "redis://:hunter3@h")]).unwrap_err();
        assert!(!other.to_string().contains("hunter"), "{other}");
        std::fs::remove_file(&path).unwrap();
        let gone = from(&[("REDIS_PASSWORD_FILE", name)]).unwrap_err();
        assert!(gone.is_configuration() && gone.to_string().contains("REDIS_PASSWORD_FILE"), "{gone}");
        assert!(!gone.to_string().contains(name), "it may be the password itself: {gone}");
        std::fs::write(&path, "\n").unwrap();
        let empty = from(&[("REDIS_PASSWORD_FILE", name)]).unwrap_err().to_string();
        assert!(empty.contains("is empty") && !empty.contains(name), "{empty}");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_separate_variable_may_set_the_password_of_a_url() {
        let base = from(&[("REDIS_URL", "redis://h:1/2"), ("REDIS_PASSWORD", "hunter2"), ("REDIS_DB", "2")])
            .unwrap()
            .base;
        assert_eq!(base.password.as_ref().map(Secret::expose), Some("hunter2"));
    }

    #[test]
    fn an_invalid_value_is_an_error_that_names_the_variable_and_no_secret() {
        for variables in [
            &[("REDIS_PORT", "70000")][..],
            &[("REDIS_PORT", "0")],
            &[("REDIS_PORT", "6379x")],
            &[("REDIS_DB", "-1")],
            &[("REDIS_DB", "one")],
            &[("REDIS_URL", "redis://u:hunter2@h:1:2")],
            &[("REDIS_TLS", "perhaps")],
            &[("REDIS_TLS_CA", "hunter2")],
            &[("REDIS_TLS_CERT", "hunter2")],
            &[("REDIS_TLS_KEY", "-----BEGIN hunter2")],
            &[("REDIS_TLS_SERVER_NAME", "hunter2:1")],
            &[("REDIS_TLS_MIN_VERSION", "hunter2")],
            &[("REDIS_TLS_ROOTS", "hunter2")],
            &[("REDIS_TLS", "true"), ("REDIS_URL", "redis://u:hunter2@h")],
            &[("REDIS_NAMESPACE", "a*b")],
            &[("REDIS_NAMESPACE", "hunter2:")],
            &[("REDIS_PORT", "hunter2")],
            &[("REDIS_DB", "hunter2")],
            &[("REDIS_TLS", "hunter2")],
            &[("REDIS_HOST", "127.0.0.1:17100")],
            &[("REDIS_HOST", "redis://:hunter2@cache")],
            &[("REDIS_HOST", "user:hunter2@cache")],
            &[("REDIS_HOST", "'cache'")],
            &[("REDIS_URL", "redis://:hunter2#x@cache")],
            &[("REDIS_URL", "'redis://hunter2'")],
            &[("REDIS_PORT", "http://hunter2:6379")],
            &[("REDIS_PORT", "+6379")],
            &[("REDIS_USERNAME", "hunter2 x")],
            &[("REDIS_HOST", "hunter2,hunter3")],
            &[("REDIS_LOGIN", "hunter2")],
            &[("REDIS_LOGIN", "auto"), ("REDIS_URL", "redis://u:hunter2@h?login=plain")],
            &[("REDIS_HOST", "h"), ("REDIS_URL", "redis://u:hunter2@h")],
            &[("REDIS_PASSWORD", "hunter3"), ("REDIS_URL", "redis://u:hunter2@h")],
            &[("REDIS_USERNAME", "v"), ("REDIS_URL", "redis://u:hunter2@h")],
            &[("REDIS_DB", "3"), ("REDIS_URL", "redis://u:hunter2@h/2")],
        ] {
            let error = from(variables).unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(error.is_configuration());
            assert!(text.contains(variables[0].0), "{text}");
            assert!(!text.contains("hunter"), "{text}");
        }
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn tls_needs_its_feature() {
        for variable in [("REDIS_TLS", "true"), ("REDIS_TLS_CA", "/etc/ca.crt")] {
            let error = from(&[variable]).unwrap_err().to_string();
            assert!(error.contains(variable.0) && error.contains("feature `tls`"), "{error}");
        }
    }

    #[cfg(feature = "tls")]
    #[test]
    fn variables_set_tls_options_and_never_skip_verification() {
        let tls = |variables: &[(&str, &str)]| from(variables).unwrap().base.tls;
        assert!(tls(&[]).is_none() && tls(&[("REDIS_TLS", "false")]).is_none());
        assert!(tls(&[("REDIS_TLS", "true")]).is_some() && tls(&[("REDIS_URL", "rediss://h")]).is_some());
        assert!(tls(&[("REDIS_TLS", "true"), ("REDIS_URL", "rediss://h")]).is_some());
        let pem = "-----BEGIN CERTIFICATE-----\nhunter2";
        let all = tls(&[
            ("REDIS_TLS", "true"),
            ("REDIS_TLS_CA", pem),
            ("REDIS_TLS_CERT", pem),
            ("REDIS_TLS_KEY", pem),
            ("REDIS_TLS_SERVER_NAME", "redis.internal"),
            ("REDIS_TLS_MIN_VERSION", "1.3"),
            ("REDIS_TLS_ROOTS", "system"),
        ]);
        let expected = crate::config::Tls::new()
            .ca_pem(pem)
            .client_certificate_pem(pem, pem)
            .server_name("redis.internal")
            .minimum_version(crate::config::TlsVersion::Tls13)
            .system_roots();
        assert_eq!(all, Some(expected));
        assert!(!format!("{all:?}").contains("hunter2"));
        for (variables, problem) in [
            (&[("REDIS_TLS_CA", pem)][..], "REDIS_TLS_CA is set, but TLS is off"),
            (&[("REDIS_TLS_CA", pem), ("REDIS_URL", "redis://h")], "REDIS_TLS_CA is set, but TLS is off"),
            (&[("REDIS_TLS_CA", pem), ("REDIS_TLS", "no")], "REDIS_TLS_CA is set, but TLS is off"),
            (&[("REDIS_TLS_CERT", pem), ("REDIS_TLS", "1")], "REDIS_TLS_CERT has no private key"),
            (&[("REDIS_TLS_KEY", pem), ("REDIS_TLS", "1")], "REDIS_TLS_KEY has no certificate"),
            (&[("REDIS_TLS", "no"), ("REDIS_URL", "rediss://h")], "REDIS_TLS differs from the scheme"),
        ] {
            let error = from(variables).unwrap_err().to_string();
            assert!(error.contains(problem) && !error.contains("hunter2"), "{error}");
        }
    }
}
