//! Recognizes data that a later version of this library wrote.

use super::base::Error;

/// The maximum length of a version in a message.
const LONGEST: usize = 20;

/// Returns the format version of a stored string in a later format: `v`, the version, `:` and the
/// rest.
pub(crate) fn later_version(stored: &[u8]) -> Option<&str> {
    let rest = stored.strip_prefix(b"v")?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (version, rest) = rest.split_at_checked(digits)?;
    (!version.is_empty() && rest.starts_with(b":")).then(|| str::from_utf8(version).ok())?
}

impl Error {
    /// Returns the error for a key in a format that this version does not know.
    pub(crate) fn of_later_version(what: &str, version: &str) -> Self {
        let version = version.get(..LONGEST).unwrap_or(version);
        Self::decode(format!(
            "{what} has format version {version}, written by a later version of redis-keyspace; this version reads only \
             version 1; update this program, or delete the key if no other program uses it"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_versions_are_recognized_and_version_1_is_not() {
        assert_eq!(later_version(b"v2:x"), Some("2"));
        assert_eq!(later_version(b"v10:"), Some("10"));
        for first in ["", "v", "v2", "v:", "v2;", "2:", "V2:x", "vx:", "0123456789abcdef", "17+0/1", "\u{e9}"]
        {
            assert_eq!(later_version(first.as_bytes()), None, "{first}");
        }
        let long = Error::of_later_version("the lock", &"9".repeat(1000)).to_string();
        assert!(long.len() < 300, "{long}");
    }
}
