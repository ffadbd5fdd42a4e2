//! Finds the end of a RESP message, without interpreting it.

/// The length and the kind of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) len: usize,
    /// Whether it is RESP3 out-of-band data, which is not a reply to a command.
    pub(crate) push: bool,
}

/// The error for bytes that are not RESP, such as TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotResp;

/// Returns the first message of `bytes`, or `None` if it is not complete yet.
pub(crate) fn first(bytes: &[u8]) -> Result<Option<Frame>, NotResp> {
    let push = bytes.first() == Some(&b'>');
    Ok(end(bytes, 0)?.map(|len| Frame { len, push }))
}

fn end(bytes: &[u8], start: usize) -> Result<Option<usize>, NotResp> {
    let mut at = start;
    let mut left = 1_usize; // messages still to skip; nested ones add to it, so depth costs no stack
    while left > 0 {
        let Some(&kind) = bytes.get(at) else { return Ok(None) };
        if !b"+-:_,#($!=*~>%|".contains(&kind) {
            return Err(NotResp);
        }
        let Some(line) = bytes[at..].windows(2).position(|pair| pair == b"\r\n") else { return Ok(None) };
        let text = &bytes[at + 1..at + line];
        at += line + 2;
        left -= 1;
        match kind {
            b'$' | b'!' | b'=' => {
                if let Some(len) = count(text)? {
                    at += len + 2;
                }
            }
            b'*' | b'~' | b'>' => left += count(text)?.unwrap_or(0),
            b'%' => left += 2 * count(text)?.unwrap_or(0),
            b'|' => left += 2 * count(text)?.unwrap_or(0) + 1, // attributes precede a message
            _ => {}
        }
    }
    Ok((at <= bytes.len()).then_some(at))
}

/// Parses a length. `None` is -1, the null of RESP2.
fn count(text: &[u8]) -> Result<Option<usize>, NotResp> {
    let text = std::str::from_utf8(text).map_err(|_| NotResp)?;
    if text == "-1" {
        return Ok(None);
    }
    let count: u32 = text.parse().map_err(|_| NotResp)?;
    Ok(Some(count as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_each_message_is_found() {
        let messages: [&[u8]; 10] = [
            b"+OK\r\n",
            b":-7\r\n",
            b"$5\r\na\r\nbc\r\n",
            b"$-1\r\n",
            b"*-1\r\n",
            b"*0\r\n",
            b"*2\r\n*1\r\n$1\r\na\r\n:1\r\n",
            b"%1\r\n+a\r\n~2\r\n#t\r\n_\r\n",
            b"|1\r\n+a\r\n+b\r\n$0\r\n\r\n",
            b">2\r\n+a\r\n,1.5\r\n",
        ];
        for message in messages {
            let push = message[0] == b'>';
            let followed = [message, b"+NEXT\r\n"].concat();
            assert_eq!(first(&followed), Ok(Some(Frame { len: message.len(), push })), "{message:?}");
            for short in 0..message.len() {
                assert_eq!(first(&message[..short]), Ok(None), "{:?}", &message[..short]);
            }
        }
    }

    #[test]
    fn other_protocols_are_rejected() {
        assert_eq!(first(b"\x16\x03\x01\x02\x00"), Err(NotResp));
        assert_eq!(first(b"PING\r\n"), Err(NotResp));
        assert_eq!(first(b"$x\r\n"), Err(NotResp));
    }
}
