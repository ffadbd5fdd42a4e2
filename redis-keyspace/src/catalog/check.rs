//! Conflicts between the keyspaces of a catalog, checked at compile time.

#![expect(clippy::indexing_slicing, reason = "`get` is not const, and this code runs at compile time")]

use crate::key::{ArgumentClass, ArgumentMeta, Overlap, Piece, overlap};
use crate::schema::{KeyspaceMeta, Message, TemplateMeta, conflict_of};

/// Returns the number of templates, for [`conflict_between`].
pub const fn count_templates(keyspaces: &[&KeyspaceMeta]) -> usize {
    let (mut count, mut rest) = (0, keyspaces);
    while let Some((keyspace, others)) = rest.split_first() {
        count += keyspace.templates.len();
        rest = others;
    }
    count
}

/// What the servers of a program have.
#[derive(Debug, Clone, Copy)]
pub enum Deployment {
    /// Databases, so keyspaces that declare different ones never meet.
    Databases,
    /// A cluster has only one database.
    Cluster,
}

impl Deployment {
    /// The ways in which declarations keep keyspaces apart.
    const fn apart(self) -> &'static str {
        match self {
            Self::Databases => {
                " different databases (`db`), or different servers of which one is a `dedicated_server`"
            }
            Self::Cluster => {
                " different servers of which one is a `dedicated_server` (a cluster has only one database)"
            }
        }
    }
}

/// Returns the error, if two keyspaces could share a key, or if one keyspace has keys within the
/// prefix of the other.
pub const fn conflict_between<const TEMPLATES: usize>(
    keyspaces: &[&KeyspaceMeta],
    deployment: Deployment,
) -> Option<Message> {
    let (mut rest, mut all_have_prefixes) = (keyspaces, true);
    while let Some((one, others)) = rest.split_first() {
        all_have_prefixes &= !one.prefix.is_empty();
        let mut later = others;
        while let Some((other, more)) = later.split_first() {
            if may_meet(one, other, deployment)
                && let Some(message) = conflict_of_prefixes(one, other, deployment)
            {
                return Some(message);
            }
            later = more;
        }
        rest = others;
    }
    // If every keyspace has a prefix, and no prefix is within another one, then all keys differ.
    if all_have_prefixes {
        return None;
    }
    match conflict_of_templates(&sorted::<TEMPLATES>(keyspaces), keyspaces, deployment) {
        None => conflict_with_prefix(keyspaces, deployment),
        conflict => conflict,
    }
}

/// Finds a template without a prefix that can make keys within the prefix of another keyspace.
const fn conflict_with_prefix(keyspaces: &[&KeyspaceMeta], deployment: Deployment) -> Option<Message> {
    let mut outer = 0;
    while outer < keyspaces.len() {
        let mut inner = 0;
        while inner < keyspaces.len() {
            let (one, other) = (keyspaces[outer], keyspaces[inner]);
            if !start_of(one, other).is_empty()
                && start_of(other, one).is_empty()
                && may_meet(one, other, deployment)
            {
                let mut nth = 0;
                while nth < other.templates.len() {
                    if let Some(message) = conflict_of_prefix_and_template(
                        one,
                        start_of(one, other),
                        &other.templates[nth],
                        deployment,
                    ) {
                        return Some(message);
                    }
                    nth += 1;
                }
            }
            inner += 1;
        }
        outer += 1;
    }
    None
}

const fn conflict_of_prefix_and_template(
    outer: &KeyspaceMeta,
    prefix: &'static str,
    template: &TemplateMeta,
    deployment: Deployment,
) -> Option<Message> {
    const ANYTHING: Piece = Piece::Argument(ArgumentMeta::new("", "", ArgumentClass::RAW));
    let within = [Piece::Literal(prefix), Piece::Literal(":"), ANYTHING];
    let example = match overlap(&within, template.pieces) {
        Overlap::Nothing => return None,
        Overlap::Key(example) => Some(example),
        Overlap::Unknown => None,
    };
    let message = Message::EMPTY
        .with("the template \"")
        .with(template.template)
        .with("\" of `")
        .with(template.keyspace)
        .with("::")
        .with(template.field)
        .with("` can make keys within the prefix \"")
        .with(prefix)
        .with("\" of `")
        .with(outer.name);
    let message = match &example {
        Some(example) => message.with("`, for example `").with(example.as_str()),
        None => message,
    };
    let message = message.with(
        "`, so operations on all keys of the prefix affect them: start it with a distinguishing literal, or declare",
    );
    Some(message.with(deployment.apart()))
}

