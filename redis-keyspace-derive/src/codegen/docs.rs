//! Generates documentation: the user's own, followed by facts from the declaration.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote_spanned};
use syn::ext::IdentExt;

use super::paths::site;
use crate::attr::forwarded::{DocText, Forwarded};
use crate::attr::value::Ttl;
use crate::model::{Entry, Keyspace, Kind, name};
use crate::types;

/// `#[doc = ".."]`
pub(super) fn line(text: &str) -> TokenStream {
    // With the leading space that `///` keeps, so that all lines have the same indentation.
    let text = if text.is_empty() { String::new() } else { format!(" {text}") };
    quote_spanned!(site()=> #[doc = #text])
}

/// The documentation of a constructor.
pub(super) fn constructor(model: &Keyspace<'_>, entry: &Entry<'_>) -> TokenStream {
    let mut docs: TokenStream = entry.forwarded.docs.iter().map(|doc| doc.to_token_stream()).collect();
    if entry.forwarded.has_text() {
        docs.extend(line(""));
    }
    docs.extend(line(&facts(model, entry)));
    docs
}

/// ``Key `cart:user:{id}`, database 2, expires after 1h, value `Json<Cart>`, stored as JSON.``
fn facts(model: &Keyspace<'_>, entry: &Entry<'_>) -> String {
    if entry.is_channel() {
        return channel_facts(model, entry);
    }
    let mut facts = format!("Key {}", code(&whole_template(model, entry)));
    if let Some(db) = model.container.db {
        facts.push_str(&format!(", database {db}"));
    }
    match model.ttl(entry) {
        Some(Ttl::Expires { declared, .. }) => facts.push_str(&format!(", expires after {declared}")),
        Some(Ttl::Computed(expression)) => {
            facts.push_str(&format!(", expires after {}", code(&types::text(expression))));
        }
        Some(Ttl::Forever) => facts.push_str(", never expires"),
        None => {}
    }
    if let Some(kind) = &entry.kind {
        facts.push_str(&format!(", value {}", code(&kind.text)));
        if let Some(wire) = wire(kind) {
            facts.push_str(&format!(", stored as {wire}"));
        }
    }
    // On the struct, the option does not apply to `Once`.
    let kind = entry.kind.as_ref().and_then(|kind| name(kind.written));
    let is_one_of = |names: &[&str]| kind.as_ref().is_some_and(|kind| names.iter().any(|name| kind == name));
    let collections = ["Hash", "List", "Record", "Set", "SortedSet"];
    if model.disables_fills(entry) && !is_one_of(&["Once"]) {
        facts.push_str(", without fills");
    } else if entry.fills.enabled == Some(true) && is_one_of(&collections) {
        facts.push_str(", with fills");
    }
    facts.push('.');
    if !entry.parses {
        facts.push_str(" Keys can't be parsed back, and different arguments may make the same key.");
    }
    facts
}

/// ``Channel `chat:room:{id}`, messages `Channel<Text>`.``
fn channel_facts(model: &Keyspace<'_>, entry: &Entry<'_>) -> String {
    let mut facts = format!("Channel {}", code(&whole_template(model, entry)));
    if let Some(kind) = &entry.kind {
        facts.push_str(&format!(", messages {}", code(&kind.text)));
    }
    if entry.is_sharded {
        facts.push_str(", sharded");
    }
    facts.push('.');
    facts
}

/// How other clients see the value. Only the kinds of this library are known, by their names.
fn wire(kind: &Kind<'_>) -> Option<&'static str> {
    match name(kind.written)?.to_string().as_str() {
        "Json" => Some("JSON"),
        "Text" => Some("UTF-8 text"),
        "Bytes" => Some("bytes"),
        "bool" => Some("`1` or `0`"),
        "Lock" => Some("the token of the holder"),
        "RateLimit" if kind.text.contains("FixedWindow") => {
            Some("the end of the window in microseconds since 1970, and the count")
        }
        "RateLimit" => Some("the moment of recovery in microseconds since 1970"),
        "Group" => Some("a generation in hex"),
        "Bitmap" => Some("bits, the highest bit of each byte first"),
        "HyperLogLog" => Some("a HyperLogLog"),
        "Uuid" => Some("a UUID in lower case, with hyphens"),
        "Counter" | "u8" | "u16" | "u32" | "u64" | "u128" | "usize" | "i8" | "i16" | "i32" | "i64"
        | "i128" | "isize" => Some("a decimal integer"),
        _ => None,
    }
}

pub(super) fn parsed(model: &Keyspace<'_>) -> TokenStream {
    let name = model.ident.unraw();
    line(&format!("A parsed key of [`{name}`]: one variant per template, with typed arguments."))
}

pub(super) fn variant(model: &Keyspace<'_>, entry: &Entry<'_>) -> TokenStream {
    line(&format!("A key of the form {}.", code(&whole_template(model, entry))))
}

pub(super) fn pattern(model: &Keyspace<'_>) -> TokenStream {
    let name = model.ident.unraw();
    let mut docs = line(&format!(
        "The pattern of a template of [`{name}`], with some of its arguments bound. `V` is the kind of the keys. `Field` identifies the field that declares them. `Bound` says whether an argument is bound: without one, `delete` and `expire` need `.all()`."
    ));
    docs.extend(line(""));
    docs.extend(line("It dereferences to `Pattern`, which has the operations: `scan`, `values`, `count`, `exists`, `delete`, `expire` and `notifications`, and `subscribe` for channels."));
    docs
}

pub(super) fn pattern_constructor(model: &Keyspace<'_>, entry: &Entry<'_>) -> TokenStream {
    let template = code(&whole_template(model, entry));
    line(&format!(
        "Returns the pattern of all keys of the form {template}. Its methods restrict it to keys with certain arguments."
    ))
}

pub(super) fn binding(name: &str) -> TokenStream {
    line(&format!("Restricts the pattern to keys with this `{name}`."))
}

pub(super) fn bound(model: &Keyspace<'_>, ident: &proc_macro2::Ident) -> TokenStream {
    let (keyspace, ident) = (model.ident.unraw(), ident.unraw());
    let mut docs = line(&format!(
        "The keys of [`{keyspace}`] on one handle. It has the same constructors and patterns, as methods."
    ));
    docs.extend(line(""));
    docs.extend(line(&format!(
        "It is cheap to clone. Create one with `{ident}::new(redis)` or `redis.into()`, and store it in the services that use these keys."
    )));
    docs
}

pub(super) fn bound_new(model: &Keyspace<'_>) -> TokenStream {
    line(&format!("Binds the keys of [`{}`] to a handle.", model.ident.unraw()))
}

pub(super) fn bound_redis() -> TokenStream {
    line("Returns the handle.")
}

pub(super) fn delete_pattern(model: &Keyspace<'_>) -> TokenStream {
    let reach = match model.prefix() {
        Some(prefix) => format!("within the prefix {}", code(&format!("{prefix}:"))),
        None => "in the whole database, because this keyspace has no prefix".to_owned(),
    };
    let mut docs = line(&format!("Deletes all keys that match a raw glob {reach}."));
    docs.extend(line(""));
    docs.extend(line(
        "This bypasses the templates. It deletes keys of every type, including keys that match no template, as long as they are \
         UTF-8. Text in the glob is not escaped: an id of `*` matches everything. To delete the keys of one template, use its \
         pattern.",
    ));
    docs
}

pub(super) fn argument(name: &str) -> TokenStream {
    line(&format!("The argument `{name}`."))
}

/// The template as written in the source, with the prefix.
pub(super) fn whole_template(model: &Keyspace<'_>, entry: &Entry<'_>) -> String {
    let template = entry.template.as_ref().map(ToString::to_string).unwrap_or_default();
    match model.prefix() {
        Some(prefix) => format!("{prefix}:{template}"),
        None => template,
    }
}

/// Returns a code span. The text may contain backticks.
fn code(text: &str) -> String {
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}

/// The user's documentation as an expression of type `&'static str`.
pub(super) fn text(forwarded: &Forwarded<'_>) -> TokenStream {
    let mut parts: Vec<TokenStream> = Vec::new();
    let mut lines = String::new();
    for (index, text) in forwarded.text.iter().enumerate() {
        if index > 0 {
            lines.push('\n');
        }
        match text {
            DocText::Line(line) => lines.push_str(line),
            DocText::Macro(expression) => {
                let before = std::mem::take(&mut lines);
                parts.push(quote_spanned!(site()=> #before, #expression,));
            }
        }
    }
    if parts.is_empty() {
        lines.into_token_stream()
    } else {
        quote_spanned!(site()=> ::core::concat!(#(#parts)* #lines))
    }
}
