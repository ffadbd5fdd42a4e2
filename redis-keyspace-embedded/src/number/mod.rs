//! Numbers in the protocol, parsed and printed as in C.

mod big;
mod float;
mod integer;
mod text;

pub(crate) use float::{LongDouble, parse_f64, parse_lua};
pub(crate) use integer::{is_space, parse_i64, strtoll};

/// Converts a number by rounding toward zero. A number out of range becomes the nearest integer.
#[expect(clippy::cast_possible_truncation, reason = "the caller wants it")]
pub(crate) fn to_i64(value: f64) -> i64 {
    value as i64
}

/// Prints a number like `%.17g` in C, which is how a real server prints scores.
pub(crate) fn format_double(value: f64) -> String {
    const DIGITS: i32 = 17;
    if value.is_infinite() {
        return if value > 0.0 { "inf".into() } else { "-inf".into() };
    }
    if value == 0.0 {
        return if value.is_sign_negative() { "-0".into() } else { "0".into() };
    }
    let scientific = format!("{value:.16e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..DIGITS).contains(&exponent) {
        let decimals = usize::try_from(DIGITS - 1 - exponent).unwrap_or_default();
        return trim_zeros(&format!("{value:.decimals$}")).to_owned();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trim_zeros(mantissa), exponent.unsigned_abs())
}

fn trim_zeros(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

#[cfg(test)]
mod tests {
    use super::format_double;

    #[test]
    fn doubles_print_as_in_c() {
        for (value, expected) in [
            (3.0, "3"),
            (3.3, "3.2999999999999998"),
            (1e21, "1e+21"),
            (1e-7, "9.9999999999999995e-08"),
            (0.0001, "0.0001"),
            (-1.5, "-1.5"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(format_double(value), expected);
        }
    }
}
