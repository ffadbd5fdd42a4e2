//! The keyspaces that use a database. A keyspace is rejected if it can produce a key of another
//! keyspace.
//!
//! Templates are indexed by the literal that their keys start with. Two templates are compared only
//! if one of these literals is a prefix of the other.
//!
//! The tenant of a keyspace is treated like any other argument. A check covers all tenants, so a
//! new tenant needs no check and no entry.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::{Arc, Mutex};

use rustc_hash::FxHashMap;

use crate::key::{ArgumentClass, ArgumentMeta, Overlap, Piece, overlap_behind};
use crate::schema::{KeyspaceMeta, TemplateMeta};
use crate::sync::lock;

/// The keyspaces that use a database.
#[derive(Default)]
pub(crate) struct BoundKeyspaces {
    state: Mutex<BoundState>,
}

#[derive(Default)]
struct BoundState {
    /// The keyspaces, by namespace.
    keyspaces: FxHashMap<Box<str>, Vec<BoundEntry>>,
    /// The templates, by the literal that their keys start with, including the namespace.
    templates: BTreeMap<String, Vec<BoundTemplate>>,
}

struct BoundEntry {
    keyspace: &'static KeyspaceMeta,
    /// How many bindings use the keyspace.
    users: usize,
}

#[derive(Clone)]
struct BoundTemplate {
    keyspace: &'static KeyspaceMeta,
    template: &'static TemplateMeta,
    /// The pieces of the template, with the tenant in front.
    pieces: Cow<'static, [Piece]>,
    namespace: Box<str>,
}

/// Registers that a keyspace uses a database, until it is dropped.
pub(crate) struct BoundKeyspace {
    database: Arc<BoundKeyspaces>,
    keyspace: &'static KeyspaceMeta,
    namespace: Box<str>,
}

/// Why two keyspaces can't use the same database.
pub(crate) enum BindingConflict {
    /// They can produce the same key. The example is one on the server; `None` if the search found
    /// too many states.
    SameKey { one: &'static TemplateMeta, other: &'static TemplateMeta, example: Option<String> },
    /// One of them declares a `dedicated_server` that the other one does not name.
    Dedicated { dedicated: &'static KeyspaceMeta, other: &'static KeyspaceMeta },
}

impl BoundKeyspaces {
    /// Registers that a keyspace uses the database within a namespace, which ends in its separator
    /// or is empty.
    pub(crate) fn bind(
        self: &Arc<Self>,
        keyspace: &'static KeyspaceMeta,
        namespace: &str,
    ) -> Result<BoundKeyspace, BindingConflict> {
        lock(&self.state).add(keyspace, namespace)?;
        Ok(BoundKeyspace { database: Arc::clone(self), keyspace, namespace: namespace.into() })
    }

    /// Fails if these keyspaces could not use the database together, in addition to those that do.
    /// Registers none of them.
    pub(crate) fn check(
        &self,
        keyspaces: &[&'static KeyspaceMeta],
        namespace: &str,
    ) -> Result<(), BindingConflict> {
        let mut state = lock(&self.state);
        let mut added = Vec::new();
        let outcome = keyspaces.iter().copied().try_for_each(|keyspace| {
            state.add(keyspace, namespace)?;
            added.push(keyspace);
            Ok(())
        });
        added.into_iter().for_each(|keyspace| state.remove(keyspace, namespace));
        outcome
    }
}

#[cfg(test)]
impl BoundKeyspaces {
    /// How many keyspaces and templates use the database.
    pub(crate) fn count(&self) -> (usize, usize) {
        let state = lock(&self.state);
        (state.keyspaces.values().flatten().count(), state.templates.values().flatten().count())
    }
}

impl Drop for BoundKeyspace {
    fn drop(&mut self) {
        lock(&self.database.state).remove(self.keyspace, &self.namespace);
    }
}

impl BoundState {
    fn add(&mut self, keyspace: &'static KeyspaceMeta, namespace: &str) -> Result<(), BindingConflict> {
        let mut entries = self.keyspaces.get_mut(namespace).into_iter().flatten();
        if let Some(entry) = entries.find(|entry| std::ptr::eq(entry.keyspace, keyspace)) {
            entry.users += 1;
            return Ok(());
        }
        self.check_servers(keyspace)?;
        let templates = keyspace.templates.iter();
        let templates: Vec<_> =
            templates.map(|template| BoundTemplate::new(keyspace, template, namespace)).collect();
        templates.iter().try_for_each(|template| self.check(template))?;
        for template in templates {
            self.templates.entry(template.start()).or_default().push(template);
        }
        self.keyspaces.entry(namespace.into()).or_default().push(BoundEntry { keyspace, users: 1 });
        Ok(())
    }

