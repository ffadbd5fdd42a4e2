//! Error replies of a server.

use super::base::Error;
use super::in_script::unwrapped;
use super::kind::ErrorKind;
use super::redact::without_arguments;
use super::redirect::Redirect;

impl Error {
    /// Converts an error reply of the server. Its text starts with its code.
    pub(crate) fn server(text: &str) -> Self {
        Self::server_with_hint(text, None)
    }

    /// Like [`server`](Self::server), with what the caller knows about the cause.
    pub(crate) fn server_with_hint(text: &str, cause: Option<&str>) -> Self {
        let text = unwrapped(text);
        let text = &*without_arguments(&text);
        let code = text.split(' ').next().unwrap_or_default();
        let kind = match code {
            "WRONGTYPE" => ErrorKind::WrongType,
            "NOAUTH" | "WRONGPASS" => ErrorKind::AuthenticationFailed,
            // Servers before version 6 have no separate code for a wrong password.
            "ERR" if text.contains("invalid password") => ErrorKind::AuthenticationFailed,
            "NOPERM" => ErrorKind::PermissionDenied,
            "LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN" | "BUSY" if is_refusal(code, text) => {
                ErrorKind::Unavailable
            }
            // The node does not know the name of the other one yet.
            "MOVED" | "ASK" if Redirect::is_without_host(text) => ErrorKind::Unavailable,
            _ if text == NO_UPSTREAM => ErrorKind::Unavailable,
            _ if LOST_UPSTREAM.contains(&text) => ErrorKind::ConnectionLost,
            _ => ErrorKind::Server,
        };
        let hint = match code {
            "WRONGTYPE" => "; another program, or a template of another kind, wrote this key",
            "NOAUTH" => "; set a password, for example with REDIS_PASSWORD",
            "LOADING" => "; the server is starting, retry in a moment",
            "READONLY" => "; this server is a replica, connect to its master",
            "OOM" => "; the server is out of memory and rejects writes",
            "TRYAGAIN" => "; the slot is moving to another node, which does not have all of the keys yet",
            "BUSY" => {
                "; a script runs for long, and the server runs nothing else: `SCRIPT KILL` ends it if it has not written"
            }
            "MOVED" | "ASK" if kind == ErrorKind::Unavailable => {
                "; this node does not know yet where the other one is; the nodes tell each other, unless one of them \
                 lacks `cluster-announce-hostname`"
            }
            "MOVED" | "ASK" => "; the server is one node of a cluster, and another node serves the key",
            _ => "",
        };
        let cause = cause.map(|cause| format!("; {cause}")).unwrap_or_default();
        let error = Self::new(kind, format!("the server answered: {text}{cause}{hint}")).with_code(code);
        match code {
            "MOVED" | "ASK" => error.redirecting(Redirect::parse(text)),
            _ => error,
        }
    }

    /// Whether the server reported that it did not run the command, but may run it later.
    pub(crate) fn is_not_run(&self) -> bool {
        self.code().is_some_and(|code| match code {
            _ if self.kind() == ErrorKind::Unavailable => true,
            "MOVED" | "ASK" => self.redirect().is_some(),
            code => is_refusal(code, &self.inner.message),
        })
    }

    /// Whether the server reported that it does not know a script, which then did not run.
    pub(crate) fn is_unknown_script(&self) -> bool {
        is_unknown_script(&self.inner.message)
    }

    /// Whether the server reported that it does not know a command, or an option of one.
    pub(crate) fn is_about_missing_command(&self) -> bool {
        self.is_about_unknown_command() || self.says(&["syntax error", "wrong number of arguments"])
    }

    /// Whether the server reported that it does not know a command.
    pub(crate) fn is_about_unknown_command(&self) -> bool {
        self.says(&["unknown command", "unknown subcommand", "unknown redis command", "unsupported command"])
    }

    /// Whether the server reported that a script or a function called a command that it does not
    /// know.
    pub(crate) fn is_about_command_of_script(&self) -> bool {
        self.says(&["unknown redis command", "called from script"])
    }

    fn says(&self, any_of: &[&str]) -> bool {
        // Lua reports an unknown command with its own prefix.
        matches!(self.kind(), ErrorKind::Server) && {
            let said = self.inner.message.to_ascii_lowercase();
            any_of.iter().any(|words| said.contains(words))
        }
    }

    /// Whether the server reported that an argument is not the ID of an entry of a stream.
    pub(crate) fn is_about_stream_id(&self) -> bool {
        matches!(self.kind(), ErrorKind::Server)
            && self.inner.message.to_ascii_lowercase().contains("invalid stream id")
    }

    /// Explains that the server lacks a command. `software` is the name and version of this server.
    pub(crate) fn of_missing_command(self, command: &str, servers: &str, software: Option<&str>) -> Self {
        let software = software.map(|software| format!(" ({software})")).unwrap_or_default();
        self.with(|inner| {
            inner.message = format!("{command} needs {servers}; this server{software} has no {command}");
            inner.kind = ErrorKind::MissingCommand;
        })
    }

    /// Whether the server rejects writes but accepts reads.
    pub(crate) fn rejects_writes(&self) -> bool {
        matches!(self.code(), Some("OOM" | "MISCONF" | "NOREPLICAS" | "READONLY"))
    }
}
/// Whether this is the text with which servers refuse to run a command for now. The code alone does
/// not say that: a script of an application can return an error with any code after it has written.
fn is_refusal(code: &str, text: &str) -> bool {
    let words: &[&str] = match code {
        "LOADING" => &["is loading"],
        "MASTERDOWN" => &["is down"],
        "CLUSTERDOWN" => &["is down", "not served"],
        "TRYAGAIN" => &["Multiple keys"],
        "READONLY" => &["can't write against a read only"],
        "BUSY" => &["is busy running"],
        _ => &[],
    };
    words.iter().any(|words| text.contains(words))
}

/// What Envoy answers if it has no server, so that it sent the command to none.
const NO_UPSTREAM: &str = "no upstream host";

/// What Envoy and Twemproxy answer if their server did not. The command may have run: Twemproxy
/// answers all commands in flight with the error of the socket, whatever it is.
const LOST_UPSTREAM: [&str; 9] = [
    "upstream failure",
    "upstream protocol error",
    "ERR Broken pipe",
    "ERR Connection refused",
    "ERR Connection reset by peer",
    "ERR Connection timed out",
    "ERR Host is down",
    "ERR Network is unreachable",
    "ERR No route to host",
];

/// Whether this is the text with which servers report that they do not know a script, which then
/// did not run.
pub(crate) fn is_unknown_script(text: &str) -> bool {
    text.contains("NOSCRIPT No matching script")
}
