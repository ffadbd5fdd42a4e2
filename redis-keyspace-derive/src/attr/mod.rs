//! Parses attributes. No other module reads [`syn::Attribute`].

pub(crate) mod argument;
pub(crate) mod container;
pub(crate) mod entry;
pub(crate) mod fills;
pub(crate) mod forwarded;
pub(crate) mod record;
pub(crate) mod single_value;
mod split;
pub(crate) mod value;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;
use split::{split_at_commas, split_at_missing_commas};
use syn::spanned::Spanned;
use syn::{Attribute, Expr, ExprLit, Lit, Meta, MetaNameValue};

use crate::diag::{Diag, did_you_mean};
use crate::fragments;

/// The place of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// `#[keyspace(..)]` on the struct of a keyspace.
    Keyspace,
    /// `#[key(..)]` on a field of a keyspace.
    Entry,
    /// `#[key(..)]` on a type that derives `KeyArgument`.
    Argument,
    /// `#[key(..)]` on a variant of such an enum.
    Variant,
    /// `#[record(..)]` on a struct that derives `Record`.
    Record,
    /// `#[record(..)]` on a field of such a struct.
    Field,
    /// `#[single_value(..)]` on a type that derives `SingleValue`.
    Value,
    /// `#[single_value(..)]` on a variant of such an enum.
    ValueVariant,
}

/// A derive. A name can mean different things in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Derive {
    Keyspace,
    KeyArgument,
    Record,
    SingleValue,
}

impl Place {
    /// The attribute's name, and the item that it belongs on.
    fn attribute(self) -> (&'static str, &'static str) {
        match self {
            Self::Keyspace => ("keyspace", "the struct"),
            Self::Entry => ("key", "a field"),
            Self::Argument => ("key", "the type"),
            Self::Variant => ("key", "a variant"),
            Self::Record => ("record", "the struct"),
            Self::Field => ("record", "a field"),
            Self::Value => ("single_value", "the type"),
            Self::ValueVariant => ("single_value", "a variant"),
        }
    }

    fn derive(self) -> Derive {
        match self {
            Self::Keyspace | Self::Entry => Derive::Keyspace,
            Self::Argument | Self::Variant => Derive::KeyArgument,
            Self::Record | Self::Field => Derive::Record,
            Self::Value | Self::ValueVariant => Derive::SingleValue,
        }
    }
}

/// All names, their places, and an example of each. Error messages use the examples.
pub(crate) const TABLE: &[(&str, &[Place], &str)] = &[
    ("prefix", &[Place::Keyspace], "prefix = \"cart\""),
    ("db", &[Place::Keyspace], "db = 2"),
    ("ttl", &[Place::Keyspace, Place::Entry, Place::Field], "ttl = \"1h\""),
    ("hash_tag", &[Place::Entry], "hash_tag = id"),
    ("into", &[Place::Entry], "into = id"),
    ("parse", &[Place::Entry], "parse = false"),
    ("server", &[Place::Keyspace], "server = \"name\""),
    ("dedicated_server", &[Place::Keyspace], "dedicated_server"),
    ("tenant", &[Place::Keyspace], "tenant = \"tenant\""),
    ("timeout", &[Place::Keyspace], "timeout = \"250ms\""),
    ("retries", &[Place::Keyspace], "retries = 3"),
    ("shared_connections", &[Place::Keyspace], "shared_connections = 2"),
    ("exclusive_connections", &[Place::Keyspace], "exclusive_connections = 8"),
    ("on_unavailable", &[Place::Keyspace], "on_unavailable = \"miss\""),
    ("reads", &[Place::Keyspace, Place::Entry], "reads = \"prefer_replica\""),
    ("renew", &[Place::Keyspace, Place::Entry], "renew = \"write\""),
    ("sharded", &[Place::Entry], "sharded = true"),
    ("trim", &[Place::Entry], "trim = \"~100000\""),
    ("fills", &[Place::Keyspace, Place::Entry], "fills = false"),
    ("ttl_jitter", &[Place::Keyspace, Place::Entry], "ttl_jitter = \"10%\""),
    ("stale_for", &[Place::Keyspace, Place::Entry], "stale_for = \"1h\""),
    ("early_refresh", &[Place::Keyspace, Place::Entry], "early_refresh = \"80%\""),
    ("negative_ttl", &[Place::Keyspace, Place::Entry], "negative_ttl = \"30s\""),
    ("hard_timeout", &[Place::Keyspace, Place::Entry], "hard_timeout = \"5s\""),
    ("wait_timeout", &[Place::Keyspace, Place::Entry], "wait_timeout = \"10s\""),
    ("across_processes", &[Place::Keyspace, Place::Entry], "across_processes"),
    ("allow_doubled_prefix", &[Place::Keyspace], "allow_doubled_prefix"),
    ("bound", &[Place::Keyspace], "bound = BoundCartKeys"),
    ("alphabet", &[Place::Argument], "alphabet = \"a-z0-9\""),
    ("len", &[Place::Argument], "len = 26"),
    ("rename", &[Place::Field], "rename = \"n\""),
    ("rename", &[Place::ValueVariant], "rename = \"text\""),
    ("alias", &[Place::Field], "alias = \"old_name\""),
    ("default", &[Place::Field], "default"),
    ("json", &[Place::Field], "json"),
    ("kind", &[Place::Field], "kind = Point"),
    ("constant", &[Place::Field], "constant = NAME_FIELD"),
    ("rename_all", &[Place::Record], "rename_all = \"camelCase\""),
    ("crate", &[Place::Keyspace, Place::Argument, Place::Record, Place::Value], "crate = path"),
];

