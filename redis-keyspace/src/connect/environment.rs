//! Configuration from environment variables. An unusable value is an error that names its variable.

use std::collections::HashMap;

use super::builder::RedisBuilder;
use super::settings::Secret;
use super::url;
use crate::error::{Error, Result};

/// The variables that are looked at.
pub(crate) const NAMES: [&str; 9] = [
    "REDIS_URL",
    "REDIS_HOST",
    "REDIS_PORT",
    "REDIS_USERNAME",
    "REDIS_PASSWORD",
    "REDIS_PASSWORD_FILE",
    "REDIS_DB",
    "REDIS_TLS",
    "REDIS_NAMESPACE",
];

pub(crate) fn wrong(name: &str, problem: &str) -> Error {
    Error::configuration(format!("the environment variable {name} {problem}"))
}

/// A password out of a file, which usually ends in a line end that is not part of it. The path is not repeated: some write the
/// password itself there.
pub(crate) fn read_secret(path: &str) -> std::result::Result<String, String> {
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("names a file that can't be read: {error}"))?;
    let secret =
        text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    if secret.is_empty() { Err("names a file that is empty".to_owned()) } else { Ok(secret.to_owned()) }
}

/// A variable; an empty one is an unset one.
#[cfg(feature = "profiles")]
pub(crate) fn without_empty(
    variable: std::result::Result<String, std::env::VarError>,
) -> std::result::Result<Option<String>, &'static str> {
    match variable {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err("is not UTF-8"),
    }
}

