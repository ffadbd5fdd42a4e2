//! `XADD`.

use super::replies::{new_id, optional_id};
use crate::command::base::Command;
use crate::command::builder::{Deferred, command_builder};
use crate::command::collection::base::{BuildOptions, KeyOptions, append};
use crate::error::Result;
use crate::kind::{SingleValue, Stream, StreamId, Trim, TrimPolicy};
use crate::protocol::{Args, Decode, push_id, push_trim};
use crate::schema::{Key, Keyspace};

/// `XADD` with its options, created by [`Key::xadd`]. Await it, or pass it to
/// [`Redis::batch`](crate::Redis::batch).
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct XAdd<S: Keyspace, T: SingleValue, R: 'static>(
    pub(super) Deferred<KeyOptions<S, Stream<T>, XAddOptions<R>>, R>,
);

pub(in crate::command::collection) struct XAddOptions<R> {
    /// The field and the value.
    entry: Result<Args>,
    id: Option<StreamId>,
    only_if_present: bool,
    /// Instead of the declared one.
    trim: Option<Trim>,
    decode: Decode<R>,
}

impl XAddOptions<StreamId> {
    pub(super) fn new(entry: Result<Args>) -> Self {
        Self { entry, id: None, only_if_present: false, trim: None, decode: new_id }
    }
}

impl<S: Keyspace, T: SingleValue, R: 'static> XAdd<S, T, R> {
    /// Sets the ID of the entry. It must be higher than the ID of every entry that the stream ever
    /// had; otherwise the server returns an error. By default, the server chooses it.
    pub fn id(self, id: StreamId) -> Self {
        let id = Some(id);
        Self(self.0.map(|options| options.with(|options| XAddOptions { id, ..options })))
    }

    /// Trims the stream in the same command, instead of how the template declares it.
    pub fn trim(self, trim: Trim) -> Self {
        let trim = Some(trim);
        Self(self.0.map(|options| options.with(|options| XAddOptions { trim, ..options })))
    }

    /// Adds the entry only if the stream exists. Returns `None` otherwise. Redis's `NOMKSTREAM`.
    pub fn only_if_present(self) -> XAdd<S, T, Option<StreamId>> {
        XAdd(self.0.map(|options| {
            options.with(|XAddOptions { entry, id, trim, .. }| XAddOptions {
                entry,
                id,
                trim,
                only_if_present: true,
                decode: optional_id,
            })
        }))
    }
}

impl<S: Keyspace, T: SingleValue, R: 'static> BuildOptions<S, Stream<T>> for XAddOptions<R> {
    type Output = R;

    fn build(self, key: &Key<S, Stream<T>>) -> Command<R> {
        let Self { entry, id, only_if_present, trim, decode } = self;
        let declared = match key.template().kind.trim {
            TrimPolicy::To(trim) => Some(trim),
            TrimPolicy::None | TrimPolicy::Unset => None,
        };
        let arguments = || {
            let mut args = Args::default();
            if only_if_present {
                args.push(b"NOMKSTREAM");
            }
            trim.or(declared).map(|trim| push_trim(trim, &mut args)).transpose()?;
            match id {
                Some(id) => push_id(id, &mut args),
                None => args.push(b"*"),
            }
            append(&mut args, entry)?;
            Ok(args)
        };
        let args = arguments();
        if only_if_present {
            Command::change_of(key, "XADD", args, decode)
        } else {
            Command::write_of(key, "XADD", args, decode)
        }
    }
}

command_builder!(XAdd<S, T, R> => R, where S: Keyspace, T: SingleValue, R: 'static);
