//! What must hold between the keyspaces of a catalog, checked at compile time.

use crate::key::{Text, assert_apart};
use crate::keyspace::KeyspaceMeta;

/// Fails the compilation when two keyspaces could share a key, or the keys of one are among those of the other's prefix.
pub const fn assert_compatible(keyspaces: &[&KeyspaceMeta]) {
    let mut rest = keyspaces;
    while let Some((one, others)) = rest.split_first() {
        let mut later = others;
        while let Some((other, more)) = later.split_first() {
            if may_meet(one, other) {
                assert_prefixes(one, other);
                // Keys of two prefixes, of which none is within the other, differ in them.
                if one.prefix.is_empty() || other.prefix.is_empty() {
                    assert_templates(one, other);
                }
            }
            later = more;
        }
        rest = others;
    }
}

/// Whether both may be on the same database. Which one a keyspace without `db` or `server` gets is known at run time
/// only.
const fn may_meet(one: &KeyspaceMeta, other: &KeyspaceMeta) -> bool {
    let same_db = match (one.overrides.db, other.overrides.db) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    };
    let same_server = match (one.overrides.server, other.overrides.server) {
        (Some(one), Some(other)) => equal(one, other),
        // A program may install one server under a name and as the default.
        _ => true,
    };
    same_db && same_server
}

const fn assert_templates(one: &KeyspaceMeta, other: &KeyspaceMeta) {
    let mut rest = one.templates;
    while let Some((template, more)) = rest.split_first() {
        let mut others = other.templates;
        while let Some((other, more)) = others.split_first() {
            assert_apart(template, other);
            others = more;
        }
        rest = more;
    }
}

#[expect(clippy::panic, reason = "it is how a constant fails to compile")]
const fn assert_prefixes(one: &KeyspaceMeta, other: &KeyspaceMeta) {
    let (outer, inner) = if one.prefix.len() <= other.prefix.len() { (one, other) } else { (other, one) };
    if outer.prefix.is_empty() {
        return;
    }
    let Some((start, rest)) = inner.prefix.as_bytes().split_at_checked(outer.prefix.len()) else { return };
    if !equal_bytes(start, outer.prefix.as_bytes()) || !matches!(rest, [] | [b':', ..]) {
        return;
    }
    let message = Text::<1024>::EMPTY;
    let message = if rest.is_empty() {
        message
            .with("the keyspaces `")
            .with(one.name)
            .with("` and `")
            .with(other.name)
            .with("` have the same prefix \"")
            .with(one.prefix)
            .with("\" on the same database: give each a prefix of its own, or make them one keyspace")
    } else {
        message
            .with("the prefix \"")
            .with(inner.prefix)
            .with("\" of `")
            .with(inner.name)
            .with("` is within \"")
            .with(outer.prefix)
            .with("\" of `")
            .with(outer.name)
            .with(
                "`, so what is done to all keys of one reaches the other's: give it a prefix of its own, \
                   or state different databases",
            )
    };
    panic!("{}", message.as_str());
}

const fn equal(one: &str, other: &str) -> bool {
    equal_bytes(one.as_bytes(), other.as_bytes())
}

const fn equal_bytes(mut one: &[u8], mut other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    while let (Some((a, rest)), Some((b, others))) = (one.split_first(), other.split_first()) {
        if *a != *b {
            return false;
        }
        (one, other) = (rest, others);
    }
    true
}