    fn remove(&mut self, keyspace: &'static KeyspaceMeta, namespace: &str) {
        let Some(entries) = self.keyspaces.get_mut(namespace) else { return };
        if let Some(entry) = entries.iter_mut().find(|entry| std::ptr::eq(entry.keyspace, keyspace)) {
            entry.users -= 1;
            if entry.users > 0 {
                return;
            }
        }
        entries.retain(|entry| entry.users > 0);
        if entries.is_empty() {
            self.keyspaces.remove(namespace);
        }
        for template in keyspace.templates {
            let gone = BoundTemplate::new(keyspace, template, namespace);
            let start = gone.start();
            if let Some(templates) = self.templates.get_mut(&start) {
                templates.retain(|other| !other.is(&gone));
                if templates.is_empty() {
                    self.templates.remove(&start);
                }
            }
        }
    }

    fn check_servers(&self, keyspace: &'static KeyspaceMeta) -> Result<(), BindingConflict> {
        let mut others = self.keyspaces.values().flatten().map(|entry| entry.keyspace);
        let Some(other) = others.find(|other| keyspace.is_kept_apart_from(other)) else { return Ok(()) };
        let is_dedicated = keyspace.has_dedicated_server();
        let (dedicated, other) = if is_dedicated { (keyspace, other) } else { (other, keyspace) };
        Err(BindingConflict::Dedicated { dedicated, other })
    }

    fn check(&self, template: &BoundTemplate) -> Result<(), BindingConflict> {
        self.candidates(&template.start()).try_for_each(|other| template.check(other))
    }

    /// The templates whose keys may start with this literal, or with a prefix of it.
    fn candidates<'s>(&'s self, start: &'s str) -> impl Iterator<Item = &'s BoundTemplate> {
        let shorter = (0..=start.len()).filter_map(|length| self.templates.get(start.get(..length)?));
        let longer = self.templates.range::<str, _>((Excluded(start), Unbounded));
        let longer =
            longer.take_while(move |(other, _)| other.starts_with(start)).map(|(_, templates)| templates);
        shorter.chain(longer).flatten()
    }
}

impl BoundTemplate {
    fn new(keyspace: &'static KeyspaceMeta, template: &'static TemplateMeta, namespace: &str) -> Self {
        const SEPARATOR: Piece = Piece::Literal(":");
        const TENANT: Piece = Piece::Argument(ArgumentMeta::new("tenant", "&str", ArgumentClass::TEXT));
        let pieces = keyspace.tenant().map_or(Cow::Borrowed(template.pieces), |segment| {
            let tenant = [Piece::Literal(segment), SEPARATOR, TENANT, SEPARATOR];
            tenant.iter().chain(template.pieces).copied().collect()
        });
        Self { keyspace, template, pieces, namespace: namespace.into() }
    }

    /// The literal that its keys start with, including the namespace.
    fn start(&self) -> String {
        let literals = self.pieces.iter().map_while(|piece| match piece {
            Piece::Literal(text) => Some(*text),
            Piece::Argument(_) => None,
        });
        std::iter::once(&*self.namespace).chain(literals).collect()
    }

    fn is(&self, other: &Self) -> bool {
        std::ptr::eq(self.template, other.template) && self.namespace == other.namespace
    }

    fn check(&self, other: &Self) -> Result<(), BindingConflict> {
        // A keyspace that is bound in two namespaces does not conflict with itself.
        if std::ptr::eq(self.keyspace, other.keyspace) {
            return Ok(());
        }
        let (outer, inner) =
            if self.namespace.len() <= other.namespace.len() { (self, other) } else { (other, self) };
        let Some(before) = inner.namespace.strip_prefix(&*outer.namespace) else { return Ok(()) };
        let example = match overlap_behind(&outer.pieces, before, &inner.pieces) {
            Overlap::Nothing => return Ok(()),
            Overlap::Key(example) => Some(format!("{}{}", outer.namespace, example.as_str())),
            Overlap::Unknown => None,
        };
        Err(BindingConflict::SameKey { one: self.template, other: other.template, example })
    }
}

impl fmt::Debug for BoundKeyspaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = lock(&self.state);
        f.debug_list().entries(state.keyspaces.values().flatten().map(|entry| entry.keyspace.name())).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::key::{ArgumentClass, ArgumentMeta, KeyArgument};
    use crate::kind::{KindMeta, Text};
    use crate::schema::{Lifetime, Overrides};

    const DATA: KindMeta = KindMeta::of::<Text>("Text");

