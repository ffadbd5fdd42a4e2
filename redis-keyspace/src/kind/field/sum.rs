//! Kinds of fields that the server can add to.

use super::value::FieldValue;
use crate::error::{Error, Result};

/// A kind of numbers that [`incr`](crate::Key::incr) adds to: integers and `f64`.
#[diagnostic::on_unimplemented(
    message = "a field of kind `{Self}` is not a number",
    label = "only integers and `f64` can be incremented"
)]
pub trait Summable: FieldValue {
    /// The type of what is added: `i64` for integers.
    type Amount: Copy + Send + 'static;

    /// The command that adds.
    #[doc(hidden)]
    const COMMAND: &'static str;

    /// The least and the greatest value, if the server does not check them itself.
    #[doc(hidden)]
    const LIMITS: Option<(i64, i64)>;

    /// Writes the amount for the server.
    ///
    /// # Errors
    ///
    /// Fails for an amount after which the value would never fit.
    #[doc(hidden)]
    fn amount_text(amount: Self::Amount) -> Result<String>;

    /// Whether adding this amount could exceed the limits.
    #[doc(hidden)]
    fn may_exceed(amount: Self::Amount) -> bool;
}

macro_rules! integers {
    ($($int:ty: $limits:expr,)+) => {$(
        impl Summable for $int {
            type Amount = i64;
            const COMMAND: &'static str = "HINCRBY";
            const LIMITS: Option<(i64, i64)> = $limits;

            fn amount_text(amount: i64) -> Result<String> {
                if let Some((least, most)) = Self::LIMITS {
                    let span = most.saturating_sub(least);
                    if amount > span || amount < -span {
                        return Err(Error::invalid_input(format!(
                            "adding {amount} to any {} exceeds its range; nothing was sent",
                            stringify!($int)
                        )));
                    }
                }
                Ok(amount.to_string())
            }

            fn may_exceed(amount: i64) -> bool {
                // The server itself rejects a sum above the greatest `i64`.
                Self::LIMITS.is_some_and(|(_, most)| most != i64::MAX || amount < 0)
            }
        }
    )+};
}

integers! {
    u8: Some((0, 0xff)),
    u16: Some((0, 0xffff)),
    u32: Some((0, 0xffff_ffff)),
    u64: Some((0, i64::MAX)),
    u128: Some((0, i64::MAX)),
    usize: Some((0, i64::MAX)),
    i8: Some((-0x80, 0x7f)),
    i16: Some((-0x8000, 0x7fff)),
    i32: Some((-0x8000_0000, 0x7fff_ffff)),
    i64: None,
    i128: None,
    isize: None,
}

/// Servers write sums with 17 decimals, so a smaller amount would be lost without notice.
const SMALLEST: f64 = 1e-17;

impl Summable for f64 {
    type Amount = Self;
    const COMMAND: &'static str = "HINCRBYFLOAT";
    const LIMITS: Option<(i64, i64)> = None;

    fn amount_text(amount: Self) -> Result<String> {
        if !amount.is_finite() {
            return Err(Error::invalid_input("only a finite number can be added; nothing was sent"));
        }
        if amount != 0.0 && amount.abs() < SMALLEST {
            return Err(Error::invalid_input(format!(
                "{amount:e} is too small to be added: servers keep 17 decimals; nothing was sent; use `update`"
            )));
        }
        Ok(amount.to_string())
    }

    fn may_exceed(_: Self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_that_never_fit_are_rejected() {
        assert_eq!(u8::amount_text(-255).unwrap(), "-255");
        assert!(u8::amount_text(256).is_err() && u8::amount_text(-256).is_err());
        assert!(u64::amount_text(i64::MIN).is_err() && u64::amount_text(-i64::MAX).is_ok());
        assert_eq!(i64::amount_text(i64::MIN).unwrap(), i64::MIN.to_string());
        assert!(f64::amount_text(f64::NAN).is_err() && f64::amount_text(f64::INFINITY).is_err());
        assert_eq!(f64::amount_text(0.1).unwrap(), "0.1");
        assert_eq!(f64::amount_text(-1e-17).unwrap(), "-0.00000000000000001");
        assert!(f64::amount_text(1e-18).is_err() && f64::amount_text(-f64::MIN_POSITIVE).is_err());
        assert_eq!(f64::amount_text(0.0).unwrap(), "0");
    }

    #[test]
    fn only_some_sums_need_a_check() {
        assert!(u64::may_exceed(-1) && !u64::may_exceed(1) && u8::may_exceed(1));
        assert!(!i64::may_exceed(-1) && !f64::may_exceed(-1.0));
    }
}
