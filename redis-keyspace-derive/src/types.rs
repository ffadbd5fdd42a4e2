//! Formats types as in source code.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;

/// Returns `Json<Vec<Sku>>`, where the tokens would print as `Json < Vec < Sku > >`.
pub(crate) fn text(ty: &impl ToTokens) -> String {
    let mut text = String::new();
    write(ty.to_token_stream(), &mut text);
    text.trim_end().to_owned()
}

fn write(tokens: TokenStream, text: &mut String) {
    for token in tokens {
        match token {
            TokenTree::Punct(punct) => {
                let c = punct.as_char();
                // `->` is the only operator of two characters with spaces around it.
                let starts_arrow = c == '-' && punct.spacing() == Spacing::Joint;
                let ends_arrow = c == '>' && text.ends_with('-');
                if (starts_arrow || matches!(c, '+' | '=')) && !text.ends_with(' ') {
                    text.push(' ');
                }
                text.push(c);
                if ends_arrow || matches!(c, ',' | ';' | '+' | '=') {
                    text.push(' ');
                }
            }
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::None => ("", ""),
                };
                text.push_str(open);
                write(group.stream(), text);
                text.push_str(close);
            }
            TokenTree::Ident(_) | TokenTree::Literal(_) => {
                if text.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
                    text.push(' ');
                }
                text.push_str(&token.to_string());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn types_are_formatted_as_in_source_code() {
        for ty in [
            "u64",
            "Json<Vec<Sku>>",
            "&str",
            "&'static str",
            "&'a mut Cow<'_, str>",
            "[u8; 16]",
            "(u8, String)",
            "Box<dyn Fn(u8) -> bool + Send>",
            "<Cart as Stored>::Kind",
            "::std::net::IpAddr",
            "Map<K, V, Item = u8>",
        ] {
            let tokens: proc_macro2::TokenStream = ty.parse().unwrap();
            assert_eq!(super::text(&tokens), ty);
        }
    }
}