    /// A keyspace whose templates have a literal, an argument, or both.
    fn keyspace(templates: &[(&'static str, Option<ArgumentClass>)]) -> &'static KeyspaceMeta {
        let templates: Vec<_> = templates
            .iter()
            .map(|&(literal, class)| {
                let literal_piece = (!literal.is_empty()).then_some(Piece::Literal(literal));
                let argument = class.map(|class| Piece::Argument(ArgumentMeta::new("a", "A", class)));
                let pieces: Vec<_> = literal_piece.into_iter().chain(argument).collect();
                TemplateMeta::new("K", "f", literal, pieces.leak(), DATA, Lifetime::Forever, "")
            })
            .collect();
        Box::leak(Box::new(KeyspaceMeta::new("K", "", "", Overrides::NONE, templates.leak())))
    }

    /// Whether both can produce the same key, decided without the index.
    fn meet(one: (&KeyspaceMeta, &str), other: (&KeyspaceMeta, &str)) -> bool {
        let pieces = |(keyspace, namespace): (&KeyspaceMeta, &str)| -> Vec<Vec<Piece>> {
            let before = (!namespace.is_empty()).then(|| Piece::Literal(namespace.to_owned().leak()));
            let templates = keyspace.templates.iter();
            templates
                .map(|template| before.into_iter().chain(template.pieces.iter().copied()).collect())
                .collect()
        };
        let others = pieces(other);
        pieces(one).iter().any(|one| {
            others.iter().any(|other| !matches!(crate::key::overlap(one, other), Overlap::Nothing))
        })
    }

    /// 50 keyspaces of 10 templates.
    fn a_large_program() -> Vec<&'static KeyspaceMeta> {
        let keyspace_of = |nth: usize| {
            let literal = |at: usize| -> &'static str { format!("service{nth}:entity{at}:").leak() };
            keyspace(&(0..10).map(|at| (literal(at), Some(ArgumentClass::TEXT))).collect::<Vec<_>>())
        };
        (0..50).map(keyspace_of).collect()
    }

    #[test]
    fn a_check_registers_nothing() {
        let [users, names] = ["user:", "name:"].map(|start| keyspace(&[(start, Some(ArgumentClass::TEXT))]));
        let same = keyspace(&[("user:7", None)]);
        let database: Arc<BoundKeyspaces> = Arc::default();
        assert!(database.check(&[users, names], "").is_ok());
        assert!(database.check(&[users, names, same], "").is_err(), "they conflict with each other");
        assert_eq!(database.count(), (0, 0));
        let bound = database.bind(users, "").unwrap_or_else(|_| panic!("the first keyspace"));
        assert!(database.check(&[names, same], "").is_err(), "one conflicts with a keyspace in use");
        assert!(database.check(&[users, names], "").is_ok());
        assert_eq!(database.count(), (1, 1), "it stays in use");
        drop(bound);
        assert_eq!(database.count(), (0, 0));
    }

    #[test]
    fn keys_that_start_differently_are_not_compared() {
        let database: Arc<BoundKeyspaces> = Arc::default();
        let _bound: Vec<_> = a_large_program()
            .into_iter()
            .map(|keyspace| {
                database
                    .bind(keyspace, "n:")
                    .unwrap_or_else(|_| panic!("the keyspaces have no key in common"))
            })
            .collect();
        let state = lock(&database.state);
        assert_eq!(state.templates.len(), 500);
        for start in state.templates.keys() {
            assert_eq!(state.candidates(start).count(), 1, "only itself");
        }
    }

    /// Prints how long binding takes, with `--nocapture`.
    #[test]
    fn five_hundred_templates_bind() {
        let keyspaces = a_large_program();
        let runs = (0..20).map(|_| {
            let database: Arc<BoundKeyspaces> = Arc::default();
            let start = std::time::Instant::now();
            let bound: Vec<_> =
                keyspaces.iter().filter_map(|keyspace| database.bind(keyspace, "n:").ok()).collect();
            (start.elapsed(), bound.len())
        });
        let (elapsed, count) = runs.min().unwrap_or_default();
        assert_eq!(count, keyspaces.len());
        println!("binding {count} keyspaces of 10 templates takes {elapsed:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn the_index_finds_every_pair_and_drops_removed_keyspaces(
            choices in prop::collection::vec(
                (
                    prop::collection::vec(
                        (prop::sample::select(vec!["", "a", "ab", "abc", "b:", "b:a", "b:1", "c", "n:", "n:a"]), 0..5_usize),
                        1..3,
                    ),
                    prop::sample::select(vec!["", "n:", "b:"]),
                ),
                2..6,
            ),
        ) {
            let classes =
                [None, Some(u8::CLASS), Some(ArgumentClass::TEXT), Some(bool::CLASS), Some(ArgumentClass::RAW)];
            let database: Arc<BoundKeyspaces> = Arc::default();
            let mut bound: Vec<(&KeyspaceMeta, &str, BoundKeyspace)> = Vec::new();
            for (templates, namespace) in choices {
                let templates: Vec<_> = templates
                    .into_iter()
                    .filter(|(literal, class)| !literal.is_empty() || *class > 0)
                    .map(|(literal, class)| (literal, classes[class]))
                    .collect();
                let keyspace = keyspace(&templates);
                let meets =
                    bound.iter().any(|&(other, others, _)| meet((keyspace, namespace), (other, others)));
                match database.bind(keyspace, namespace) {
                    Ok(guard) => {
                        prop_assert!(!meets, "{:?} in {:?}", keyspace.templates, namespace);
                        bound.push((keyspace, namespace, guard));
                    }
                    Err(_) => prop_assert!(meets, "{:?} in {:?}", keyspace.templates, namespace),
                }
                // A keyspace that is bound twice stays bound until both bindings are dropped.
                if let Some(&(keyspace, namespace, _)) = bound.last() {
                    drop(database.bind(keyspace, namespace));
                }
            }
            drop(bound);
            prop_assert_eq!(database.count(), (0, 0));
        }
    }
}
