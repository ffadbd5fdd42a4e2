//! An incremental parser of requests from untrusted clients.
//!
//! It scans each byte once, even if a request arrives in many pieces. It allocates memory only for
//! data that has arrived, never for an announced length.

use bytes::{Buf, Bytes, BytesMut};

use crate::number::{is_space, parse_i64};

/// The maximum length of an inline command, and of a line that holds a length.
const MAX_LINE: usize = 64 * 1024;
/// The maximum number of arguments of a command.
const MAX_ARGUMENTS: i64 = 1024 * 1024;
/// The maximum length of an argument.
pub(crate) const MAX_BULK: i64 = 512 * 1024 * 1024;
/// The same limits before authentication.
const MAX_ARGUMENTS_UNAUTHENTICATED: i64 = 10;
const MAX_BULK_UNAUTHENTICATED: i64 = 16 * 1024;

/// The text of a protocol error, without the prefix `ERR Protocol error: `.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ProtocolError(pub(crate) Bytes);

impl ProtocolError {
    const fn new(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }
}

/// The state of the parser between two calls.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    arguments: Vec<Bytes>,
    /// The number of arguments of the current command that are missing.
    missing: Option<u32>,
    /// The length of the current argument, once its header was read.
    bulk: Option<usize>,
    /// The number of bytes at the start of the input that contain no line end.
    searched: usize,
}

impl Parser {
    /// Removes the next complete command from `input`. Returns `None` if more bytes are needed.
    pub(crate) fn next(
        &mut self,
        input: &mut BytesMut,
        authenticated: bool,
    ) -> Result<Option<Vec<Bytes>>, ProtocolError> {
        loop {
            let missing = match self.missing {
                Some(missing) => missing,
                None => match input.first() {
                    None => return Ok(None),
                    Some(b'*') => match self.multibulk(input, authenticated)? {
                        Some(0) => continue, // "*0" and "*-1" are not commands
                        Some(count) => count,
                        None => return Ok(None),
                    },
                    Some(_) => match self.inline(input)? {
                        Some(words) if words.is_empty() => continue,
                        other => return Ok(other),
                    },
                },
            };
            self.missing = Some(missing);
            while let Some(left) = self.missing.filter(|&left| left > 0) {
                let Some(argument) = self.argument(input, authenticated)? else { return Ok(None) };
                self.arguments.push(argument);
                self.missing = Some(left.saturating_sub(1));
            }
            self.missing = None;
            return Ok(Some(std::mem::take(&mut self.arguments)));
        }
    }

    /// Returns how many more bytes the current argument needs, to size the next read.
    pub(crate) fn wanted(&self, buffered: usize) -> usize {
        self.bulk.map_or(0, |length| length.saturating_add(2).saturating_sub(buffered))
    }

    fn multibulk(&mut self, input: &mut BytesMut, authenticated: bool) -> Result<Option<u32>, ProtocolError> {
        let Some(line) = self.line(input, "too big mbulk count string")? else { return Ok(None) };
        let count = line.get(1..).and_then(parse_i64).filter(|&count| count <= MAX_ARGUMENTS);
        let count = count.ok_or(ProtocolError::new("invalid multibulk length"))?;
        if count > MAX_ARGUMENTS_UNAUTHENTICATED && !authenticated {
            return Err(ProtocolError::new("unauthenticated multibulk length"));
        }
        Ok(Some(u32::try_from(count).unwrap_or(0)))
    }

    fn argument(
        &mut self,
        input: &mut BytesMut,
        authenticated: bool,
    ) -> Result<Option<Bytes>, ProtocolError> {
        let length = match self.bulk {
            Some(length) => length,
            None => {
                let Some(line) = self.line(input, "too big bulk count string")? else { return Ok(None) };
                let length = bulk_length(&line, authenticated)?;
                self.bulk = Some(length);
                length
            }
        };
        if input.len() < length.saturating_add(2) {
            return Ok(None);
        }
        let data = input.split_to(length).freeze();
        input.advance(2); // CR LF is not checked, as on a real server
        self.bulk = None;
        Ok(Some(data))
    }

    /// Removes a line and returns it without CR LF. The byte after CR is not checked, as on a real
    /// server.
    fn line(&mut self, input: &mut BytesMut, too_long: &'static str) -> Result<Option<Bytes>, ProtocolError> {
        let unseen = input.get(self.searched..).unwrap_or_default();
        let Some(end) = unseen.iter().position(|&byte| byte == b'\r').map(|at| at + self.searched) else {
            self.searched = input.len();
            if input.len() > MAX_LINE {
                return Err(ProtocolError::new(too_long));
            }
            return Ok(None);
        };
        if input.len() < end.saturating_add(2) {
            self.searched = end;
            return Ok(None);
        }
        self.searched = 0;
        let line = input.split_to(end).freeze();
        input.advance(2);
        Ok(Some(line))
    }

