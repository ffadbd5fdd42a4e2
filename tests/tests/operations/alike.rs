//! Compares replies of two servers that run one after the other.

use std::time::Duration;

use redis_keyspace_tests::resp::Reply;

/// Compares what two servers hold. Times are compared as their distance from the time of their server.
pub(crate) struct Comparison {
    pub(crate) now: [Duration; 2],
    /// By how much times may differ: what passed while the scripts ran on one server after the other.
    pub(crate) tolerance: Duration,
}

impl Comparison {
    /// Whether two numbers are times that differ too little to matter. Times of milliseconds have 13
    /// digits, those of microseconds 16.
    fn is_same_time(&self, ours: i128, theirs: i128) -> bool {
        let (unit, tolerance): (fn(&Duration) -> u128, _) = match ours {
            1_000_000_000_000..100_000_000_000_000 => (Duration::as_millis, self.tolerance.as_millis()),
            1_000_000_000_000_000..100_000_000_000_000_000 => {
                (Duration::as_micros, self.tolerance.as_micros())
            }
            _ => return false,
        };
        let [our_now, their_now] = self.now.each_ref().map(|now| i128::try_from(unit(now)).unwrap());
        ((ours - our_now) - (theirs - their_now)).unsigned_abs() <= tolerance
    }

    fn alike_text(&self, ours: &[u8], theirs: &[u8]) -> bool {
        let parts = |text: &[u8]| {
            let mut parts: Vec<Vec<u8>> = Vec::new();
            for byte in text {
                match parts.last_mut() {
                    Some(last) if last[0].is_ascii_digit() == byte.is_ascii_digit() => last.push(*byte),
                    _ => parts.push(vec![*byte]),
                }
            }
            parts
        };
        let number = |part: &[u8]| std::str::from_utf8(part).ok().and_then(|part| part.parse::<i128>().ok());
        let (ours, theirs) = (parts(ours), parts(theirs));
        ours.len() == theirs.len()
            && ours.iter().zip(&theirs).all(|(ours, theirs)| match (number(ours), number(theirs)) {
                (Some(a), Some(b)) if ours != theirs => self.is_same_time(a, b),
                _ => ours == theirs,
            })
    }

    pub(crate) fn alike(&self, ours: &Reply, theirs: &Reply) -> bool {
        match (ours, theirs) {
            // The text of an error tells where in the Lua it happened.
            (Reply::Error(ours), Reply::Error(theirs)) => ours.split(' ').next() == theirs.split(' ').next(),
            (Reply::Bytes(ours), Reply::Bytes(theirs)) => self.alike_text(ours, theirs),
            // Lifetimes in milliseconds.
            (Reply::Integer(ours), Reply::Integer(theirs)) if *ours > 1_000 => {
                u128::from(ours.abs_diff(*theirs)) <= self.tolerance.as_millis()
            }
            (Reply::Array(ours), Reply::Array(theirs)) => {
                ours.len() == theirs.len()
                    && ours.iter().zip(theirs).all(|(ours, theirs)| self.alike(ours, theirs))
            }
            _ => ours == theirs,
        }
    }
}

#[test]
fn a_difference_of_ten_seconds_is_seen() {
    let now = Duration::from_secs(1_800_000_000);
    let comparison =
        Comparison { now: [now, now + Duration::from_secs(60)], tolerance: Duration::from_secs(2) };
    // The second server runs a minute later.
    for (ours, theirs, is_alike) in [
        ("1800000001000", "1800000061000", true),
        ("1800000001000", "1800000062500", true),
        ("1800000001000", "1800000071000", false),
        ("1800000001000", "1800000001000", true),
        ("1800000001000000+3/7", "1800000061000000+3/7", true),
        ("1800000001000000+3/7", "1800000061000000+4/7", false),
        ("1800000001000000+3/7", "1800000071000000+3/7", false),
        ("99999999999999999999", "99999999999999999998", false),
    ] {
        assert_eq!(comparison.alike_text(ours.as_bytes(), theirs.as_bytes()), is_alike, "{ours} {theirs}");
    }
    assert!(comparison.alike(&Reply::Integer(60_000), &Reply::Integer(59_000)));
    assert!(!comparison.alike(&Reply::Integer(60_000), &Reply::Integer(50_000)));
}
