//! `#[keyspace(..)]` on the struct.

use proc_macro2::{Ident, Span, TokenTree};
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Attribute, LitStr, Meta, Path};

use super::fills::Fills;
use super::value::{self, Ttl};
use super::{Item, Place, Setting, items, usage};
use crate::crate_path;
use crate::diag::Diag;

/// The attributes of the struct.
#[derive(Default)]
pub(crate) struct Container {
    /// `Good(None)` is `prefix = none`.
    pub(crate) prefix: Setting<Option<LitStr>>,
    pub(crate) ttl: Setting<Ttl>,
    pub(crate) db: Option<u16>,
    pub(crate) server: Option<String>,
    pub(crate) dedicated_server: bool,
    /// The segment before the tenant in each key.
    pub(crate) tenant: Option<LitStr>,
    pub(crate) timeout_millis: Option<u64>,
    pub(crate) retries: Option<u32>,
    pub(crate) shared_connections: Option<u16>,
    pub(crate) exclusive_connections: Option<u16>,
    /// `on_unavailable = "miss"`
    pub(crate) misses_when_unavailable: bool,
    /// The variant of `Reads`.
    pub(crate) reads: Option<&'static str>,
    /// Whether every write renews the lifetime of a collection: `renew = "write"`.
    pub(crate) is_renewed: bool,
    pub(crate) fills: Fills,
    /// The name of the generated struct that holds a handle.
    pub(crate) bound: Option<Ident>,
    pub(crate) crate_path: Option<Path>,
    pub(crate) allow_doubled_prefix: bool,
}

impl Container {
    pub(crate) fn new(attributes: &[Attribute], diag: &Diag) -> Self {
        let mut container = Self::default();
        let mut dedicated = None;
        for item in items(attributes, Place::Keyspace, diag) {
            let Some(name) = &item.name else {
                container.unnamed(&item, diag);
                continue;
            };
            // A misspelled name is already reported. It counts as set.
            if item.is_reported() {
                match name.to_string().as_str() {
                    "prefix" => container.prefix = Setting::Bad,
                    "ttl" => container.ttl = Setting::Bad,
                    _ => {}
                }
                continue;
            }
            if container.fills.take(&item, diag) {
                continue;
            }
            match name.to_string().as_str() {
                "prefix" => {
                    let prefix = match &item.value {
                        Some(tokens) if value::is_none(tokens) => Some(None),
                        _ => value::text(&item, diag).map(Some),
                    };
                    container.prefix = prefix.into();
                }
                "ttl" => container.ttl = value::ttl(&item, diag).into(),
                "db" => container.db = value::integer(&item, 0..=u16::MAX, diag),
                "server" => container.server = server(value::text(&item, diag), diag),
                "timeout" => container.timeout_millis = value::time(&item, diag),
                "retries" => container.retries = value::integer(&item, 0..=100, diag),
                "shared_connections" => {
                    container.shared_connections = value::integer(&item, 1..=64, diag);
                }
                "exclusive_connections" => {
                    container.exclusive_connections = value::integer(&item, 1..=1024, diag);
                }
                "on_unavailable" => {
                    container.misses_when_unavailable =
                        value::one_of(&item, &["error", "miss"], diag).as_deref() == Some("miss");
                }
                "reads" => container.reads = value::reads(&item, diag),
                "renew" => container.is_renewed = value::renew(&item, diag).unwrap_or_default(),
                "allow_doubled_prefix" => container.allow_doubled_prefix = flag(&item, diag),
                "dedicated_server" => {
                    container.dedicated_server = flag(&item, diag);
                    dedicated = Some(item.span);
                }
                "tenant" => container.tenant = value::text(&item, diag),
                "bound" => container.bound = bound(&item, diag),
                "crate" => {
                    container.crate_path =
                        item.value(diag).and_then(|tokens| crate_path::parse(tokens, item.span, diag));
                }
                _ => {}
            }
        }
        if let Some(span) = dedicated
            && container.server.is_none()
        {
            diag.error(
                span,
                "`dedicated_server` needs a named server: add `server = \"name\"` here and to every other keyspace on that server",
            );
        }
        container.by_another_name(attributes, diag);
        container
    }

    /// Reports an attribute of another name that sets a prefix, if there is no `#[keyspace(..)]`.
    fn by_another_name(&mut self, attributes: &[Attribute], diag: &Diag) {
        let has_ours = attributes.iter().any(|attribute| attribute.path().is_ident("keyspace"));
        let other = attributes.iter().find(|attribute| sets_prefix(attribute)).filter(|_| !has_ours);
        if let Some(name) = other.and_then(|attribute| attribute.path().get_ident()) {
            diag.error(name.span(), format!("write `#[keyspace(..)]` instead of `#[{name}(..)]`"));
            (self.prefix, self.ttl) = (Setting::Bad, Setting::Bad);
        }
    }

    /// Reports a value without a name. A string is then used as the prefix, which is most likely
    /// what was meant.
    fn unnamed(&mut self, item: &Item, diag: &Diag) {
        let literal = item.value.clone().and_then(|tokens| syn::parse2::<LitStr>(tokens).ok());
        if let Some(literal) = literal
            && self.prefix.is_absent()
        {
            let written = literal.to_token_stream();
            diag.error(item.span, format!("the prefix needs its name: write `prefix = {written}`"));
            self.prefix = Setting::Good(Some(literal));
            return;
        }
        diag.error(
            item.span,
            format!("`#[keyspace(..)]` needs names with values: {}", usage(Place::Keyspace)),
        );
        // The names in the example must not also be reported as missing.
        if self.prefix.is_absent() {
            self.prefix = Setting::Bad;
        }
        if self.ttl.is_absent() {
            self.ttl = Setting::Bad;
        }
    }
}

/// Returns whether an attribute looks like `#[name(prefix = ..)]`.
fn sets_prefix(attribute: &Attribute) -> bool {
    let Meta::List(list) = &attribute.meta else { return false };
    let mut tokens = list.tokens.clone().into_iter();
    matches!(tokens.next(), Some(TokenTree::Ident(name)) if name == "prefix")
        && matches!(tokens.next(), Some(TokenTree::Punct(punct)) if punct.as_char() == '=')
}

/// Parses a flag, which has no value.
fn flag(item: &Item, diag: &Diag) -> bool {
    if item.value.is_some() {
        let name = item.name.as_ref().map(ToString::to_string).unwrap_or_default();
        diag.error(item.span, format!("`{name}` is a flag: remove the value"));
    }
    true
}

fn server(name: Option<LitStr>, diag: &Diag) -> Option<String> {
    let name = name?;
    if name.value().trim().is_empty() {
        diag.error(
            name.span(),
            "the name of the server is empty: write the name that the server is installed under",
        );
    }
    Some(name.value())
}

/// `bound = BoundCartKeys`: the name of the struct to generate.
fn bound(item: &Item, diag: &Diag) -> Option<Ident> {
    let tokens = item.value(diag)?;
    let span = tokens.span();
    let name = syn::parse2::<Ident>(tokens).ok();
    if name.is_none() {
        diag.error(
            span,
            "`bound` must be the name of the struct to generate, without quotes: `bound = BoundCartKeys`",
        );
    }
    name
}

/// The span for errors about missing attributes.
pub(crate) fn span(attributes: &[Attribute], otherwise: Span) -> Span {
    attributes
        .iter()
        .find(|attribute| attribute.path().is_ident("keyspace"))
        .map_or(otherwise, |attribute| attribute.path().span())
}
