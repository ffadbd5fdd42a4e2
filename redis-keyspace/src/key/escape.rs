//! Escapes arguments. The escaping is injective, safe in globs and hash tags, and leaves ordinary
//! ids unchanged.

use std::borrow::Cow;

/// The encoding of an empty argument. `_` is not a hex digit, so no escape sequence looks like
/// this.
pub(crate) const EMPTY: &str = "%_";

/// Whether a byte is always escaped in an argument: the separator, bytes with a meaning in globs
/// and hash tags, `%` itself, and control bytes.
pub(crate) const fn is_reserved(byte: u8) -> bool {
    matches!(byte, b'%' | b':' | b'*' | b'?' | b'[' | b']' | b'\\' | b'{' | b'}' | 0..=0x1f | 0x7f)
}

/// Appends `text` escaped.
pub(crate) fn escape_into(text: &str, out: &mut impl Extend<u8>) {
    if text.is_empty() {
        out.extend(EMPTY.bytes());
        return;
    }
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|&byte| is_reserved(byte)) {
        let (plain, tail) = rest.split_at(at);
        out.extend(plain.iter().copied());
        let Some((&byte, tail)) = tail.split_first() else { return };
        out.extend([b'%', hex_digit(byte >> 4), hex_digit(byte & 15)]);
        rest = tail;
    }
    out.extend(rest.iter().copied());
}

/// Unescapes an argument. Returns `None` for anything but the canonical encoding; otherwise two
/// different keys would parse to the same argument.
pub(crate) fn unescape(text: &str) -> Option<Cow<'_, str>> {
    if text == EMPTY {
        return Some(Cow::Borrowed(""));
    }
    if text.is_empty() || text.bytes().any(|byte| byte != b'%' && is_reserved(byte)) {
        return None;
    }
    let Some((head, tail)) = text.split_once('%') else { return Some(Cow::Borrowed(text)) };
    let mut plain = String::with_capacity(text.len());
    plain.push_str(head);
    for part in tail.split('%') {
        let (digits, literal) = part.split_at_checked(2)?;
        let byte = u8::from_str_radix(digits, 16).ok()?;
        let canonical = digits.bytes().all(|digit| digit.is_ascii_digit() || (b'A'..=b'F').contains(&digit));
        if !canonical || !is_reserved(byte) {
            return None;
        }
        plain.push(char::from(byte));
        plain.push_str(literal);
    }
    Some(Cow::Owned(plain))
}

/// Replaces the spaces of a glob by `?`. An ACL rule can't contain a space, and the server permits
/// a subscription to a glob only if a rule has the same text.
pub(crate) fn without_spaces(glob: &str) -> String {
    glob.replace(' ', "?")
}

/// The start of an argument that is invalid for its type. `~` is not a hex digit, so no escape
/// sequence starts like this.
pub(crate) const INVALID: &[u8] = b"%~";

/// Appends an argument that is invalid for its type, in hex between tildes. Where it ends does not
/// depend on the text after it.
pub(crate) fn write_invalid(text: &[u8], out: &mut impl Extend<u8>) {
    out.extend(INVALID.iter().copied());
    out.extend(text.iter().flat_map(|&byte| [hex_digit(byte >> 4), hex_digit(byte & 15)]));
    out.extend([b'~']);
}

const fn hex_digit(nibble: u8) -> u8 {
    match nibble {
        0..=9 => b'0' + nibble,
        _ => b'A' + (nibble - 10),
    }
}