    fn inline(&mut self, input: &mut BytesMut) -> Result<Option<Vec<Bytes>>, ProtocolError> {
        let unseen = input.get(self.searched..).unwrap_or_default();
        let Some(end) = unseen.iter().position(|&byte| byte == b'\n').map(|at| at + self.searched) else {
            self.searched = input.len();
            if input.len() > MAX_LINE {
                return Err(ProtocolError::new("too big inline request"));
            }
            return Ok(None);
        };
        self.searched = 0;
        let line = input.split_to(end);
        input.advance(1);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        match words(line) {
            Some(words) => Ok(Some(words)),
            None => Err(ProtocolError::new("unbalanced quotes in request")),
        }
    }
}

fn bulk_length(line: &[u8], authenticated: bool) -> Result<usize, ProtocolError> {
    let Some((b'$', digits)) = line.split_first() else {
        // For an empty line, a real server quotes its CR.
        let got = line.first().copied().unwrap_or(b'\r');
        let text = [&b"expected '$', got '"[..], &[got], b"'"].concat();
        return Err(ProtocolError(text.into()));
    };
    let length = parse_i64(digits).filter(|&length| length <= MAX_BULK);
    let length = length.and_then(|length| usize::try_from(length).ok());
    let length = length.ok_or(ProtocolError::new("invalid bulk length"))?;
    if !authenticated && i64::try_from(length).unwrap_or(i64::MAX) > MAX_BULK_UNAUTHENTICATED {
        return Err(ProtocolError::new("unauthenticated bulk length"));
    }
    Ok(length)
}

/// Splits an inline command into words, with the quotes and escapes of redis-cli.
fn words(line: &[u8]) -> Option<Vec<Bytes>> {
    let mut words = Vec::new();
    // A real server ignores the text after a zero byte.
    let mut rest = line.split(|&byte| byte == 0).next().unwrap_or_default();
    loop {
        while let [byte, after @ ..] = rest
            && is_space(*byte)
        {
            rest = after;
        }
        if rest.is_empty() {
            return Some(words);
        }
        let (word, after) = word(rest)?;
        words.push(word.into());
        rest = after;
    }
}

/// Returns a word and the rest. Returns `None` if a quote is not closed, or is not followed by a
/// space.
fn word(line: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    let mut rest = line;
    loop {
        match rest {
            [] => return Some((word, rest)),
            [b' ' | b'\t' | b'\r' | b'\n', ..] => return Some((word, rest)),
            [b'"', after @ ..] => {
                rest = double_quoted(after, &mut word)?;
                return ends_here(rest).then_some((word, rest));
            }
            [b'\'', after @ ..] => {
                rest = single_quoted(after, &mut word)?;
                return ends_here(rest).then_some((word, rest));
            }
            [byte, after @ ..] => {
                word.push(*byte);
                rest = after;
            }
        }
    }
}

fn ends_here(rest: &[u8]) -> bool {
    rest.first().is_none_or(|&byte| is_space(byte))
}

fn double_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match rest {
            [] => return None,
            [b'"', after @ ..] => return Some(after),
            [b'\\', b'x', high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                word.push(hex(*high) * 16 + hex(*low));
                rest = after;
            }
            [b'\\', escaped, after @ ..] => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => *other,
                });
                rest = after;
            }
            [byte, after @ ..] => {
                word.push(*byte);
                rest = after;
            }
        }
    }
}

fn single_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match rest {
            [] => return None,
            [b'\\', b'\'', after @ ..] => {
                word.push(b'\'');
                rest = after;
            }
            [b'\'', after @ ..] => return Some(after),
            [byte, after @ ..] => {
                word.push(*byte);
                rest = after;
            }
        }
    }
}

/// Returns the value of a hexadecimal digit, or 0 for any other byte.
fn hex(digit: u8) -> u8 {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::{MAX_ARGUMENTS, Parser, words};

    #[test]
    fn a_command_has_at_most_the_documented_number_of_arguments() {
        assert_eq!(MAX_ARGUMENTS, 1_048_576);
        let parse = |count: i64| {
            let mut request = format!("*{count}\r\n").into_bytes();
            request.extend(b"$0\r\n\r\n".repeat(usize::try_from(count).unwrap()));
            Parser::default().next(&mut BytesMut::from(&*request), true)
        };
        assert_eq!(parse(1_048_576).unwrap().unwrap().len(), 1_048_576);
        assert_eq!(parse(1_048_577).unwrap_err().0, b"invalid multibulk length"[..]);
    }

    #[test]
    fn inline_words() {
        let split =
            |line: &[u8]| words(line).map(|words| words.iter().map(|word| word.to_vec()).collect::<Vec<_>>());
        assert_eq!(split(b" a  'b c' \"\\x00\""), Some(vec![b"a".to_vec(), b"b c".to_vec(), vec![0]]));
        assert_eq!(split(b"a\0b"), Some(vec![b"a".to_vec()]));
        assert_eq!(split(b"\0"), Some(vec![]));
        assert_eq!(split(b"\x0ba\x0bb"), Some(vec![b"a\x0bb".to_vec()]));
        assert_eq!(split(b"\"a"), None);
        assert_eq!(split(b"'a'b"), None);
    }
}
