//! `#[keyspace(..)]` on the struct.

use proc_macro2::{Ident, Span};
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Attribute, LitStr, Path};

use super::fills::Fills;
use super::value::{self, Ttl};
use super::{Item, Place, Setting, items, usage};
use crate::crate_path;
use crate::diag::Diag;

/// What the struct's attributes state.
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
    pub(crate) misses_when_away: bool,
    pub(crate) fills: Fills,
    /// The name of the struct that is bound to a handle.
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
            // What only resembles a name was reported; it counts as stated.
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
                    container.misses_when_away =
                        value::one_of(&item, &["error", "miss"], diag).as_deref() == Some("miss");
                }
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
                "`dedicated_server` needs a named server: add `server = \"name\"`, which every keyspace on that server declares",
            );
        }
        container
    }

    /// A text without a name is taken as the prefix, which is what most would leave unnamed.
    fn unnamed(&mut self, item: &Item, diag: &Diag) {
        let literal = item.value.clone().and_then(|tokens| syn::parse2::<LitStr>(tokens).ok());
        if let Some(literal) = literal
            && self.prefix.is_absent()
        {
            let written = literal.to_token_stream();
            diag.error(item.span, format!("the prefix is stated by its name: `prefix = {written}`"));
            self.prefix = Setting::Good(Some(literal));
            return;
        }
        diag.error(
            item.span,
            format!("`#[keyspace(..)]` takes names with values: {}", usage(Place::Keyspace)),
        );
        // What the proposal states can't be missing too.
        if self.prefix.is_absent() {
            self.prefix = Setting::Bad;
        }
        if self.ttl.is_absent() {
            self.ttl = Setting::Bad;
        }
    }
}

/// An attribute without a value.
fn flag(item: &Item, diag: &Diag) -> bool {
    if item.value.is_some() {
        let name = item.name.as_ref().map(ToString::to_string).unwrap_or_default();
        diag.error(item.span, format!("`{name}` is a flag: write it without a value"));
    }
    true
}

fn server(name: Option<LitStr>, diag: &Diag) -> Option<String> {
    let name = name?;
    if name.value().trim().is_empty() {
        diag.error(
            name.span(),
            "`server` takes the name that a server is installed under; it can't be empty",
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
            "`bound` takes the name of the struct to generate, without quotes: `bound = BoundCartKeys`",
        );
    }
    name
}

/// Where to complain that something is absent.
pub(crate) fn span(attributes: &[Attribute], otherwise: Span) -> Span {
    attributes
        .iter()
        .find(|attribute| attribute.path().is_ident("keyspace"))
        .map_or(otherwise, |attribute| attribute.path().span())
}
