//! Commands that contain the time that they may wait.

use std::time::Duration;

use super::args::Args;
use super::packet::Packet;
use super::request::Request;

impl Request {
    /// Returns the command with the time that it may wait: as its last argument, in commands that
    /// begin with a number of keys before that number, and for streams as an option.
    pub(crate) fn waiting_for(&self, limit: Duration) -> Self {
        let mut request = self.clone();
        if let Self::One(packet) = &mut request {
            if matches!(packet.name, "XREAD" | "XREADGROUP") {
                block_streams(packet, limit);
            } else if let Some(counts) = packet.head.take() {
                let mut head = Args::default();
                head.push(seconds(limit).as_bytes());
                counts.iter().for_each(|count| head.push(count));
                packet.head = Some(Box::new(head));
            } else {
                packet.args.push(seconds(limit).as_bytes());
            }
        }
        request
    }
}

/// Adds the option `BLOCK` in front of `STREAMS`, the last word before the key.
fn block_streams(packet: &mut Packet, limit: Duration) {
    let words = packet.head.take().unwrap_or_default();
    let mut head = Args::default();
    words.iter().take(words.len().saturating_sub(1)).for_each(|word| head.push(word));
    head.push(b"BLOCK");
    head.push_int(millis(limit));
    words.iter().skip(words.len().saturating_sub(1)).for_each(|word| head.push(word));
    packet.head = Some(Box::new(head));
}

/// Returns a time in milliseconds, rounded up.
fn millis(limit: Duration) -> u128 {
    limit.as_nanos().div_ceil(1_000_000)
}

/// Returns a time in seconds, rounded up to milliseconds.
///
/// It is never below two milliseconds: servers before 7.0 round down what they calculate from one,
/// to zero, which is endless.
fn seconds(limit: Duration) -> String {
    let millis = millis(limit).max(2);
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyText;
    use crate::protocol::{Keys, WireBuffer};

    #[test]
    fn limits_are_rounded_up() {
        let seconds = [1_500_000_000, 1, 60_000_000_000].map(|nanos| seconds(Duration::from_nanos(nanos)));
        assert_eq!(seconds, ["1.500", "0.002", "60.000"], "never endless");
    }

    #[test]
    fn a_stream_takes_its_limit_as_an_option() {
        let mut packet = Packet::new("XREAD", Keys::One(KeyText::Static("k")));
        let mut head = Args::default();
        ["COUNT", "5", "STREAMS"].iter().for_each(|word| head.push(word.as_bytes()));
        packet.head = Some(Box::new(head));
        packet.args.push(b"0-0");
        let mut out = WireBuffer::default();
        Request::One(packet).waiting_for(Duration::from_micros(1500)).encode("", &mut out);
        let text = String::from_utf8(out.drain(usize::MAX)).unwrap();
        let words: Vec<_> = text.split("\r\n").filter(|part| !part.starts_with(['*', '$'])).collect();
        assert_eq!(words.join(" "), "XREAD COUNT 5 BLOCK 2 STREAMS k 0-0 ");
    }
}
