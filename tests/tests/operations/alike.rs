//! Compares the replies of two servers that run the same commands one after the other.

use std::time::Duration;

use redis_keyspace_tests::resp::Reply;

/// Compares the replies of two servers. Times are compared by their distance from the server's
/// clock.
pub(crate) struct Comparison {
    pub(crate) now: [Duration; 2],
    /// The largest difference between times: the scripts run first on one server and then on the
    /// other.
    pub(crate) tolerance: Duration,
}

impl Comparison {
    /// Returns whether two numbers are times with a negligible difference. Times in milliseconds
    /// have 13 digits, times in microseconds 16.
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

    fn comparable_text(&self, ours: &[u8], theirs: &[u8]) -> bool {
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
        let (mut ours, mut theirs) = (parts(ours), parts(theirs));
        // The second number of an ID that a server chose says how many it chose in a millisecond.
        let is_chosen = |id: &[Vec<u8>]| matches!(id, [time, dash, _] if time.len() == 13 && dash == b"-");
        if is_chosen(&ours) && is_chosen(&theirs) {
            ours.truncate(2);
            theirs.truncate(2);
        }
        ours.len() == theirs.len()
            && ours.iter().zip(&theirs).all(|(ours, theirs)| match (number(ours), number(theirs)) {
                (Some(a), Some(b)) if ours != theirs => self.is_same_time(a, b),
                _ => ours == theirs,
            })
    }

    pub(crate) fn alike(&self, ours: &Reply, theirs: &Reply) -> bool {
        match (ours, theirs) {
            (Reply::Error(ours), Reply::Error(theirs)) => code(ours) == code(theirs),
            (Reply::Bytes(ours), Reply::Bytes(theirs)) => self.comparable_text(ours, theirs),
            // TTLs in milliseconds.
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

/// Returns the code of an error. Its text contains its position in the Lua code, which servers
/// before 7.0 put before the code.
fn code(error: &str) -> Option<&str> {
    let is_old = error.starts_with("ERR Error running script") || error.starts_with("@user_script:");
    let error = if is_old { error.rsplit("@user_script:").next()? } else { error };
    let code =
        error.trim_start_matches(|c: char| c.is_ascii_digit() || " :-".contains(c)).split(' ').next()?;
    Some(if code.bytes().all(|byte| byte.is_ascii_uppercase()) { code } else { "ERR" })
}

#[test]
fn a_difference_of_ten_seconds_is_detected() {
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
        ("1800000001000-0", "1800000061000-1", true),
        ("1800000001000-0", "1800000071000-0", false),
        ("1-0", "1-1", false),
        ("99999999999999999999", "99999999999999999998", false),
    ] {
        assert_eq!(
            comparison.comparable_text(ours.as_bytes(), theirs.as_bytes()),
            is_alike,
            "{ours} {theirs}"
        );
    }
    assert!(comparison.alike(&Reply::Integer(60_000), &Reply::Integer(59_000)));
    assert!(!comparison.alike(&Reply::Integer(60_000), &Reply::Integer(50_000)));
}
