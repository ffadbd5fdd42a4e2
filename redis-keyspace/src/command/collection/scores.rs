//! Scores of sorted sets: numbers, and ranges of them.

use std::ops::{Bound, RangeBounds};

use super::base::unexpected;
use crate::error::{Error, Result};
use crate::protocol::{Args, Reply, read};

/// The length that a score usually has at most.
pub(super) const USUAL_LENGTH: usize = 24;

/// Adds a score as an argument.
pub(super) fn push(args: &mut Args, score: f64) -> Result<()> {
    /// Whole numbers up to this one are exact, and have the same text as integers.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if score.abs() <= EXACT && score.fract() == 0.0 {
        #[expect(clippy::cast_possible_truncation, reason = "a whole number in the range of i64")]
        args.push_int(score as i64);
    } else {
        args.push(text(score)?.as_bytes());
    }
    Ok(())
}

/// Returns the shortest text that is read back as the same number. Negative zero becomes zero,
/// because the server returns either of them.
fn text(score: f64) -> Result<String> {
    if score.is_nan() {
        return Err(Error::invalid_input("NaN can't be a score: it has no place in an order"));
    }
    Ok(if score == 0.0 { "0".to_owned() } else { score.to_string() })
}

/// Decodes a score: a number in RESP3, a text in RESP2 and in the replies of scripts.
pub(super) fn decode(reply: Reply) -> Result<f64> {
    let score = match read::checked(reply)? {
        Reply::Double(score) => Some(score),
        #[expect(clippy::cast_precision_loss, reason = "scores are floating-point numbers")]
        Reply::Int(score) => Some(score as f64),
        Reply::Bulk(text) => str::from_utf8(&text).ok().and_then(|text| text.parse().ok()),
        _ => None,
    };
    // Adding zero turns negative zero into zero.
    score.map(|score| score + 0.0).ok_or_else(|| unexpected("a score was expected"))
}

/// Decodes a score that may be missing.
pub(super) fn decode_optional(reply: Reply) -> Result<Option<f64>> {
    match read::checked(reply)? {
        Reply::Nil => Ok(None),
        reply => decode(reply).map(Some),
    }
}

/// A range of scores as the server takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ScoreRange {
    pub(super) least: String,
    pub(super) most: String,
}

impl ScoreRange {
    pub(super) fn new(range: &impl RangeBounds<f64>) -> Result<Self> {
        let end = |bound: Bound<&f64>, open: &str| match bound {
            Bound::Included(&score) => text(score),
            Bound::Excluded(&score) => Ok(format!("({}", text(score)?)),
            Bound::Unbounded => Ok(open.to_owned()),
        };
        Ok(Self { least: end(range.start_bound(), "-inf")?, most: end(range.end_bound(), "+inf")? })
    }

    pub(super) fn push(&self, args: &mut Args) {
        args.push(self.least.as_bytes());
        args.push(self.most.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(range: impl RangeBounds<f64>) -> (String, String) {
        let ScoreRange { least, most } = ScoreRange::new(&range).unwrap();
        (least, most)
    }

    #[test]
    fn scores_are_written_in_full() {
        let texts = [0.1, -0.0, 1e300, f64::MIN_POSITIVE, f64::INFINITY, f64::NEG_INFINITY].map(|score| {
            let text = text(score).unwrap();
            assert_eq!(text.parse::<f64>().unwrap(), score);
            text
        });
        assert_eq!(texts[..2], ["0.1", "0"]);
        assert_eq!(texts[4..], ["inf", "-inf"]);
        assert!(text(f64::NAN).is_err());
    }

    #[test]
    fn an_excluded_end_has_a_parenthesis() {
        let expected = |least: &str, most: &str| (least.to_owned(), most.to_owned());
        assert_eq!(ends(..), expected("-inf", "+inf"));
        assert_eq!(ends(1.0..2.5), expected("1", "(2.5"));
        assert_eq!(ends(1.0..=2.5), expected("1", "2.5"));
        assert_eq!(ends((Bound::Excluded(1.0), Bound::Unbounded)), expected("(1", "+inf"));
        assert!(ScoreRange::new(&(f64::NAN..)).is_err());
    }

    #[test]
    fn scores_of_all_shapes_are_read() {
        for reply in
            [Reply::Double(1.5), Reply::Bulk("1.5".into()), Reply::Bulk("1.50000000000000000".into())]
        {
            assert_eq!(decode(reply).unwrap(), 1.5);
        }
        assert!(decode(Reply::Double(-0.0)).unwrap().is_sign_positive());
        assert_eq!(decode(Reply::Bulk("-inf".into())).unwrap(), f64::NEG_INFINITY);
        assert!(decode(Reply::Bulk("many".into())).is_err());
        assert_eq!(decode_optional(Reply::Nil).unwrap(), None);
    }
}
