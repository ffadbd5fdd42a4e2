//! The driver's replies in our terms, for connections that the driver drives.

use redis::Value;

use super::resp::Reply;

impl From<Value> for Reply {
    fn from(value: Value) -> Self {
        let list = |values: Vec<Value>| values.into_iter().map(Self::from).collect();
        match value {
            Value::Nil => Self::Nil,
            Value::Okay => Self::Ok,
            Value::Int(number) => Self::Int(number),
            Value::Double(number) => Self::Double(number),
            Value::Boolean(truth) => Self::Bool(truth),
            Value::SimpleString(text) => Self::Status(text),
            Value::BulkString(bytes) => Self::Bulk(bytes),
            Value::VerbatimString { text, .. } => Self::Bulk(text.into_bytes()),
            Value::Array(values) | Value::Set(values) => Self::Array(list(values)),
            Value::Map(entries) => {
                Self::Map(entries.into_iter().flat_map(|(key, value)| [key.into(), value.into()]).collect())
            }
            Value::Attribute { data, .. } => Self::from(*data),
            Value::Push { data, .. } => Self::Push(list(data)),
            Value::ServerError(error) => {
                let detail = error.details().unwrap_or_default();
                Self::Error(format!("{} {detail}", error.code()).trim_end().to_owned())
            }
            other => {
                Self::Error(format!("ERR a reply of a type that is not understood here: {}", variant(&other)))
            }
        }
    }
}

/// The name of a variant that this version does not know, without what it holds.
fn variant(value: &Value) -> String {
    format!("{value:?}").chars().take_while(char::is_ascii_alphanumeric).collect()
}