/// Compares templates of different keyspaces, if at least one of the two has no prefix. The
/// templates are sorted by their literal starts. Templates that can make the same key are near each
/// other, because the start of one begins with the start of the other.
const fn conflict_of_templates(
    order: &[TemplateEntry],
    keyspaces: &[&KeyspaceMeta],
    deployment: Deployment,
) -> Option<Message> {
    let mut at = 0;
    while at < order.len() {
        let (keyspace, template) = order[at].of(keyspaces);
        let mut other = at + 1;
        while other < order.len() {
            let (others_keyspace, others_template) = order[other].of(keyspaces);
            if !starts_with(start(others_template).as_bytes(), start(template).as_bytes()) {
                break;
            }
            if order[at].keyspace != order[other].keyspace
                && (keyspace.prefix.is_empty() || others_keyspace.prefix.is_empty())
                && may_meet(keyspace, others_keyspace, deployment)
                && have_same_tenants(keyspace, others_keyspace)
                && let Some(message) = conflict_of(template, others_template)
            {
                return Some(message);
            }
            other += 1;
        }
        at += 1;
    }
    None
}

/// A template, by its position in the catalog.
#[derive(Clone, Copy)]
struct TemplateEntry {
    keyspace: usize,
    template: usize,
}

impl TemplateEntry {
    const fn of<'k>(self, keyspaces: &[&'k KeyspaceMeta]) -> (&'k KeyspaceMeta, &'k TemplateMeta) {
        let keyspace = keyspaces[self.keyspace];
        (keyspace, &keyspace.templates[self.template])
    }
}

/// Sorts all templates by their literal starts, with a merge sort of runs of 1, 2, 4, ..
const fn sorted<const TEMPLATES: usize>(keyspaces: &[&KeyspaceMeta]) -> [TemplateEntry; TEMPLATES] {
    let mut from = [TemplateEntry { keyspace: 0, template: 0 }; TEMPLATES];
    let (mut at, mut keyspace) = (0, 0);
    while keyspace < keyspaces.len() {
        let mut template = 0;
        while template < keyspaces[keyspace].templates.len() && at < TEMPLATES {
            from[at] = TemplateEntry { keyspace, template };
            at += 1;
            template += 1;
        }
        keyspace += 1;
    }
    let (mut to, mut run) = (from, 1);
    while run < TEMPLATES {
        let mut first = 0;
        while first < TEMPLATES {
            let middle = least(first + run, TEMPLATES);
            let end = least(middle + run, TEMPLATES);
            let (mut one, mut other, mut next) = (first, middle, first);
            while next < end {
                let takes_one = other == end
                    || (one < middle
                        && !comes_before(
                            start(from[other].of(keyspaces).1).as_bytes(),
                            start(from[one].of(keyspaces).1).as_bytes(),
                        ));
                to[next] = if takes_one { from[one] } else { from[other] };
                if takes_one {
                    one += 1;
                } else {
                    other += 1;
                }
                next += 1;
            }
            first = end;
        }
        (from, to) = (to, from);
        run *= 2;
    }
    from
}

const fn least(one: usize, other: usize) -> usize {
    if one < other { one } else { other }
}

/// Returns the literal text that every key of a template starts with.
const fn start(template: &TemplateMeta) -> &str {
    match template.pieces {
        [Piece::Literal(text), ..] => text,
        _ => "",
    }
}

const fn comes_before(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() {
        if one[at] != other[at] {
            return one[at] < other[at];
        }
        at += 1;
    }
    one.len() < other.len()
}

const fn starts_with(text: &[u8], start: &[u8]) -> bool {
    match text.split_at_checked(start.len()) {
        Some((beginning, _)) => equal_bytes(beginning, start),
        None => false,
    }
}

/// Returns whether both keyspaces may be on the same database. The database of a keyspace without
/// `db` is known only at run time, and so is the server that is installed under a name.
const fn may_meet(one: &KeyspaceMeta, other: &KeyspaceMeta, deployment: Deployment) -> bool {
    let same_db = match (one.overrides.db, other.overrides.db) {
        _ if matches!(deployment, Deployment::Cluster) => true,
        (Some(one), Some(other)) => one == other,
        _ => true,
    };
    same_db && !one.is_kept_apart_from(other)
}

