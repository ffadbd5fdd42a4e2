//! Checks that a secret stayed secret.

/// Panics if one of `texts` contains `secret`: verbatim, percent-encoded, in hexadecimal, or as the
/// list of numbers that `Debug` prints for bytes.
///
/// The message names the text and the encoding, and replaces the secret. An empty secret and an
/// empty list panic too, because such a check would always pass.
pub fn assert_absent<T: AsRef<str>>(secret: &str, texts: impl IntoIterator<Item = T>) {
    assert!(!secret.is_empty(), "an empty secret is in every text");
    let forms = forms(secret);
    let mut looked_at = 0;
    for text in texts {
        let text = text.as_ref();
        for (form, shown) in &forms {
            assert!(
                !text.contains(shown.as_str()),
                "text {looked_at} shows the secret ({form}): {}",
                text.replace(shown.as_str(), "<secret>"),
            );
        }
        looked_at += 1;
    }
    assert!(looked_at > 0, "no text to look for the secret in");
}

fn forms(secret: &str) -> Vec<(&'static str, String)> {
    let bytes = secret.as_bytes();
    let each = |format: fn(&u8) -> String| bytes.iter().map(format).collect::<Vec<_>>();
    let numbers = each(u8::to_string).join(", ");
    let mut forms = vec![
        ("verbatim", secret.to_owned()),
        ("percent-encoded", percent_encode(secret)),
        ("escaped", secret.escape_debug().to_string()),
    ];
    // One or two bytes appear in too many lists of numbers by chance.
    if bytes.len() > 2 {
        forms.push(("hexadecimal", each(|b| format!("{b:02x}")).concat()));
        forms.push(("hexadecimal", each(|b| format!("{b:02X}")).concat()));
        forms.push(("a list of bytes", numbers));
    }
    forms
}

/// Percent-encodes all characters that are not unreserved in a URL.
pub(crate) fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for &byte in text.as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
