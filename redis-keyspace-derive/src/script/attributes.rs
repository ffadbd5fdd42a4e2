//! `#[script(..)]` on a struct and on its fields.

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::meta::ParseNestedMeta;
use syn::parse::ParseBuffer;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, LitBool, LitStr, Path, Token, Type};

use crate::attr::Setting;
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
    pub(crate) returns: Setting<Type>,
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

pub(crate) const OF_STRUCT: &[&str] = &["source", "file", "function", "returns", "read_only", "crate"];
const USAGE: &str = "`#[script(source = \"return redis.call('GET', KEYS[1])\", returns = Option<Text>)]`";

pub(crate) fn of_struct(attributes: &[Attribute], name: Span, diag: &Diag) -> StructAttributes {
    let mut found = StructAttributes::default();
    let (mut has_error, mut set) = (false, Vec::new());
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("script")) {
        let parsed = attribute.parse_nested_meta(|meta| {
            let text = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
            let known = OF_STRUCT.iter().copied().find(|known| *known == text);
            if let Some(name) = known
                && is_repeated(name, meta.path.span(), &mut set, diag)
            {
                return skip_value(&meta);
            }
            let result = match known {
                Some(name) => setting(&mut found, name, &meta, diag),
                None => Err(unknown(&text, &mut found, &meta)),
            };
            if let Err(error) = result {
                has_error = true;
                diag.push(error);
                skip_value(&meta)?;
            }
            Ok(())
        });
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

/// Reports a name that is already set.
fn is_repeated(name: &'static str, span: Span, set: &mut Vec<(&'static str, Span)>, diag: &Diag) -> bool {
    if let Some((_, first)) = set.iter().find(|(other, _)| *other == name) {
        diag.error(span, format!("`{name}` is set twice; remove one"));
        diag.error(*first, format!("`{name}` is first set here"));
        return true;
    }
    set.push((name, span));
    false
}

/// Skips to the next comma, so that one error does not hide the other attributes.
fn skip_value(meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
    while !meta.input.is_empty() && !meta.input.peek(Token![,]) {
        meta.input.parse::<TokenTree>()?;
    }
    Ok(())
}

/// Returns the error for an unknown name. A misspelled `returns` still sets the result.
fn unknown(name: &str, found: &mut StructAttributes, meta: &ParseNestedMeta<'_>) -> syn::Error {
    let close = did_you_mean(name, OF_STRUCT);
    if close == Some("returns") {
        found.returns = meta.value().and_then(ParseBuffer::parse).ok().into();
    }
    let hint = close.map_or_else(|| format!("write {USAGE}"), |close| format!("did you mean `{close}`?"));
    syn::Error::new(meta.path.span(), format!("unknown attribute `{name}` of a script: {hint}"))
}

fn setting(
    found: &mut StructAttributes,
    name: &str,
    meta: &ParseNestedMeta<'_>,
    diag: &Diag,
) -> syn::Result<()> {
    let span = meta.path.span();
    match name {
        "returns" => {
            // Until it is read, so that an error leaves it unknown.
            found.returns = Setting::Bad;
            found.returns = Setting::Good(meta.value()?.parse()?);
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
            if found.callee.is_some() {
                diag.error(span, "the script has two texts: keep one of `source`, `file` and `function`");
            }
            found.callee = Some(match name {
                "source" => Callee::Source(meta.value()?.parse()?),
                "file" => Callee::File(meta.value()?.parse()?),
                _ => Callee::Function(function(meta.value()?.parse()?, diag)),
            });
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
    let mut set = Vec::new();
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
            if is_repeated("arg", meta.path.span(), &mut set, diag) {
                return skip_value(&meta);
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
    pub(crate) fn span(&self) -> Span {
        match self {
            Self::Source(source) => source.span(),
            Self::File(text) | Self::Function(text) => text.span(),
        }
    }

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
