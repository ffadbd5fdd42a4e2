//! Errors of commands in scripts, in the form of servers before 7.0.

use std::borrow::Cow;

/// Where such a server inserts the line of the script.
const SCRIPT: &str = "@user_script:";
/// How such a server starts the error of a command that the user must not run.
const NOT_PERMITTED: &str = "The user executing the script can't ";

/// How servers start the error of an `EXEC` that was rejected as a whole.
const ABORTED: &str = "EXECABORT Transaction discarded because of: ";

/// Returns the error of a command in a script, or of a rejected `EXEC`, as newer servers send it,
/// with its code first.
///
/// Servers before 7.0 put the line of the script in front of it, and for an error that ends the
/// script also the code `ERR` and its digest.
pub(crate) fn unwrapped(said: &str) -> Cow<'_, str> {
    // Why `EXEC` itself was rejected: the server is busy, for example.
    let said = said.strip_prefix(ABORTED).unwrap_or(said);
    let Some((before, _)) = said.rsplit_once(SCRIPT) else { return Cow::Borrowed(said) };
    let numbered = said.get(before.len() + SCRIPT.len()..).unwrap_or_default().trim_start();
    let inner = numbered.trim_start_matches(|c: char| c.is_ascii_digit());
    let Some(inner) = inner.strip_prefix(": ") else { return Cow::Borrowed(said) };
    let inner = inner.strip_prefix('-').unwrap_or(inner).trim_end();
    if inner.starts_with(NOT_PERMITTED) {
        return Cow::Owned(format!("NOPERM {inner}"));
    }
    let code = inner.split(' ').next().unwrap_or_default();
    let is_code = code.len() > 2 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    match (is_code, before.is_empty()) {
        (true, _) => Cow::Borrowed(inner),
        // An error of Redis itself that the script has caught.
        (false, true) => Cow::Owned(format!("ERR {inner}")),
        (false, false) => Cow::Borrowed(said),
    }
}

#[cfg(test)]
mod tests {
    use super::unwrapped;

    #[test]
    fn the_code_of_the_command_comes_first() {
        const ENDED: &str = "ERR Error running script (call to f_5d9a19bf): ";
        for (said, shown) in [
            ("@user_script:1: WRONGTYPE Operation against a key", "WRONGTYPE Operation against a key"),
            ("@user_script:46: @user_script: 46: -NOREPLICAS Not enough. ", "NOREPLICAS Not enough."),
            (
                "@user_script: 27: The user executing the script can't run this command",
                "NOPERM The user executing the script can't run this command",
            ),
        ] {
            assert_eq!(unwrapped(said), shown);
            assert_eq!(unwrapped(&format!("{ENDED}{said}")), shown);
        }
        let caught = "@user_script: 1: Wrong number of args calling Redis command From Lua script";
        assert_eq!(unwrapped(caught), "ERR Wrong number of args calling Redis command From Lua script");
    }

    #[test]
    fn other_errors_are_unchanged() {
        for said in [
            "WRONGTYPE Operation against a key script: f_5d9a19bf, on @user_script:1.",
            "ERR Error running script (call to f_5d9a19bf): @user_script:1: attempt to index a nil value",
            "ERR Error compiling script (new function): user_script:1: unexpected symbol near 'x'",
            "ERR syntax error",
        ] {
            assert_eq!(unwrapped(said), said);
        }
    }
}
