//! The format of keys, version 1.
//!
//! A key is `[namespace:][prefix:]template`, with each placeholder of the template replaced by its
//! argument.
//!
//! | argument | format |
//! | --- | --- |
//! | integers, `NonZero` | decimal, no leading zeros, `-` for negative ones |
//! | `bool` | `true`, `false` |
//! | `str`, `String`, `Cow<str>`, `char` | UTF-8, escaped |
//! | `Uuid` | hyphenated, lower-case |
//! | `IpAddr`, `Ipv4Addr`, `Ipv6Addr` | their `Display` text, escaped |
//! | `[u8; N]` | lower-case hex |
//! | `#[derive(KeyArgument)]` newtypes | the format of the wrapped type; with an `alphabet`, commands on a value with other characters or another length fail with `InvalidInput` |
//! | `#[derive(KeyArgument)]` enums | the variant in `snake_case`, or the text of its `#[key("..")]` |
//! | `Raw<T>` | verbatim |
//!
//! Escaped text has `%XX`, with upper-case hex digits, in place of `%`, `:`, `*`, `?`, `[`, `]`,
//! `\`, `{`, `}` and the control bytes `00` to `1F` and `7F`. All other characters, UTF-8 included,
//! are unchanged, so ordinary ids look the same as in keys written by hand. The empty string is
//! written as `%_`.
//!
//! The encoding is injective: distinct arguments produce distinct keys, and every key parses back
//! to its arguments. Only the canonical spelling parses: `%3a`, `%41`, or `007` for an integer, do
//! not parse, because this crate never writes them.
//!
//! The library also stores internal keys. Their names start with a key and continue with a `%` that
//! is not an escape, so no argument can produce such a name. Scans skip them:
//!
//! | name | content |
//! | --- | --- |
//! | key `%fill`, and `{`key`}` unless the key has a hash tag | leases, a stale copy, a negative entry; the field `v` is the version of this format |
//! | the text before the first argument, `%swept:`, and the rest of the template with `{}` for each argument | the mark of the last deletion by pattern, also created by the first fill |
//! | key `%fence`, and `{`key`}` unless the key has a hash tag | the last fencing number of a lock |
//! | key `%payload`, and `{`key`}` unless the key has a hash tag | the payload that the work of a `Once` ran for |
//! | key `%g` and 16 hex digits | the key in a generation of a group |
//!
//! Only a [`Raw`](crate::Raw) argument could contain such a text, and it must not. Operations on a
//! key with such a text fail with [`InvalidInput`](crate::ErrorKind::InvalidInput).
//!
//! # Versions
//!
//! Programs with different versions of this library can share a server during a rollout. All data
//! that the library stores in addition to values has a format version. When version 1 finds a later
//! version, it does the following:
//!
//! | data | format in version 1 | format in a later version | what version 1 does |
//! | --- | --- | --- | --- |
//! | value of a `Lock` | the holder's token, 32 hex digits | `v`, the version, `:` and more | [`Decode`](crate::ErrorKind::Decode) error that names the version; a lock held by this process counts as lost |
//! | `%fence` of a lock | a decimal integer | the same | the same error; the lock is not acquired |
//! | value of a `RateLimit` | `whole+part/count`, decimal | the same | the same error |
//! | value of a `RateLimit<FixedWindow>` | `w1:end:count`, decimal | the same | the same error |
//! | value of a `Group` | 16 hex digits | the same | the same error; `invalidate` stores a new generation in format 1 |
//! | `%fill` of a value | a hash with the field `v` set to `1` | another `v` | ignores it and replaces it: the other program's load is not stored |
//! | `%fill` of a `Once` | the same hash | another `v` | the same error, and the work does not run; a stored result is returned |
//! | `%payload` of a `Once` | `1`, a hash of the payload and one of the result | `v`, the version, `:` and more | the same error for a call with a payload |
//! | the mark after `%swept:` | a hash whose field `at` changes with every deletion | more fields | ignores the unknown fields |
//!
//! A later version reads every earlier format. It writes a format that version 1 does not know only
//! on request. A string that is neither in a format of version 1 nor marked as a later version
//! comes from another program. A lock with such a string counts as held by that program; the other
//! kinds fail with a `Decode` error.
//!
//! This page describes version 1. A change of the format of keys would be version 2, and a
//! declaration would have to opt in. So an update of this library never moves keys in production.