const fn conflict_of_prefixes(
    one: &KeyspaceMeta,
    other: &KeyspaceMeta,
    deployment: Deployment,
) -> Option<Message> {
    let (of_one, of_other) = (start_of(one, other), start_of(other, one));
    let ((outer, outer_prefix), (inner, inner_prefix)) = if of_one.len() <= of_other.len() {
        ((one, of_one), (other, of_other))
    } else {
        ((other, of_other), (one, of_one))
    };
    if outer_prefix.is_empty() {
        return None;
    }
    let Some((start, rest)) = inner_prefix.as_bytes().split_at_checked(outer_prefix.len()) else {
        return None;
    };
    if !equal_bytes(start, outer_prefix.as_bytes()) || !matches!(rest, [] | [b':', ..]) {
        return None;
    }
    let message = Message::EMPTY;
    Some(if rest.is_empty() {
        message
            .with("the keyspaces `")
            .with(one.name)
            .with("` and `")
            .with(other.name)
            .with("` have the same prefix \"")
            .with(outer_prefix)
            .with("\" and may use the same database: give each its own prefix, make them one keyspace, or declare")
            .with(deployment.apart())
    } else {
        message
            .with("the prefix \"")
            .with(inner_prefix)
            .with("\" of `")
            .with(inner.name)
            .with("` is within \"")
            .with(outer_prefix)
            .with("\" of `")
            .with(outer.name)
            .with("`, so operations on all keys of one affect the other's: change one prefix, or declare")
            .with(deployment.apart())
    })
}

/// Returns the start of the keys of a keyspace, to compare it with the keys of `other`. This is the
/// prefix, or the segment before the tenant if the two do not declare the same segment.
const fn start_of(keyspace: &KeyspaceMeta, other: &KeyspaceMeta) -> &'static str {
    match keyspace.overrides.tenant {
        Some(tenant) if !have_same_tenants(keyspace, other) => tenant,
        _ => keyspace.prefix,
    }
}

/// Returns whether both declare the same `tenant` segment, or neither declares one.
const fn have_same_tenants(one: &KeyspaceMeta, other: &KeyspaceMeta) -> bool {
    match (one.overrides.tenant, other.overrides.tenant) {
        (None, None) => true,
        (Some(one), Some(other)) => equal(one, other),
        _ => false,
    }
}

pub(super) const fn equal(one: &str, other: &str) -> bool {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::key::KeyArgument;
    use crate::kind::{KindMeta, Text};
    use crate::schema::{Lifetime, Overrides};

    const COUNT: usize = 4;

    /// Creates a keyspace with one template and no prefix.
    fn keyspace(literal: &'static str, class: Option<ArgumentClass>) -> &'static KeyspaceMeta {
        let mut pieces = Vec::new();
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        pieces.extend(class.map(|class| Piece::Argument(ArgumentMeta::new("a", "A", class))));
        let kind = KindMeta::of::<Text>("Text");
        let template = TemplateMeta::new("K", "f", literal, pieces.leak(), kind, Lifetime::Forever, "");
        Box::leak(Box::new(KeyspaceMeta::new("K", "", "", Overrides::NONE, vec![template].leak())))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        /// Comparing neighbours finds the same conflicts as comparing all pairs.
        #[test]
        fn no_pair_is_missed(
            choices in prop::collection::vec(
                (prop::sample::select(vec!["", "a", "ab", "abc", "b:", "b:a", "b:1", "c", "ca"]), 0..4_usize),
                COUNT,
            ),
        ) {
            let classes = [None, Some(u8::CLASS), Some(ArgumentClass::TEXT), Some(bool::CLASS)];
            let choices = choices.into_iter().filter(|(literal, class)| !literal.is_empty() || *class > 0);
            let mut keyspaces: Vec<_> =
                choices.map(|(literal, class)| keyspace(literal, classes[class])).collect();
            // Keyspaces that conflict with nothing fill the remaining places.
            for literal in ["0:", "1:", "2:", "3:"] {
                if keyspaces.len() < COUNT {
                    keyspaces.push(keyspace(literal, None));
                }
            }
            let in_pairs = keyspaces.iter().enumerate().all(|(at, one)| {
                let later = &keyspaces[at + 1..];
                later.iter().all(|other| conflict_of(&one.templates[0], &other.templates[0]).is_none())
            });
            prop_assert_eq!(conflict_between::<COUNT>(&keyspaces, Deployment::Databases).is_none(), in_pairs, "{:?}", keyspaces);
        }
    }
}
