//! Parses the values of attributes: strings, integers and durations.

use std::ops::RangeInclusive;

use proc_macro2::{Span, TokenStream};
use syn::spanned::Spanned;
use syn::{Expr, Ident, Lit, LitInt, LitStr};

use super::Item;
use crate::diag::Diag;

/// The lifetime of keys.
#[derive(Debug, Clone)]
pub(crate) enum Ttl {
    Expires {
        millis: u64,
        /// As declared, for documentation: `1h` for `ttl = "1h"`, `3600 s` for `ttl = 3600`.
        declared: String,
    },
    /// A constant expression, which the generated code checks.
    Computed(TokenStream),
    Forever,
}

/// The maximum. A longer time is most likely an error in the unit.
const MAX_MILLIS: u64 = 100 * 365 * 24 * 60 * 60 * 1000;

pub(crate) fn is_none(tokens: &TokenStream) -> bool {
    syn::parse2::<Ident>(tokens.clone()).is_ok_and(|ident| ident == "none")
}

/// `"text"`.
pub(crate) fn text(item: &Item, diag: &Diag) -> Option<LitStr> {
    let tokens = item.value(diag)?;
    let name = item.name.as_ref().map(ToString::to_string).unwrap_or_default();
    let span = tokens.span();
    match syn::parse2::<LitStr>(tokens) {
        Ok(text) => Some(text),
        Err(_) => {
            diag.error(
                span,
                format!(
                    "`{name}` must be a string literal: `{}`; the derive runs before constants are evaluated",
                    super::example(&name)
                ),
            );
            None
        }
    }
}

/// One of several strings.
pub(crate) fn one_of(item: &Item, texts: &[&str], diag: &Diag) -> Option<String> {
    let text = text(item, diag)?;
    let value = text.value();
    if texts.contains(&value.as_str()) {
        return Some(value);
    }
    let name = item.name.as_ref().map(ToString::to_string).unwrap_or_default();
    let known: Vec<_> = texts.iter().map(|text| format!("`{name} = {text:?}`")).collect();
    diag.error(text.span(), format!("{value:?} is not a value of `{name}`: write {}", known.join(" or ")));
    None
}

/// Which server answers reads, as the name of a variant of `Reads`.
pub(crate) fn reads(item: &Item, diag: &Diag) -> Option<&'static str> {
    match one_of(item, &["master", "prefer_replica", "replica"], diag)?.as_str() {
        "prefer_replica" => Some("PreferReplica"),
        "replica" => Some("Replica"),
        _ => Some("Master"),
    }
}

/// `renew = "write"`: every write renews the lifetime of a collection. With `"creation"`, only the
/// write that creates it sets the lifetime.
pub(crate) fn renew(item: &Item, diag: &Diag) -> Option<bool> {
    one_of(item, &["write", "creation"], diag).map(|renewed| renewed == "write")
}

/// `sharded = true`: the messages of a channel stay at the nodes of its slot.
pub(crate) fn sharded(item: &Item, diag: &Diag) -> bool {
    let Some(tokens) = item.value(diag) else { return false };
    let span = tokens.span();
    match syn::parse2::<Lit>(tokens) {
        Ok(Lit::Bool(literal)) => literal.value,
        _ => {
            diag.error(
                span,
                "`sharded` must be `true` or `false`: write `sharded = true` for a channel of `SPUBLISH`",
            );
            false
        }
    }
}

/// How the entries of a stream are limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trim {
    /// The program does it.
    None,
    MaxLen {
        count: u64,
        is_exact: bool,
    },
}

/// `trim = "~100000"`, `trim = "1000"` or `trim = none`.
pub(crate) fn trim(item: &Item, diag: &Diag) -> Option<Trim> {
    let tokens = item.value(diag)?;
    if is_none(&tokens) {
        return Some(Trim::None);
    }
    let span = tokens.span();
    let text = syn::parse2::<LitStr>(tokens).ok().map(|text| text.value());
    let trim = text.as_deref().and_then(max_len);
    if trim.is_none() {
        diag.error(
            span,
            "`trim` must be a number of entries in quotes, or `none`: `trim = \"~100000\"` keeps at least that many, \
             `trim = \"1000\"` exactly as many, `trim = none` leaves it to the program",
        );
    }
    trim
}

fn max_len(text: &str) -> Option<Trim> {
    let digits = text.strip_prefix('~').unwrap_or(text);
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    // The server reads a signed integer.
    let count =
        digits.parse().ok().filter(|&count| is_number && count > 0 && i64::try_from(count).is_ok())?;
    Some(Trim::MaxLen { count, is_exact: digits.len() == text.len() })
}

