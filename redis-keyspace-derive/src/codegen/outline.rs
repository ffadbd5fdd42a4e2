//! Finds the pairs of templates that could make the same key, as far as the derive can see.

use std::cmp::Ordering;

/// A part of a template, as far as the derive can compare it. Arguments are sorted before literals.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outline {
    /// An argument, by the text of its type. The same text means the same type.
    Argument(String),
    Literal(String),
}

/// Returns the pairs of templates that could make the same key, each as the later and the earlier
/// index, in order.
///
/// Templates with the same start continue at the same place of a key: other checks ensure that an
/// argument can't contain the first character of the literal that follows it. So two templates
/// can't make the same key if they differ in a literal after the same start.
pub(super) fn candidates(outlines: &[Vec<Outline>]) -> Vec<(usize, usize)> {
    // Templates with the same start are neighbours. A literal comes after its own starts, and
    // after all arguments.
    let mut sorted: Vec<_> = (0..).zip(outlines).map(|(index, parts)| Outlined { index, parts }).collect();
    sorted.sort_by(|one, other| one.parts.cmp(other.parts));
    let mut pairs = Vec::new();
    after_same_start(&sorted, 0, &mut pairs);
    pairs.sort_unstable();
    pairs
}

#[derive(Clone, Copy)]
struct Outlined<'o> {
    index: usize,
    parts: &'o [Outline],
}

/// Adds the pairs of templates of which the first `depth` parts are the same.
fn after_same_start(items: &[Outlined<'_>], depth: usize, pairs: &mut Vec<(usize, usize)>) {
    let groups: Vec<_> =
        items.chunk_by(|one, other| one.parts.get(depth) == other.parts.get(depth)).collect();
    // The groups before the current one that could make the same keys.
    let mut open: Vec<&[Outlined<'_>]> = Vec::new();
    for group in groups {
        let Some(first) = group.first() else { continue };
        let part = first.parts.get(depth);
        if let Some(Outline::Literal(text)) = part {
            // A later literal can't have a start that this one does not have.
            open.retain(|other| match other.first().and_then(|item| item.parts.get(depth)) {
                Some(Outline::Literal(start)) => text.starts_with(start),
                _ => true,
            });
        }
        for other in &open {
            for &one in *other {
                for &item in group {
                    add(one, item, depth, pairs);
                }
            }
        }
        match part {
            Some(_) => after_same_start(group, depth + 1, pairs),
            // The same template.
            None => {
                for (number, &one) in group.iter().enumerate() {
                    for &other in group.iter().skip(number + 1) {
                        add(one, other, depth, pairs);
                    }
                }
            }
        }
        open.push(group);
    }
}

/// Adds the pair of two templates of which only the first `depth` parts are the same, unless they
/// differ in a literal.
fn add(one: Outlined<'_>, other: Outlined<'_>, depth: usize, pairs: &mut Vec<(usize, usize)>) {
    if may_overlap(one.parts, other.parts, depth) {
        pairs.push(match one.index.cmp(&other.index) {
            Ordering::Less => (other.index, one.index),
            _ => (one.index, other.index),
        });
    }
}

fn may_overlap(one: &[Outline], other: &[Outline], depth: usize) -> bool {
    if let (Some(Outline::Literal(end)), Some(Outline::Literal(other))) = (one.last(), other.last())
        && !end.ends_with(other.as_str())
        && !other.ends_with(end.as_str())
    {
        return false;
    }
    match (one.get(depth), other.get(depth)) {
        (Some(Outline::Literal(text)), Some(Outline::Literal(other_text))) => {
            // If the shorter literal ends its template, the key of the other one is longer.
            text.starts_with(other_text.as_str()) && other.len() > depth + 1
                || other_text.starts_with(text.as_str()) && one.len() > depth + 1
        }
        // The argument before it can't contain the literal.
        (Some(Outline::Literal(_)), None) | (None, Some(Outline::Literal(_))) => depth == 0,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `user:{u64}`, where the braces contain the type.
    fn outline(template: &str) -> Vec<Outline> {
        let mut parts = Vec::new();
        for part in template.split_inclusive('}') {
            let (literal, argument) = part.split_once('{').unwrap_or((part, ""));
            if !literal.is_empty() {
                parts.push(Outline::Literal(literal.to_owned()));
            }
            if let Some(argument) = argument.strip_suffix('}') {
                parts.push(Outline::Argument(argument.to_owned()));
            }
        }
        parts
    }

    fn found(templates: &[&str]) -> Vec<(usize, usize)> {
        candidates(&templates.iter().map(|template| outline(template)).collect::<Vec<_>>())
    }

    #[test]
    fn templates_that_could_make_the_same_key_are_compared() {
        for pair in [
            ["user", "user"],
            ["user:{u64}", "user:{u64}"],
            ["user:{u64}", "user:{u32}"],
            ["user:{u64}", "user:all"],
            ["user:{u64}", "user:all:{u64}"],
            ["user:{Raw}", "user:"],
            ["user:{Raw}", "user:{u64}:views"],
            ["{u64}:views", "{u32}:views"],
            ["{u64}:a:views", "{u32}:views"],
            ["{u64}", "user"],
            ["{u64}", "user:{u64}"],
            ["user:{u64}:a{u64}", "user:{u64}:all"],
        ] {
            assert_eq!(found(&pair), [(1, 0)], "{pair:?}");
            let [one, other] = pair;
            assert_eq!(found(&[other, one]), [(1, 0)], "{pair:?}");
        }
    }

    #[test]
    fn templates_that_differ_in_a_literal_are_skipped() {
        for pair in [
            ["user", "order"],
            ["user", "users"],
            ["user", "user:{u64}"],
            ["user:{u64}", "user:{u64}:views"],
            ["user:{u64}:views", "user:{u64}:likes"],
            ["user:{u64}:views", "user:{u64}:views:{u64}"],
            ["{u64}:views", "{u32}:likes"],
            ["user:{u64}", "order:{u64}"],
        ] {
            assert_eq!(found(&pair), [], "{pair:?}");
            let [one, other] = pair;
            assert_eq!(found(&[other, one]), [], "{pair:?}");
        }
    }

    #[test]
    fn all_pairs_of_many_templates_are_found() {
        let literals = ["a", "ab", "b", "a:b", ""];
        let arguments = ["", "{u8}", "{u16}"];
        let mut templates: Vec<String> = Vec::new();
        for first in literals {
            for argument in arguments {
                for second in literals.iter().filter(|text| !argument.is_empty() || text.is_empty()) {
                    for last in arguments.iter().filter(|text| !second.is_empty() || text.is_empty()) {
                        templates.push(format!("{first}{argument}{second}{last}"));
                    }
                }
            }
        }
        templates.retain(|template| !template.is_empty());
        let outlines: Vec<_> = templates.iter().map(|template| outline(template)).collect();
        let mut expected = Vec::new();
        for (later, one) in outlines.iter().enumerate() {
            for (earlier, other) in outlines.iter().enumerate().take(later) {
                let same = one.iter().zip(other).take_while(|(one, other)| one == other).count();
                if may_overlap(one, other, same) {
                    expected.push((later, earlier));
                }
            }
        }
        assert!(expected.len() > 100);
        assert_eq!(candidates(&outlines), expected);
    }
}
