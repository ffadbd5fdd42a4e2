//! Lua semantics for native scripts: errors that end a script, and numbers.

use bytes::Bytes;
use redis_keyspace_embedded::{Reply, ScriptContext, Server};

/// Registers a script. If it returns an error, that error is the reply.
pub(super) fn register<F>(server: &Server, text: &str, script: F)
where
    F: Fn(&mut ScriptContext<'_, '_>, &[Bytes], &[Bytes]) -> Result<Reply, Reply> + Send + Sync + 'static,
{
    server.register_script(text, move |context, keys, values| {
        script(context, keys, values).unwrap_or_else(|error| error)
    });
}

/// Runs a command like `redis.call`: an error ends the script.
pub(super) fn call(script: &mut ScriptContext<'_, '_>, command: &[&[u8]]) -> Result<Reply, Reply> {
    checked(script.call(command))
}

/// Converts an error reply into an `Err`.
pub(super) fn checked(reply: Reply) -> Result<Reply, Reply> {
    match reply {
        error @ Reply::Error(_) => Err(error),
        reply => Ok(reply),
    }
}

/// Parses a number like `tonumber`. Other programs may have written anything to the keys of a
/// script.
pub(super) fn number(text: &[u8]) -> Option<f64> {
    ScriptContext::number(text)
}

/// Formats a number like `string.format('%.0f', number)`.
pub(super) fn whole(number: f64) -> String {
    match number.is_nan() {
        true if number.is_sign_negative() => "-nan".to_owned(),
        true => "nan".to_owned(),
        false => format!("{number:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::whole;

    #[test]
    fn whole_numbers() {
        assert_eq!(
            [1e20, 0.5, 1.5, f64::INFINITY, f64::NAN].map(whole),
            ["100000000000000000000", "0", "2", "inf", "nan"]
        );
    }
}
