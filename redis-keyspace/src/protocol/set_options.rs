//! The expiry options of `SET` and `GETEX`.

use super::args::Args;
use crate::error::Result;
use crate::time::{Expiry, check_lifetime, millis, unix_millis};

impl Expiry {
    /// Adds the options of `SET`.
    pub(crate) fn push_for_set(self, args: &mut Args) -> Result<()> {
        match self {
            Self::After(duration) => push_duration(duration, args),
            Self::At(time) => push_time(time, args),
            Self::Keep => {
                args.push(b"KEEPTTL");
                Ok(())
            }
            Self::Never => Ok(()),
        }
    }

    /// Fails if Redis does not support the TTL. Call it before doing work that needs the TTL.
    pub(crate) fn check(self) -> Result<()> {
        self.push_for_set(&mut Args::default())
    }

    /// Adds the options of `GETEX`.
    pub(crate) fn push_for_get_ex(self, args: &mut Args) -> Result<()> {
        match self {
            Self::After(duration) => push_duration(duration, args),
            Self::At(time) => push_time(time, args),
            Self::Never => {
                args.push(b"PERSIST");
                Ok(())
            }
            Self::Keep => Ok(()),
        }
    }
}

/// Adds whole seconds as `EX`, as in hand-written commands, and everything else as `PX`.
fn push_duration(duration: std::time::Duration, args: &mut Args) -> Result<()> {
    check_lifetime(duration)?;
    let millis = millis(duration)?;
    // Almost every write has one of these two, so they are not encoded each time.
    if millis % 1000 == 0 {
        args.push_encoded(b"$2\r\nEX\r\n");
        args.push_int(millis / 1000);
    } else {
        args.push_encoded(b"$2\r\nPX\r\n");
        args.push_int(millis);
    }
    Ok(())
}

fn push_time(time: std::time::SystemTime, args: &mut Args) -> Result<()> {
    args.push(b"PXAT");
    args.push_int(unix_millis(time)?);
    Ok(())
}
