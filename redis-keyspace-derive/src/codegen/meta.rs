//! Generates the declaration as data.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;

use super::paths::{at, moved, site};
use super::{docs, named};
use crate::attr::value::{Trim, Ttl};
use crate::closed::without_self;
use crate::model::{Entry, Keyspace, Param};
use crate::template::Piece;

/// `static __TEMPLATES`, one element per field.
pub(super) fn templates(model: &Keyspace<'_>, rk: &Ident) -> TokenStream {
    let count = model.entries.len();
    let templates = model.entries.iter().map(|entry| template(model, entry, rk));
    let mut name = templates_ident(model);
    name.set_span(named::item(model));
    quote_spanned! {site()=>
        static #name: [#rk::TemplateMeta; #count] = [#(#templates),*];
    }
}

pub(super) fn templates_ident(model: &Keyspace<'_>) -> Ident {
    model.names.internal("TEMPLATES", site())
}

pub(super) fn meta_ident(model: &Keyspace<'_>) -> Ident {
    model.names.internal("META", site())
}

fn template(model: &Keyspace<'_>, entry: &Entry<'_>, rk: &Ident) -> TokenStream {
    let keyspace = model.ident.unraw().to_string();
    let field = &entry.name;
    let template = docs::whole_template(model, entry);
    let piece = |piece| match piece {
        Part::Literal(text) => quote_spanned!(site()=> #rk::Piece::Literal(#text)),
        Part::Argument(param) => {
            let name = param.name();
            let class = named::class(model, param, rk);
            let type_name = &param.text;
            quote_spanned! {site()=>
                #rk::Piece::Argument(#rk::ArgumentMeta::new(
                    #name,
                    #type_name,
                    #class,
                ))
            }
        }
    };
    let mut pieces: Vec<_> = pieces(model, entry)
        .into_iter()
        .map(|part| (matches!(part, Part::Literal(_)), piece(part)))
        .collect();
    if !entry.parses {
        // Any text may follow the first literal.
        pieces.truncate(usize::from(pieces.first().is_some_and(|&(is_literal, _)| is_literal)));
        let names: Vec<&str> = entry.params.iter().filter_map(Param::name).collect();
        let names = names.join(", ");
        // The catalog needs the types, because keys change with the type of an argument.
        let types: Vec<&str> = entry.params.iter().map(|param| param.text.as_str()).collect();
        let types = if let [one] = &*types { (*one).to_owned() } else { format!("({})", types.join(", ")) };
        pieces.push((
            false,
            quote_spanned! {site()=>
                #rk::Piece::Argument(#rk::ArgumentMeta::new(#names, #types, #rk::ArgumentClass::RAW))
            },
        ));
    }
    let pieces = pieces.into_iter().map(|(_, piece)| piece);
    // Some kinds require a TTL or a length, and only some need none. That error is at the type,
    // too.
    let check = match model.ttl(entry) {
        Some(Ttl::Forever) => Some("without_end"),
        None if entry.is_channel() => Some("without_ttl"),
        _ => None,
    };
    // If the type is not a kind, the error is at the type in the declaration.
    let kind = entry.kind.as_ref().map(|kind| {
        let (ty, text, span) = (named::kind(kind), &kind.text, at(kind.span));
        let rk = &moved(rk, span);
        let trim = entry.trim.map(|trim| trimmed(trim, span, rk));
        let check = check.map(|check| {
            let check = Ident::new(check, span);
            quote_spanned!(span=> .#check())
        });
        quote_spanned!(span=> #rk::KindMeta::of::<#ty>(#text) #trim #check)
    });
    let lifetime = match model.ttl(entry) {
        Some(Ttl::Expires { millis, .. }) => quote_spanned!(site()=> #rk::Lifetime::millis(#millis)),
        Some(Ttl::Computed(expression)) => {
            // In a static, `Self` has no meaning.
            let (expression, span) = (without_self(expression.clone(), model.ident), at(expression.span()));
            quote_spanned!(span=> #rk::Lifetime::declared(#rk::TtlValue(#expression).as_seconds_or_duration()))
        }
        Some(Ttl::Forever) | None => quote_spanned!(site()=> #rk::Lifetime::Forever),
    };
    let docs = docs::text(&entry.forwarded);
    let fills = fills(model, entry, rk);
    let own = (!entry.ttl.is_absent()).then(|| quote_spanned!(site()=> .with_own_lifetime()));
    let reads = entry.reads.map(|reads| {
        let reads = Ident::new(reads, site());
        quote_spanned!(site()=> .read_from(#rk::Reads::#reads))
    });
    let renewed = match entry.is_renewed {
        Some(true) => Some(quote_spanned!(site()=> .renewed_by_writes())),
        Some(false) => Some(quote_spanned!(site()=> .renewed_on_creation())),
        None => model.container.is_renewed.then(|| quote_spanned!(site()=> .renewed_as_declared_for_all())),
    };
    let sharded = entry.is_sharded.then(|| quote_spanned!(site()=> .sharded()));
    quote_spanned! {site()=>
        #rk::TemplateMeta::new(#keyspace, #field, #template, &[#(#pieces),*], #kind, #lifetime, #docs) #fills #own #reads #renewed #sharded
    }
}

/// The call that sets how a stream is trimmed.
fn trimmed(trim: Trim, span: Span, rk: &Ident) -> TokenStream {
    match trim {
        Trim::None => quote_spanned!(at(span)=> .untrimmed()),
        Trim::MaxLen { count, is_exact } => {
            let exact = is_exact.then(|| quote_spanned!(at(span)=> .exact()));
            quote_spanned!(at(span)=> .trimmed(#rk::Trim::max_len(#count) #exact))
        }
    }
}

/// The options of fills, if any are set.
fn fills(model: &Keyspace<'_>, entry: &Entry<'_>, rk: &Ident) -> Option<TokenStream> {
    if model.disables_fills(entry) {
        return Some(quote_spanned!(site()=> .filled_by(#rk::FillPolicy::DISABLED)));
    }
    let options = entry.fills.or(&model.container.fills);
    let time = |name: &str, millis: Option<u64>| {
        let name = Ident::new(name, site());
        let millis = millis?;
        Some(quote_spanned!(site()=> #name: #rk::Option::Some(#rk::Duration::from_millis(#millis))))
    };
    let fields: Vec<TokenStream> = [
        options.ttl_jitter.map(|jitter| quote_spanned!(site()=> jitter: #jitter)),
        time("stale_for", options.stale_for),
        options.early_refresh.map(|part| quote_spanned!(site()=> early_refresh: #rk::Option::Some(#part))),
        time("negative_ttl", options.negative_ttl),
        time("hard_timeout", options.hard_timeout),
        time("wait_timeout", options.wait_timeout),
        options.across_processes.map(|across| quote_spanned!(site()=> across_processes: #across)),
    ]
    .into_iter()
    .flatten()
    .collect();
    // On the struct, `fills = true` changes nothing: collections are filled one by one.
    let filled = (entry.fills.enabled == Some(true)).then(|| quote_spanned!(site()=> .filled()));
    if fields.is_empty() {
        return filled;
    }
    let policy = quote_spanned!(site()=> #rk::FillPolicy { #(#fields,)* ..#rk::FillPolicy::NONE });
    Some(quote_spanned!(site()=> .filled_by(#policy) #filled))
}

/// `static __META`.
pub(super) fn keyspace(model: &Keyspace<'_>, rk: &Ident) -> TokenStream {
    let name = model.ident.unraw().to_string();
    let prefix = model.prefix().unwrap_or_default();
    let docs = docs::text(&model.forwarded);
    let container = &model.container;
    let overrides: Vec<TokenStream> = [
        option(rk, "db", container.db.as_ref()),
        option(rk, "server", container.server.as_ref()),
        container.dedicated_server.then(|| quote_spanned!(site()=> dedicated_server: true)),
        option(rk, "tenant", container.tenant.as_ref()),
        container.timeout_millis.map(
            |millis| quote_spanned!(site()=> timeout: #rk::Option::Some(#rk::Duration::from_millis(#millis))),
        ),
        option(rk, "retries", container.retries.as_ref()),
        option(rk, "shared_connections", container.shared_connections.as_ref()),
        option(rk, "exclusive_connections", container.exclusive_connections.as_ref()),
        container
            .misses_when_unavailable
            .then(|| quote_spanned!(site()=> on_unavailable: #rk::OnUnavailable::Miss)),
        container.reads.map(|reads| {
            let reads = Ident::new(reads, site());
            quote_spanned!(site()=> reads: #rk::Reads::#reads)
        }),
    ]
    .into_iter()
    .flatten()
    .collect();
    let overrides = if overrides.is_empty() {
        quote_spanned!(site()=> #rk::Overrides::NONE)
    } else {
        quote_spanned!(site()=> #rk::Overrides { #(#overrides,)* ..#rk::Overrides::NONE })
    };
    let (meta, templates) = (meta_ident(model), templates_ident(model));
    quote_spanned! {site()=>
        static #meta: #rk::KeyspaceMeta =
            #rk::KeyspaceMeta::new(#name, #prefix, #docs, #overrides, &#templates);
    }
}

fn option(rk: &Ident, name: &str, value: Option<&impl ToTokens>) -> Option<TokenStream> {
    let value = value?;
    let name = Ident::new(name, site());
    Some(quote_spanned!(site()=> #name: #rk::Option::Some(#value)))
}

/// A part of the whole key, including the prefix.
pub(super) enum Part<'m, 'a> {
    Literal(String),
    Argument(&'m Param<'a>),
}

/// The template with its holes resolved to parameters. Holes without a parameter are omitted; they
/// are already reported.
pub(super) fn pieces<'m, 'a>(model: &Keyspace<'a>, entry: &'m Entry<'a>) -> Vec<Part<'m, 'a>> {
    let mut parts = Vec::new();
    let mut literal = model.prefix().map(|prefix| prefix + ":").unwrap_or_default();
    for piece in entry.template.iter().flat_map(|template| &template.pieces) {
        match piece {
            Piece::Literal(text) => literal.push_str(text),
            Piece::Hole(hole) => {
                if let Some(param) = entry.param(hole) {
                    if !literal.is_empty() {
                        parts.push(Part::Literal(std::mem::take(&mut literal)));
                    }
                    parts.push(Part::Argument(param));
                }
            }
        }
    }
    if !literal.is_empty() {
        parts.push(Part::Literal(literal));
    }
    parts
}