/// An integer within `range`.
pub(crate) fn integer<N>(item: &Item, range: RangeInclusive<N>, diag: &Diag) -> Option<N>
where
    N: TryFrom<u64> + PartialOrd + std::fmt::Display,
{
    let tokens = item.value(diag)?;
    let span = tokens.span();
    let number = match syn::parse2::<Lit>(tokens) {
        Ok(Lit::Int(literal)) if literal.suffix().is_empty() => literal.base10_parse::<u64>().ok(),
        _ => None,
    };
    let number = number.and_then(|number| N::try_from(number).ok()).filter(|number| range.contains(number));
    if number.is_none() {
        let name = item.name.as_ref().map(ToString::to_string).unwrap_or_default();
        let (min, max) = (range.start(), range.end());
        diag.error(span, format!("`{name}` must be an integer from {min} to {max}"));
    }
    number
}

/// `3600`, `"1h"`, `none` or a constant expression.
pub(crate) fn ttl(item: &Item, diag: &Diag) -> Option<Ttl> {
    let tokens = item.value(diag)?;
    if is_none(&tokens) {
        return Some(Ttl::Forever);
    }
    if is_computed(&tokens) {
        return Some(Ttl::Computed(tokens));
    }
    let span = tokens.span();
    let mut declared = String::new();
    let millis = match syn::parse2::<Lit>(tokens) {
        Ok(Lit::Int(literal)) => {
            declared = format!("{} s", literal.base10_digits());
            unquoted(&literal).unwrap_or_else(|| whole_seconds(literal.base10_digits()))
        }
        Ok(Lit::Str(literal)) => {
            declared = literal.value();
            duration(&declared)
        }
        Ok(Lit::Float(_)) => Err(DurationError::Fraction),
        _ => Err(DurationError::Unreadable),
    };
    let millis = report(millis, span, "ttl", " (for keys that never expire, write `ttl = none`)", diag)?;
    Some(Ttl::Expires { millis, declared })
}

/// Whether a TTL is an expression that may be constant, such as `TTL`, `60 * 60` or
/// `Duration::from_secs(60)`.
fn is_computed(tokens: &TokenStream) -> bool {
    const FOREVER: [&str; 5] = ["never", "forever", "infinite", "None", "null"];
    match syn::parse2::<Expr>(tokens.clone()) {
        Ok(Expr::Path(path)) => !FOREVER.iter().any(|name| path.path.is_ident(name)),
        Ok(
            Expr::Binary(_)
            | Expr::Call(_)
            | Expr::MethodCall(_)
            | Expr::Paren(_)
            | Expr::Cast(_)
            | Expr::Block(_)
            | Expr::Field(_)
            | Expr::Index(_)
            | Expr::If(_)
            | Expr::Match(_)
            | Expr::Macro(_),
        ) => true,
        _ => false,
    }
}

/// `"250ms"`, in milliseconds.
pub(crate) fn time(item: &Item, diag: &Diag) -> Option<u64> {
    let tokens = item.value(diag)?;
    let span = tokens.span();
    let millis = match syn::parse2::<Lit>(tokens) {
        Ok(Lit::Str(literal)) => duration(&literal.value()),
        // An integer is in seconds only for TTLs. Elsewhere the unit would be unclear.
        Ok(Lit::Int(literal)) => {
            unquoted(&literal).unwrap_or_else(|| Err(without_unit(literal.base10_digits())))
        }
        Ok(Lit::Float(_)) => Err(DurationError::Fraction),
        _ => Err(DurationError::Unreadable),
    };
    let name = item.name.as_ref().map(ToString::to_string).unwrap_or_default();
    report(millis, span, &name, "", diag)
}

fn report(millis: Result<u64, DurationError>, span: Span, name: &str, or: &str, diag: &Diag) -> Option<u64> {
    let sentence = match millis {
        Ok(millis) => return Some(millis),
        Err(DurationError::Zero) => format!("`{name}` must be greater than zero{or}"),
        Err(DurationError::TooLong) => {
            format!("`{name}` is longer than 100 years: check its unit{or}")
        }
        Err(DurationError::Fraction) => {
            format!("`{name}` must be a whole number: use a smaller unit, as in `{name} = \"1500ms\"`")
        }
        Err(DurationError::NoUnit(number)) => {
            format!("`{name}` needs a unit: `{name} = \"{number}s\"` or `{name} = \"{number}ms\"`")
        }
        Err(DurationError::Unquoted(duration)) => {
            format!("`{name}` with a unit must be a string: `{name} = \"{duration}\"`")
        }
        Err(DurationError::Unit(unit)) => {
            format!("unknown unit `{unit}` in `{name}`: use `ms`, `s`, `m`, `h`, `d` or `w`")
        }
        Err(DurationError::Suffix(digits, ty)) if name == "ttl" => {
            format!("`ttl` must be a number without a type: remove `{ty}`, as in `ttl = {digits}`")
        }
        Err(DurationError::Suffix(digits, _)) => {
            format!("`{name}` needs a unit: `{name} = \"{digits}s\"` or `{name} = \"{digits}ms\"`")
        }
        Err(DurationError::Unreadable) if name == "ttl" => {
            "`ttl` must be a number of seconds, a string with a unit, a constant of type `u64` or `Duration`, or `none`: \
             `ttl = 3600`, `ttl = \"1h\"`, `ttl = CART_TTL`, `ttl = none`"
                .to_owned()
        }
        Err(DurationError::Unreadable) => {
            format!("`{name}` must be a number with a unit: `{}`", super::example(name))
        }
    };
    diag.error(span, sentence);
    None
}

