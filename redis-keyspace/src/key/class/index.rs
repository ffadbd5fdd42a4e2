//! Access to strings by index. The compiler interprets this code, and it runs methods of slices ten
//! times slower than indexing.

#![expect(clippy::indexing_slicing, reason = "every index is checked first; `get` is not const")]

pub(super) const fn nth<'t>(texts: &[&'t str], index: u32) -> Option<&'t str> {
    if (index as usize) < texts.len() { Some(texts[index as usize]) } else { None }
}

pub(crate) const fn nth_byte(text: &str, index: u32) -> Option<u8> {
    let (bytes, index) = (text.as_bytes(), index as usize);
    if index < bytes.len() { Some(bytes[index]) } else { None }
}

/// Returns the byte at an index as a slice, which is empty at the end.
pub(super) const fn byte_at(text: &'static str, index: u32) -> &'static [u8] {
    match text.as_bytes().split_at_checked(index as usize) {
        Some((_, [byte, ..])) => std::slice::from_ref(byte),
        _ => &[],
    }
}

pub(super) const fn are_equal(one: &str, other: &str) -> bool {
    one.len() == other.len() && have_common(one, other, one.len())
}

/// Whether both strings have the same first `length` bytes.
pub(super) const fn have_common(one: &str, other: &str, length: usize) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() < length || other.len() < length {
        return false;
    }
    let mut at = 0;
    while at < length {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}
