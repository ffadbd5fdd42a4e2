//! How keys are written: format version 1.
//!
//! A key is `[namespace:][prefix:]template`, with every hole of the template filled by an argument.
//!
//! | argument | written as |
//! | --- | --- |
//! | integers, `NonZero` | decimal, no leading zeros, `-` for negative ones |
//! | `bool` | `true`, `false` |
//! | `str`, `String`, `Cow<str>`, `char` | UTF-8, escaped |
//! | `Uuid` | hyphenated, lower-case |
//! | `IpAddr`, `Ipv4Addr`, `Ipv6Addr` | as they print, escaped |
//! | `[u8; N]` | lower-case hex |
//! | `#[derive(KeyArgument)]` newtypes | as the type that they wrap; with an `alphabet`, commands on a value with other characters or another length fail with `InvalidInput` |
//! | `#[derive(KeyArgument)]` enums | the variant in `snake_case`, or as its `#[key("..")]` says |
//! | `Raw<T>` | verbatim |
//!
//! Escaped text has `%XX`, with upper-case hex digits, in place of `%`, `:`, `*`, `?`, `[`, `]`, `\`, `{`, `}` and of the
//! control bytes `00` to `1F` and `7F`. All else, UTF-8 included, stands for itself, so that ordinary ids are the same
//! as in keys written by hand. The empty text is written `%_`.
//!
//! The encoding is injective: distinct arguments give distinct keys, and every key reads back to its arguments. Only the
//! canonical spelling reads back: `%3a`, `%41` or `007` are not what this crate writes, and no key of a template.
//!
//! The names of the library's own keys start with a key and continue with a `%` that is no escape, so that no argument can make
//! such a name. Scans skip them:
//!
//! | name | content |
//! | --- | --- |
//! | key `%fill`, and `{`key`}` unless the key has a hash tag | leases, a stale copy, a negative entry; the field `v` is the version of this format |
//! | the text before the first argument, `%swept:` and the field | the mark of the last deletion by pattern, also created by the first fill |
//! | key `%fence`, and `{`key`}` unless the key has a hash tag | the last fencing number of a lock |
//! | key `%payload`, and `{`key`}` unless the key has a hash tag | for which payload the work of a `Once` was done |
//! | key `%g` and 16 hex digits | the key in a generation of a group |
//!
//! Only [`Raw`](crate::Raw) arguments could contain such a text, and they must not. Operations on a key with such a text fail
//! with [`InvalidInput`](crate::ErrorKind::InvalidInput).
//!
//! # Versions
//!
//! Programs with different versions of this library can share a server during a rollout. Data that the library stores in
//! addition to values has a format version. When version 1 finds a later version, it does the following:
//!
//! | data | format in version 1 | format in a later version | what version 1 does |
//! | --- | --- | --- | --- |
//! | value of a `Lock` | the holder's token, 32 hex digits | `v`, the version, `:` and more | [`Decode`](crate::ErrorKind::Decode) error that names the version; a lock held by this process counts as lost |
//! | `%fence` of a lock | a decimal integer | the same | the same error; the lock is not taken |
//! | value of a `RateLimit` | `whole+part/count`, decimal | the same | the same error |
//! | value of a `RateLimit<FixedWindow>` | `w1:end:count`, decimal | the same | the same error |
//! | value of a `Group` | 16 hex digits | the same | the same error; `invalidate` stores a new generation in format 1 |
//! | `%fill` of a value | a hash with the field `v` set to `1` | another `v` | ignores it and replaces it: the other program's load is not stored |
//! | `%fill` of a `Once` | the same hash | another `v` | the same error, and the work does not run; a stored result is returned |
//! | `%payload` of a `Once` | `1`, a hash of the payload and one of the result | `v`, the version, `:` and more | the same error for a call with a payload |
//! | the mark after `%swept:` | a hash whose field `at` changes with every deletion | more fields | ignores the fields that it does not know |
//!
//! A later version reads every earlier format. It writes a format that version 1 does not know only on request. A string that
//! is neither a format of version 1 nor marked as a later version comes from another program. A lock with such a string counts
//! as held by that program; the others fail with a `Decode` error.
//!
//! This text describes version 1. A change of what is written would be version 2, opted into by the declaration: keys in
//! production never move because of an update.
