//! Error replies of a server.

use std::borrow::Cow;

use super::base::Error;
use super::kind::ErrorKind;

impl Error {
    /// An error reply of the server, whose text starts with its code.
    pub(crate) fn server(text: &str) -> Self {
        let text = &*without_arguments(text);
        let code = text.split(' ').next().unwrap_or_default();
        let kind = match code {
            "WRONGTYPE" => ErrorKind::WrongType,
            "NOAUTH" | "WRONGPASS" => ErrorKind::AuthenticationFailed,
            // Servers before version 6 have no code of their own for a wrong password.
            "ERR" if text.contains("invalid password") => ErrorKind::AuthenticationFailed,
            "NOPERM" => ErrorKind::PermissionDenied,
            "LOADING" | "MASTERDOWN" | "CLUSTERDOWN" => ErrorKind::Unavailable,
            _ => ErrorKind::Server,
        };
        let hint = match code {
            "WRONGTYPE" => "; another program, or a template of another kind, wrote this key",
            "NOAUTH" => "; set a password, for example with REDIS_PASSWORD",
            "LOADING" => "; the server is starting, retry in a moment",
            "READONLY" => "; this server is a replica, connect to its master",
            "OOM" => "; the server is out of memory and rejects writes",
            _ => "",
        };
        Self::new(kind, format!("the server answered: {text}{hint}")).with_code(code)
    }

    /// Whether the server said that it did not run the command, and may run it later.
    pub(crate) fn is_not_run(&self) -> bool {
        self.code().is_some_and(|code| {
            matches!(code, "LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN" | "READONLY" | "BUSY")
        })
    }

    /// Whether the server rejects writes, though it can be read from.
    pub(crate) fn rejects_writes(&self) -> bool {
        matches!(self.code(), Some("OOM" | "MISCONF" | "NOREPLICAS" | "READONLY"))
    }
}

/// Removes the arguments that a server repeats in the error of a rejected command: they may be values or secrets.
///
/// Servers quote them in errors whose code is `ERR`: unknown commands, unknown ACL rules and options, scripts that do not compile.
/// The name of a command stays.
pub(crate) fn without_arguments(said: &str) -> Cow<'_, str> {
    const UNKNOWN: &str = "unknown command";
    if let Some(at) = said.to_ascii_lowercase().find(UNKNOWN) {
        return Cow::Borrowed(said.get(..at + UNKNOWN.len()).unwrap_or(said));
    }
    if !said.starts_with("ERR") || said.contains("wrong number of arguments for '") || !said.contains('\'') {
        return Cow::Borrowed(said);
    }
    // From the first quote to the last: an argument may contain quotes itself.
    match (said.split_once('\''), said.rsplit_once('\'')) {
        (Some((before, _)), Some((_, after))) => Cow::Owned(format!("{before}'..'{after}")),
        _ => Cow::Borrowed(said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_argument_is_repeated() {
        for said in [
            "ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'hunter2'",
            "ERR Unknown command `HELLO`, with args beginning with: hunter2",
            "ERR Error in ACL SETUSER modifier 'hunter2': Syntax error",
            "ERR Error in ACL SETUSER modifier '>hun'ter2': Syntax error",
            "ERR unknown subcommand 'hunter2'. Try CLIENT HELP.",
            "ERR Unknown option or number of arguments for CONFIG SET - 'hunter2'",
            "ERR CONFIG SET failed (possibly related to argument 'hunter2') - argument couldn't be parsed",
        ] {
            let told = without_arguments(said);
            assert!(!told.contains("hunter2") && !told.contains("ter2"), "{told}");
            assert!(told.starts_with("ERR ") || told.starts_with("ERR"), "{told}");
        }
        for said in [
            "ERR wrong number of arguments for 'get' command",
            "OOM command not allowed when used memory > 'maxmemory'.",
            "NOPERM User app has no permissions to run the 'get' command",
            "ERR value is not an integer or out of range",
        ] {
            assert_eq!(without_arguments(said), said);
        }
    }
}
