//! Converts replies to and from those of the driver.

use redis::Value;

use crate::error::{Error, unwrapped};
use crate::protocol::{Reply, read};

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
            Value::BulkString(bytes) => Self::Bulk(bytes.into()),
            Value::VerbatimString { text, .. } => Self::Bulk(text.into()),
            Value::Array(values) | Value::Set(values) => Self::Array(list(values)),
            Value::Map(entries) => {
                Self::Map(entries.into_iter().flat_map(|(key, value)| [key.into(), value.into()]).collect())
            }
            Value::Attribute { data, .. } => Self::from(*data),
            Value::Push { data, .. } => Self::Push(list(data)),
            Value::ServerError(error) => {
                let detail = error.details().unwrap_or_default();
                let said = format!("{} {detail}", error.code());
                Self::Error(unwrapped(said.trim_end()).into_owned())
            }
            other => Self::Error(format!("ERR a reply of an unknown type: {}", variant(&other))),
        }
    }
}

/// Converts a reply into one of the driver. An error in it, at any depth, is an error.
pub(crate) fn to_driver(reply: Reply) -> Result<Value, Error> {
    let list = |replies: Vec<Reply>| replies.into_iter().map(to_driver).collect::<Result<Vec<_>, _>>();
    Ok(match read::checked(reply)? {
        Reply::Nil => Value::Nil,
        Reply::Ok => Value::Okay,
        Reply::Status(text) => Value::SimpleString(text),
        Reply::Int(number) => Value::Int(number),
        Reply::Double(number) => Value::Double(number),
        Reply::Bool(truth) => Value::Boolean(truth),
        Reply::Bulk(bytes) => Value::BulkString(bytes.into()),
        Reply::Array(replies) | Reply::Push(replies) => Value::Array(list(replies)?),
        Reply::Map(replies) => {
            let mut values = list(replies)?.into_iter();
            let pairs = std::iter::from_fn(|| Some((values.next()?, values.next()?)));
            Value::Map(pairs.collect())
        }
        Reply::TooLong(_) | Reply::Error(_) | Reply::Failed(_) => {
            return Err(Error::protocol("an error was taken for a reply"));
        }
    })
}

/// Returns the name of an unknown variant, without its content.
fn variant(value: &Value) -> String {
    format!("{value:?}").chars().take_while(char::is_ascii_alphanumeric).collect()
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use crate::protocol::{Decoder, Reply};

    proptest! {
        #[test]
        fn the_driver_decodes_the_same_reply(text in "[ -~]{0,40}", number: i64) {
            let bytes = format!("*3\r\n${}\r\n{text}\r\n:{number}\r\n*1\r\n+OK\r\n", text.len());
            let ours = Decoder::default().decode(&mut BytesMut::from(bytes.as_bytes())).unwrap();
            let theirs = redis::parse_redis_value(bytes.as_bytes()).unwrap();
            prop_assert_eq!(Some(Reply::from(theirs.clone())), ours.clone());
            prop_assert_eq!(ours.map(|ours| super::to_driver(ours).unwrap()), Some(theirs));
        }
    }
}
