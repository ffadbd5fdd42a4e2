//! The arguments of setters: strings that may be missing.

use std::borrow::Cow;

/// A string or an `Option` of one, as an argument of the setters of
/// [`RedisBuilder`](crate::RedisBuilder). `None` changes nothing.
///
/// ```
/// # use redis_keyspace::Redis;
/// // Set only in production.
/// let password: Option<String> = None;
/// let redis = Redis::builder().host("10.0.0.5").username("app").password(password).build()?;
/// # Ok::<(), redis_keyspace::Error>(())
/// ```
///
/// This trait is sealed.
pub trait OptionalText: sealed::Sealed {
    #[doc(hidden)]
    fn into_text(self) -> Option<String>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! texts {
    ($($type:ty),+) => {$(
        impl sealed::Sealed for $type {}
        impl sealed::Sealed for Option<$type> {}

        impl OptionalText for $type {
            fn into_text(self) -> Option<String> {
                Some(self.into())
            }
        }

        impl OptionalText for Option<$type> {
            fn into_text(self) -> Option<String> {
                self.map(Into::into)
            }
        }
    )+};
}

texts!(&str, &mut str, &String, String, Box<str>, Cow<'_, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_sorts_of_strings() {
        let owned = "x".to_owned();
        for text in [
            "x".into_text(),
            (&owned).into_text(),
            owned.clone().into_text(),
            Box::<str>::from("x").into_text(),
            Cow::Borrowed("x").into_text(),
            Some("x").into_text(),
            Some(&owned).into_text(),
            Some(owned.clone()).into_text(),
        ] {
            assert_eq!(text.as_deref(), Some("x"));
        }
        assert_eq!(None::<String>.into_text(), None);
        assert_eq!(None::<&str>.into_text(), None);
    }
}