/// Names of earlier versions, and their current names.
const RENAMED: &[(&str, &str)] = &[("lanes", "shared_connections"), ("exclusives", "exclusive_connections")];

/// Names that other libraries and Redis use, and our names for the same things.
const ALIASES: &[(&str, &str)] = &[
    ("expires", "ttl"),
    ("expire", "ttl"),
    ("expires_in", "ttl"),
    ("expire_after", "ttl"),
    ("expiry", "ttl"),
    ("expiration", "ttl"),
    ("lifetime", "ttl"),
    ("max_age", "ttl"),
    ("ex", "ttl"),
    ("px", "ttl"),
    ("namespace", "prefix"),
    ("key_prefix", "prefix"),
    ("name", "prefix"),
    ("database", "db"),
    ("db_index", "db"),
    ("retry", "retries"),
    ("max_retries", "retries"),
    ("jitter", "ttl_jitter"),
    ("stale", "stale_for"),
    ("stale_ttl", "stale_for"),
    ("stale_while_revalidate", "stale_for"),
    ("grace", "stale_for"),
    ("refresh_ahead", "early_refresh"),
    ("negative_cache", "negative_ttl"),
    ("not_found_ttl", "negative_ttl"),
    ("tag", "hash_tag"),
    ("pool_size", "exclusive_connections"),
    ("connections", "shared_connections"),
    ("length", "len"),
    ("name", "rename"),
    ("field", "rename"),
    ("aliases", "alias"),
    ("serde", "json"),
    ("with", "kind"),
    ("as", "kind"),
    ("const", "constant"),
    ("maxlen", "trim"),
    ("max_len", "trim"),
];

/// The value of a name.
#[derive(Debug, Clone, Default)]
pub(crate) enum Setting<T> {
    #[default]
    Absent,
    /// Set to an invalid value. The error is already reported, so the name must not also be
    /// reported as missing.
    Bad,
    Good(T),
}

impl<T> Setting<T> {
    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    pub(crate) fn good(&self) -> Option<&T> {
        match self {
            Self::Good(value) => Some(value),
            Self::Absent | Self::Bad => None,
        }
    }
}

impl<T> From<Option<T>> for Setting<T> {
    /// `None` means that the value was invalid and the error is already reported.
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Bad, Self::Good)
    }
}

/// One of the comma-separated parts of an attribute.
#[derive(Debug)]
pub(crate) struct Item {
    /// The name before `=`, or the name of a flag. `None` for a bare value, such as a template.
    pub(crate) name: Option<Ident>,
    pub(crate) value: Option<TokenStream>,
    /// The span of the name, or of the value if there is no name.
    pub(crate) span: Span,
    /// Whether the name was misspelled. The error is already reported, and the item only marks the
    /// name as set.
    reported: bool,
}