#[derive(Debug, PartialEq, Eq)]
enum DurationError {
    Zero,
    TooLong,
    Fraction,
    NoUnit(String),
    Unquoted(String),
    Unit(String),
    /// An integer with a type, as in `3600u64`: its digits, and the type.
    Suffix(String, String),
    Unreadable,
}

/// `30m` instead of `"30m"`.
fn unquoted(literal: &LitInt) -> Option<Result<u64, DurationError>> {
    const TYPES: [&str; 12] =
        ["u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize"];
    let (digits, suffix) = (literal.base10_digits(), literal.suffix());
    if TYPES.contains(&suffix) {
        return Some(scaled(digits, 1).and(Err(DurationError::Suffix(digits.to_owned(), suffix.to_owned()))));
    }
    let text = format!("{digits}{suffix}");
    let is_unquoted = !suffix.is_empty();
    is_unquoted.then(|| duration(&text).and(Err(DurationError::Unquoted(text))))
}

fn whole_seconds(digits: &str) -> Result<u64, DurationError> {
    scaled(digits, 1000)
}

/// The error for a number without a unit: that the unit is missing, or that no unit would make the
/// number valid.
fn without_unit(digits: &str) -> DurationError {
    scaled(digits, 1).err().unwrap_or_else(|| DurationError::NoUnit(digits.to_owned()))
}

/// A whole number directly followed by a unit, in milliseconds.
fn duration(text: &str) -> Result<u64, DurationError> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at_checked(end).unwrap_or((text, ""));
    let unit = unit.trim_start();
    if digits.is_empty() {
        return Err(DurationError::Unreadable);
    }
    let scale = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        "d" => 24 * 60 * 60 * 1000,
        "w" => 7 * 24 * 60 * 60 * 1000,
        "" => return Err(without_unit(digits)),
        unit if unit.starts_with(['.', ',']) => return Err(DurationError::Fraction),
        unit => return Err(DurationError::Unit(unit.to_owned())),
    };
    scaled(digits, scale)
}

fn scaled(digits: &str, scale: u64) -> Result<u64, DurationError> {
    if digits.starts_with('-') {
        return Err(DurationError::Zero);
    }
    // There are only digits, so this can fail only because there are too many.
    let number: u64 = digits.parse().map_err(|_| DurationError::TooLong)?;
    match number.checked_mul(scale) {
        Some(0) => Err(DurationError::Zero),
        Some(millis) if millis <= MAX_MILLIS => Ok(millis),
        _ => Err(DurationError::TooLong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, millis) in [
            ("500ms", 500),
            ("90s", 90_000),
            ("15m", 900_000),
            ("1h", 3_600_000),
            ("1 h", 3_600_000),
            ("30d", 2_592_000_000),
            ("2w", 1_209_600_000),
            ("36500d", MAX_MILLIS),
        ] {
            assert_eq!(duration(text), Ok(millis), "{text}");
        }
    }

    #[test]
    fn lengths_of_streams() {
        let of = |count, is_exact| Some(Trim::MaxLen { count, is_exact });
        assert_eq!(max_len("~100000"), of(100_000, false));
        assert_eq!(max_len("1000"), of(1000, true));
        for wrong in ["", "~", "0", "~0", "-5", "+5", "~ 5", "1k", "~~5", "9223372036854775808"] {
            assert_eq!(max_len(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn no_durations() {
        for (text, error) in [
            ("0s", DurationError::Zero),
            ("36501d", DurationError::TooLong),
            ("99999999999999999999999s", DurationError::TooLong),
            ("18446744073709551615w", DurationError::TooLong),
            ("1.5h", DurationError::Fraction),
            ("60", DurationError::NoUnit("60".to_owned())),
            ("0", DurationError::Zero),
            ("99999999999999999999999", DurationError::TooLong),
            ("3y", DurationError::Unit("y".to_owned())),
            ("1h30m", DurationError::Unit("h30m".to_owned())),
            ("", DurationError::Unreadable),
            ("-1h", DurationError::Unreadable),
            ("soon", DurationError::Unreadable),
        ] {
            assert_eq!(duration(text), Err(error), "{text}");
        }
    }
}
