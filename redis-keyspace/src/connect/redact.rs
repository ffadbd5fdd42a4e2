//! Removes the arguments of raw commands from their error replies, before the caller sees them.

use redis::{Arg, Cmd, Pipeline, RedisError, RedisResult, ServerError, Value};

use crate::error::redacted;

/// A reply of the driver whose errors may repeat arguments.
pub(super) trait MayRepeat: Sized {
    /// Replaces the arguments of these commands by `***`.
    fn without_arguments<'c>(self, commands: impl Iterator<Item = &'c Cmd> + Clone) -> Self;
}

impl MayRepeat for RedisResult<Value> {
    fn without_arguments<'c>(self, commands: impl Iterator<Item = &'c Cmd> + Clone) -> Self {
        match self {
            Ok(mut value) => {
                clean(&mut value, &commands);
                Ok(value)
            }
            Err(error) => Err(clean_error(error, &commands)),
        }
    }
}

impl MayRepeat for RedisResult<Vec<Value>> {
    fn without_arguments<'c>(self, commands: impl Iterator<Item = &'c Cmd> + Clone) -> Self {
        match self {
            Ok(mut values) => {
                values.iter_mut().for_each(|value| clean(value, &commands));
                Ok(values)
            }
            Err(error) => Err(clean_error(error, &commands)),
        }
    }
}

/// Returns the commands of a pipeline.
pub(super) fn commands(pipeline: &Pipeline) -> impl Iterator<Item = &Cmd> + Clone {
    pipeline.cmd_iter().collect::<Vec<_>>().into_iter()
}

fn clean<'c>(value: &mut Value, commands: &(impl Iterator<Item = &'c Cmd> + Clone)) {
    match value {
        Value::ServerError(error) => {
            if let Some(text) = rewritten(error, commands) {
                *value = server_error(&text);
            }
        }
        Value::Array(values) | Value::Set(values) | Value::Push { data: values, .. } => {
            values.iter_mut().for_each(|value| clean(value, commands));
        }
        Value::Map(entries) => {
            for (key, value) in entries {
                clean(key, commands);
                clean(value, commands);
            }
        }
        Value::Attribute { data, .. } => clean(data, commands),
        _ => {}
    }
}

fn clean_error<'c>(error: RedisError, commands: &(impl Iterator<Item = &'c Cmd> + Clone)) -> RedisError {
    let Some(errors) = error.clone().into_server_errors() else { return error };
    let mut texts = errors.iter().map(|(_, error)| rewritten(error, commands));
    let Some(text) = texts.find_map(|text| text) else { return error };
    // For an aborted transaction, the driver returns the errors of its commands.
    let is_aborted = ServerError::try_from(error).is_err();
    let text = if is_aborted { format!("EXECABORT the transaction was aborted: {text}") } else { text };
    match server_error(&text) {
        Value::ServerError(error) => error.into(),
        _ => RedisError::from((redis::ErrorKind::Client, "the error of the server is omitted")),
    }
}

/// Returns the text of the error without the arguments of these commands, if it contains any of
/// them.
fn rewritten<'c>(error: &ServerError, commands: &(impl Iterator<Item = &'c Cmd> + Clone)) -> Option<String> {
    let said = format!("{} {}", error.code(), error.details().unwrap_or_default());
    // The first argument is the name of the command.
    let arguments = commands.clone().flat_map(|command| command.args_iter().skip(1));
    let text = redacted(
        said.trim_end(),
        arguments.filter_map(|argument| match argument {
            Arg::Simple(argument) => Some(argument),
            _ => None,
        }),
    );
    (text != said.trim_end()).then_some(text)
}

/// Returns an error of the server with this text. Only the parser of the driver can create one.
fn server_error(text: &str) -> Value {
    let line = format!("-{}\r\n", text.replace(['\r', '\n'], " "));
    redis::parse_redis_value(line.as_bytes())
        .or_else(|_| redis::parse_redis_value(b"-ERR the error of the server is omitted\r\n"))
        .unwrap_or(Value::Nil)
}