pub(crate) fn apply(
    mut builder: RedisBuilder,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<RedisBuilder> {
    // An empty variable is an unset one: that is how composition files pass on what they don't have.
    let variables: HashMap<String, String> = variables
        .into_iter()
        .filter(|(name, value)| NAMES.contains(&name.as_str()) && !value.is_empty())
        .collect();
    let get = |name: &str| variables.get(name).map(String::as_str);
    let number = |name: &str, what: &str| {
        let parsed = get(name).map(|text| {
            text.trim().parse::<u16>().map_err(|_| wrong(name, &format!("is `{text}`, which is not {what}")))
        });
        parsed.transpose()
    };

    let mut by_url = None;
    if let Some(text) = get("REDIS_URL") {
        for name in ["REDIS_HOST", "REDIS_PORT", "REDIS_TLS"] {
            if get(name).is_some() {
                return Err(wrong(name, "contradicts REDIS_URL, which is set too; unset one of them"));
            }
        }
        let unusable = |error: Error| wrong("REDIS_URL", &format!("is unusable: {error}"));
        by_url = Some(url::parse(text).map_err(unusable)?);
        builder = builder.url(text).map_err(unusable)?;
    }
    let by_url = by_url.as_ref();
    match get("REDIS_TLS").map(str::to_ascii_lowercase).as_deref() {
        None | Some("0" | "false" | "no" | "off") => {}
        Some("1" | "true" | "yes" | "on") => {
            return Err(wrong(
                "REDIS_TLS",
                "asks for TLS, which this version does not speak; make a bb8_redis pool with TLS and hand it to Redis::from_pool",
            ));
        }
        Some(other) => {
            return Err(wrong("REDIS_TLS", &format!("is `{other}`, which is neither true nor false")));
        }
    }
    if let Some(host) = get("REDIS_HOST") {
        builder = builder.host(host);
    }
    if let Some(port) = number("REDIS_PORT", "a port from 1 to 65535")? {
        if port == 0 {
            return Err(wrong("REDIS_PORT", "is `0`, which is not a port from 1 to 65535"));
        }
        builder = builder.port(port);
    }
    if let Some(username) = get("REDIS_USERNAME") {
        if by_url.and_then(|url| url.username.as_ref()).is_some_and(|stated| stated != username) {
            return Err(wrong(
                "REDIS_USERNAME",
                "differs from the user name in REDIS_URL; state one of them",
            ));
        }
        builder = builder.username(username);
    }
    let file = get("REDIS_PASSWORD_FILE");
    if file.is_some() && get("REDIS_PASSWORD").is_some() {
        return Err(wrong(
            "REDIS_PASSWORD_FILE",
            "contradicts REDIS_PASSWORD, which is set too; unset one of them",
        ));
    }
    let read = file.map(|path| read_secret(path).map_err(|problem| wrong("REDIS_PASSWORD_FILE", &problem)));
    let read = read.transpose()?;
    if let Some(password) = read.as_deref().or(get("REDIS_PASSWORD")) {
        let stated = by_url.and_then(|url| url.password.as_ref());
        if stated.is_some_and(|stated| *stated != Secret::new(password)) {
            let name = if read.is_some() { "REDIS_PASSWORD_FILE" } else { "REDIS_PASSWORD" };
            return Err(wrong(name, "differs from the password in REDIS_URL; state one of them"));
        }
        builder = builder.password(password);
    }
    if let Some(db) = number("REDIS_DB", "a database number from 0 to 65535")? {
        if by_url.and_then(|url| url.db).is_some_and(|stated| stated != db) {
            return Err(wrong("REDIS_DB", "differs from the database in REDIS_URL; state one of them"));
        }
        builder = builder.db(db);
    }
    if let Some(namespace) = get("REDIS_NAMESPACE") {
        builder = builder
            .namespace(namespace)
            .map_err(|error| wrong("REDIS_NAMESPACE", &format!("is unusable: {error}")))?;
    }
    Ok(builder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> Result<RedisBuilder> {
        let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        apply(RedisBuilder::default(), owned)
    }

    #[test]
    fn nothing_set_means_a_local_server() {
        let base = from(&[]).unwrap().base;
        assert_eq!((base.endpoint.to_string().as_str(), base.db), ("localhost:6379", 0));
    }

    #[test]
    fn parts_are_put_together() {
        let builder = from(&[
            ("REDIS_HOST", "cache.internal"),
            ("REDIS_PORT", "6390"),
            ("REDIS_USERNAME", "app"),
            ("REDIS_PASSWORD", "hunter2"),
            ("REDIS_DB", "4"),
            ("REDIS_NAMESPACE", "staging"),
            ("REDIS_TLS", "false"),
        ])
        .unwrap();
        assert_eq!(builder.base.endpoint.to_string(), "cache.internal:6390");
        assert_eq!(builder.base.username.as_deref(), Some("app"));
        assert_eq!(builder.base.password.as_ref().map(Secret::expose), Some("hunter2"));
        assert_eq!((builder.base.db, builder.namespace.as_str()), (4, "staging:"));
    }

    #[test]
    fn a_password_out_of_a_file() {
        let path = std::env::temp_dir().join(format!("redis-keyspace-secret-{}", std::process::id()));
        let name = path.to_str().unwrap();
        for text in ["hunter2", "hunter2\n", "hunter2\r\n"] {
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
        assert!(from(&[("REDIS_PASSWORD_FILE", name)]).unwrap_err().to_string().contains("is empty"));
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_url_may_leave_the_password_to_a_variable_of_its_own() {
        let base = from(&[("REDIS_URL", "redis://h:1/2"), ("REDIS_PASSWORD", "hunter2"), ("REDIS_DB", "2")])
            .unwrap()
            .base;
        assert_eq!(base.password.as_ref().map(Secret::expose), Some("hunter2"));
    }

    #[test]
    fn a_bad_value_is_an_error_that_names_the_variable_and_no_secret() {
        for variables in [
            &[("REDIS_PORT", "70000")][..],
            &[("REDIS_PORT", "0")],
            &[("REDIS_PORT", "6379x")],
            &[("REDIS_DB", "-1")],
            &[("REDIS_DB", "one")],
            &[("REDIS_URL", "redis://u:hunter2@h:1:2")],
            &[("REDIS_TLS", "perhaps")],
            &[("REDIS_TLS", "true")],
            &[("REDIS_NAMESPACE", "a*b")],
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
}
