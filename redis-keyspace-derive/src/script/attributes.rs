//! `#[script(..)]` on a struct and on its fields.

use proc_macro2::{Span, TokenStream};
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, LitBool, LitStr, Path, Token, Type};

use crate::crate_path;
use crate::diag::{Diag, did_you_mean};

/// What the struct runs.
pub(crate) enum Callee {
    /// An expression for the text of a script.
    Source(Expr),
    /// The path of a file with the text, relative to the source file.
    File(LitStr),
    /// The name of a function.
    Function(LitStr),
}

#[derive(Default)]
pub(crate) struct StructAttributes {
    pub(crate) callee: Option<Callee>,
    pub(crate) returns: Option<Type>,
    pub(crate) read_only: bool,
    pub(crate) crate_path: Option<Path>,
}

/// How a field is sent.
pub(crate) enum FieldUse {
    Keys,
    Argument,
    /// As a value of this kind.
    ArgumentOf(Box<Type>),
}

const OF_STRUCT: &[&str] = &["source", "file", "function", "returns", "read_only", "crate"];
const USAGE: &str = "`#[script(source = \"return redis.call('GET', KEYS[1])\", returns = Option<Text>)]`";

pub(crate) fn of_struct(attributes: &[Attribute], name: Span, diag: &Diag) -> StructAttributes {
    let mut found = StructAttributes::default();
    let mut has_error = false;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("script")) {
        let parsed = attribute.parse_nested_meta(|meta| setting(&mut found, &meta, diag));
        if let Err(error) = parsed {
            has_error = true;
            diag.push(error);
        }
    }
    if found.callee.is_none() && !has_error {
        diag.error(
            name,
            format!("the script has no text: write {USAGE}, `file = \"take_stock.lua\"`, or `function = \"take_stock\"`"),
        );
    }
    found
}

fn setting(found: &mut StructAttributes, meta: &ParseNestedMeta<'_>, diag: &Diag) -> syn::Result<()> {
    let name = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
    let span = meta.path.span();
    let callee = match name.as_str() {
        "source" => {
            let source: Expr = meta.value()?.parse()?;
            Some(Callee::Source(source))
        }
        "file" => Some(Callee::File(meta.value()?.parse()?)),
        "function" => Some(Callee::Function(function(meta.value()?.parse()?, diag))),
        _ => None,
    };
    if let Some(callee) = callee {
        if found.callee.is_some() {
            diag.error(span, "the script has two texts: keep one of `source`, `file` and `function`");
        }
        found.callee = Some(callee);
        return Ok(());
    }
    match name.as_str() {
        "returns" => {
            let returns: Type = meta.value()?.parse()?;
            if found.returns.replace(returns).is_some() {
                diag.error(span, "`returns` is set twice; remove one");
            }
        }
        "read_only" => {
            found.read_only =
                if meta.input.peek(Token![=]) { meta.value()?.parse::<LitBool>()?.value } else { true };
        }
        "crate" => {
            let tokens: Path = meta.value()?.call(Path::parse_mod_style)?;
            found.crate_path = crate_path::parse(quote::ToTokens::to_token_stream(&tokens), span, diag);
        }
        _ => {
            let hint = did_you_mean(&name, OF_STRUCT)
                .map_or_else(|| format!("write {USAGE}"), |close| format!("did you mean `{close}`?"));
            return Err(syn::Error::new(span, format!("unknown attribute `{name}` of a script: {hint}")));
        }
    }
    Ok(())
}

/// Checks the name of a function.
fn function(name: LitStr, diag: &Diag) -> LitStr {
    let text = name.value();
    if text.is_empty() || !text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        diag.error(
            name.span(),
            "the name of a function consists of ASCII letters, digits and `_`; it does not contain the name of the library",
        );
    }
    name
}

pub(crate) fn of_field(attributes: &[Attribute], diag: &Diag) -> FieldUse {
    let mut found = FieldUse::Keys;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("script")) {
        let parsed = attribute.parse_nested_meta(|meta| {
            let name = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
            if name != "arg" {
                return Err(syn::Error::new(
                    meta.path.span(),
                    "a field of a script is a key without attribute, or an argument: `#[script(arg)]`, or \
                     `#[script(arg = Json<Order>)]` to encode it as this kind",
                ));
            }
            found = if meta.input.peek(Token![=]) {
                FieldUse::ArgumentOf(Box::new(meta.value()?.parse()?))
            } else {
                FieldUse::Argument
            };
            Ok(())
        });
        if let Err(error) = parsed {
            diag.push(error);
        }
    }
    found
}

impl Callee {
    /// The tokens of the text or of the name.
    pub(crate) fn tokens(&self) -> TokenStream {
        match self {
            Self::Source(source) => quote::ToTokens::to_token_stream(source),
            Self::File(path) => {
                let span = path.span();
                quote::quote_spanned!(span=> ::core::include_str!(#path))
            }
            Self::Function(name) => quote::ToTokens::to_token_stream(name),
        }
    }
}
