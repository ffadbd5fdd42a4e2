//! Commands that contain the time that they may wait.

use std::time::Duration;

use super::args::Args;
use super::request::Request;

impl Request {
    /// Returns the command with the time that it may wait: as its last argument or, in commands
    /// that begin with a number of keys, before that number.
    pub(crate) fn waiting_for(&self, limit: Duration) -> Self {
        let mut request = self.clone();
        if let Self::One(packet) = &mut request {
            let limit = seconds(limit);
            if let Some(counts) = packet.head.take() {
                let mut head = Args::default();
                head.push(limit.as_bytes());
                counts.iter().for_each(|count| head.push(count));
                packet.head = Some(Box::new(head));
            } else {
                packet.args.push(limit.as_bytes());
            }
        }
        request
    }
}

/// Returns a time in seconds, rounded up to milliseconds.
fn seconds(limit: Duration) -> String {
    let millis = limit.as_nanos().div_ceil(1_000_000);
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_rounded_up() {
        let seconds = [1_500_000_000, 1, 60_000_000_000].map(|nanos| seconds(Duration::from_nanos(nanos)));
        assert_eq!(seconds, ["1.500", "0.001", "60.000"]);
    }
}
