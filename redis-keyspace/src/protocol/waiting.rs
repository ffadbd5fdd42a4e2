//! Commands that end with the time that they may wait.

use std::time::Duration;

use super::request::Request;

impl Request {
    /// Returns the command with the time that it may wait as its last argument.
    pub(crate) fn waiting_for(&self, limit: Duration) -> Self {
        let mut request = self.clone();
        if let Self::One(packet) = &mut request {
            packet.args.push(seconds(limit).as_bytes());
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