impl Item {
    fn new(tokens: TokenStream) -> Self {
        let span = tokens.span();
        let mut rest = tokens.clone().into_iter();
        let (first, second) = (rest.next(), rest.next());
        match (first, second) {
            (Some(TokenTree::Ident(name)), Some(TokenTree::Punct(punct))) if punct.as_char() == '=' => {
                let value: TokenStream = rest.collect();
                let is_type = name == "kind" || name == "crate";
                let value = if is_type { fragments::flat(value) } else { fragments::expression(value) };
                Self { span: name.span(), name: Some(name), value: Some(value), reported: false }
            }
            (Some(TokenTree::Ident(name)), None) => {
                Self { span: name.span(), name: Some(name), value: None, reported: false }
            }
            _ => Self { name: None, value: Some(tokens), span, reported: false },
        }
    }

    fn reported(name: Ident) -> Self {
        Self { span: name.span(), name: Some(name), value: None, reported: true }
    }

    pub(crate) fn is_reported(&self) -> bool {
        self.reported
    }

    /// Returns the tokens after `=`. Reports an error if they are missing.
    pub(crate) fn value(&self, diag: &Diag) -> Option<TokenStream> {
        match &self.value {
            Some(value) if !value.is_empty() => Some(value.clone()),
            _ => {
                let name = self.name.as_ref().map(ToString::to_string).unwrap_or_default();
                diag.error(self.span, format!("`{name}` needs a value: `{}`", example(&name)));
                None
            }
        }
    }
}

fn example(name: &str) -> &'static str {
    TABLE.iter().find(|(known, ..)| *known == name).map_or("", |&(.., example)| example)
}

/// Returns the parts of all attributes for `place`, in order. Reports those that are not valid
/// there. A misspelled name is returned as the name that it resembles, without a value.
pub(crate) fn items(attributes: &[Attribute], place: Place, diag: &Diag) -> Vec<Item> {
    let (own, on) = place.attribute();
    let mut items: Vec<Item> = Vec::new();
    for attribute in attributes {
        let is_ours = attribute.path().is_ident(own);
        // `KeyArgument` has no attribute `keyspace`, so there it belongs to another macro.
        let is_misplaced = matches!(place, Place::Keyspace | Place::Entry)
            && ["keyspace", "key"].iter().any(|name| attribute.path().is_ident(name));
        if !is_ours && is_misplaced {
            let (other, other_on) =
                if place == Place::Keyspace { Place::Entry } else { Place::Keyspace }.attribute();
            diag.error(
                attribute.path().span(),
                format!("`#[{other}]` belongs on {other_on} of a keyspace; on {on}, write `#[{own}(..)]`"),
            );
        }
        if !is_ours {
            continue;
        }
        let list = match &attribute.meta {
            Meta::List(list) => list,
            Meta::NameValue(pair) => {
                items.extend(after_equals_sign(pair, place, diag));
                continue;
            }
            Meta::Path(path) => {
                diag.error(path.span(), format!("`#[{own}]` is empty: write {}", usage(place)));
                items.extend(proposed(place, path.span()));
                continue;
            }
        };
        let parts = split_at_commas(list.tokens.clone());
        let is_name = |name: &str| is_name(name, place);
        for tokens in parts.into_iter().flat_map(|part| split_at_missing_commas(part, is_name, diag)) {
            let item = Item::new(tokens);
            match &item.name {
                Some(name) if !known(name, &item, place, diag, &mut items) => {}
                Some(name) => {
                    let first = items.iter().find(|item| item.name.as_ref() == Some(name) && !item.reported);
                    let first = first.filter(|_| !is_repeatable(name, place));
                    if let Some(first) = first {
                        diag.error(item.span, format!("`{name}` is set twice; remove one"));
                        diag.error(first.span, format!("`{name}` is first set here"));
                    } else {
                        items.push(item);
                    }
                }
                None => items.push(item),
            }
        }
    }
    items
}

/// Reports `#[key = "user:{id}"]`, and uses the value as if it were in parentheses.
fn after_equals_sign(pair: &MetaNameValue, place: Place, diag: &Diag) -> Vec<Item> {
    let value = pair.value.to_token_stream();
    let written = match (&pair.value, place) {
        (Expr::Lit(ExprLit { lit: Lit::Str(_), .. }), Place::Keyspace) => format!("prefix = {value}"),
        (Expr::Lit(ExprLit { lit: Lit::Str(_), .. }), Place::Entry | Place::Variant) => value.to_string(),
        _ => {
            diag.error(pair.span(), format!("write the attribute in parentheses: {}", usage(place)));
            return proposed(place, pair.path.span());
        }
    };
    let (own, _) = place.attribute();
    diag.error(pair.path.span(), format!("write the value in parentheses: `#[{own}({written})]`"));
    let name = (place == Place::Keyspace).then(|| Ident::new("prefix", pair.value.span()));
    vec![Item { name, span: pair.value.span(), value: Some(value), reported: false }]
}

