//! Parts of a Redis URL, and what is wrong with them.

use percent_encoding::percent_decode_str;

use crate::error::{Error, Result};

const FORM: &str = "the format is redis://user:password@host:6379/0, redis+unix:///path/to/socket?db=0 or \
                    redis+sentinel://user:password@sentinel-1:26379,sentinel-2:26379/mymaster?db=0; percent-encode special \
                    characters in its parts: `#` as %23, `/` as %2F, `@` as %40";

/// Never repeats any part of the URL.
pub(super) fn wrong(problem: &str) -> Error {
    Error::configuration(format!("the Redis URL {problem}; {FORM}"))
}

/// Decodes a part. All parts are decoded in the same way.
pub(super) fn decoded(part: &str, what: &str) -> Result<String> {
    let text = percent_decode_str(part).decode_utf8();
    text.map(Into::into).map_err(|_| wrong(&format!("has a {what} that is not UTF-8")))
}

/// Decodes a part that counts as unset if it is empty.
pub(super) fn filled(part: &str, what: &str) -> Result<Option<String>> {
    decoded(part, what).map(|text| Some(text).filter(|text| !text.is_empty()))
}
