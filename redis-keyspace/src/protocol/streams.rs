//! Arguments of commands on streams.

use super::args::Args;
use crate::error::{Error, Result};
use crate::kind::{StreamId, Trim, TrimBound};

pub(crate) fn push_id(id: StreamId, args: &mut Args) {
    args.push(id.to_string().as_bytes());
}

/// Adds the options of trimming.
pub(crate) fn push_trim(trim: Trim, args: &mut Args) -> Result<()> {
    let Trim { keeps, is_exact, limit } = trim;
    args.push(match keeps {
        TrimBound::Last(_) => b"MAXLEN",
        TrimBound::From(_) => b"MINID",
    });
    args.push(if is_exact { b"=" } else { b"~" });
    match keeps {
        TrimBound::Last(count) => args.push_count(count),
        TrimBound::From(id) => push_id(id, args),
    }
    if let Some(limit) = limit {
        if is_exact {
            return Err(Error::invalid_input(
                "`limit` is for approximate trimming: leave out `exact` or `limit`; nothing was sent",
            ));
        }
        args.push(b"LIMIT");
        args.push_count(limit);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_for_approximate_trimming() {
        let words = |trim| {
            let mut args = Args::default();
            push_trim(trim, &mut args).map(|()| {
                let words: Vec<_> =
                    args.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
                words.join(" ")
            })
        };
        assert_eq!(words(Trim::max_len(10)).unwrap(), "MAXLEN ~ 10");
        assert_eq!(words(Trim::max_len(10).limit(5)).unwrap(), "MAXLEN ~ 10 LIMIT 5");
        assert_eq!(words(Trim::min_id(StreamId::new(7, 0)).exact()).unwrap(), "MINID = 7-0");
        assert!(words(Trim::max_len(10).limit(5).exact()).is_err());
    }
}