/// The names in the example of [`usage`], which must not also be reported as missing.
fn proposed(place: Place, span: Span) -> Vec<Item> {
    let names: &[&str] = if place == Place::Keyspace { &["prefix", "ttl"] } else { &[] };
    names.iter().map(|name| Item::reported(Ident::new(name, span))).collect()
}

/// Returns whether `name` is valid at `place`. Reports an error if it is not.
fn known(name: &Ident, item: &Item, place: Place, diag: &Diag, items: &mut Vec<Item>) -> bool {
    let text = name.to_string();
    let (own, on) = place.attribute();
    let is_related = |other: &Place| other.derive() == place.derive();
    let row = TABLE.iter().find(|(known, places, _)| *known == text && places.iter().any(is_related));
    if let Some((_, places, example)) = row {
        if places.contains(&place) {
            return true;
        }
        // Only places of the same derive.
        let elsewhere = places.iter().copied().find(is_related);
        let (other, other_on) = elsewhere.unwrap_or(place).attribute();
        diag.error(
            name.span(),
            format!("`{text}` is not valid on {on}: write it on {other_on}, as in `#[{other}({example})]`"),
        );
        return false;
    }
    let names: Vec<&str> =
        TABLE.iter().filter(|(_, places, _)| places.contains(&place)).map(|&(name, ..)| name).collect();
    let renamed = RENAMED.iter().find(|(old, new)| *old == text && names.contains(new)).map(|&(_, new)| new);
    let alias = || {
        let found =
            ALIASES.iter().find(|(alias, new)| alias.eq_ignore_ascii_case(&text) && names.contains(new));
        found.map(|&(_, new)| new)
    };
    match renamed.or_else(alias).or_else(|| did_you_mean(&text, &names)) {
        Some(close) => {
            let sentence = if renamed.is_some() {
                format!("`{text}` was renamed: use `{close}`")
            } else {
                format!("unknown attribute `{text}`; did you mean `{close}`?")
            };
            diag.error(name.span(), sentence);
            // A second error that the name is missing would be misleading.
            let name = Ident::new(close, name.span());
            items.push(Item::reported(name));
        }
        None if item.value.is_none() && matches!(place, Place::Entry | Place::Variant) => {
            let what = if place == Place::Entry { "a template" } else { "a variant's text" };
            diag.error(
                name.span(),
                format!("{what} must be a string literal, not a constant: {}", usage(place)),
            );
        }
        None if names.is_empty() => {
            diag.error(name.span(), format!("unknown attribute `{text}`: on {on}, write {}", usage(place)));
        }
        None => {
            let template = if place == Place::Entry { "a template and " } else { "" };
            diag.error(
                name.span(),
                format!(
                    "unknown attribute `{text}`: `#[{own}(..)]` on {on} accepts {template}{}",
                    list(&names)
                ),
            );
        }
    }
    false
}

fn usage(place: Place) -> &'static str {
    match place {
        Place::Keyspace => "`#[keyspace(prefix = \"cart\", ttl = \"1h\")]`",
        Place::Entry => "`#[key(\"user:{id}\", ttl = \"1h\")]`",
        Place::Argument => "`#[key(crate = path)]`",
        Place::Variant => "`#[key(\"text\")]`",
        Place::Value => "`#[single_value(crate = path)]`",
        Place::ValueVariant => "`#[single_value(rename = \"text\")]`",
        Place::Record => "`#[record(rename_all = \"camelCase\")]`",
        Place::Field => "`#[record(json)]`",
    }
}

/// `` `a`, `b` and `c` ``
pub(crate) fn list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// Whether a name may be set several times.
fn is_repeatable(name: &Ident, place: Place) -> bool {
    place == Place::Field && name == "alias"
}

/// Whether an attribute of this name is valid at `place`, or resembles one that is.
fn is_name(name: &str, place: Place) -> bool {
    TABLE.iter().any(|(known, places, _)| *known == name && places.contains(&place))
        || ALIASES.iter().any(|(alias, _)| alias.eq_ignore_ascii_case(name))
}
