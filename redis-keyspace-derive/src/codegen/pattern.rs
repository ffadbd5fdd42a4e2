//! Generates patterns: for each template with arguments, a function that returns the pattern of all
//! its keys, and a method for each argument that binds it.

use std::collections::BTreeSet;

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::ext::IdentExt;

use super::meta::templates_ident;
use super::parsed_impls::at_type;
use super::paths::{at, moved, site};
use super::{docs, lints, named};
use crate::closed::without_self;
use crate::model::{Entry, Keyspace, Param};
use crate::names::pattern_name;

/// What the bodies of the functions contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bodies {
    Working,
    /// Nothing, because the declaration has errors and never runs.
    Empty,
}

/// The type of all patterns of the keyspace. It is in the scope of the struct, so that users can
/// name it. All templates share one type with a type parameter, because one type per template would
/// double the compile time. The parameter is a [type](fields) per field instead of the field's
/// number. Both compile equally fast, but `CartKeysPattern<Json<Cart>, UserKeys>` is readable in
/// hovers and errors.
pub(super) fn definition(model: &Keyspace<'_>, root: &TokenStream) -> TokenStream {
    if with_arguments(model).next().is_none() {
        return TokenStream::new();
    }
    let (keyspace, vis, ident) = (model.ident, model.vis, ident(model));
    let (kind, field, bound) = parameters(model);
    let docs = docs::pattern(model);
    let hidden = model.forwarded.is_hidden.then(|| quote_spanned!(site()=> #[doc(hidden)]));
    let allowed = lints::allow(lints::PATTERN, Some(&model.forwarded));
    // Generic over the kind, so that a private kind does not appear in public impls.
    quote_spanned! {site()=>
        #docs
        #hidden
        #allowed
        #[must_use = "a pattern does nothing by itself: call an operation on it and await that"]
        #vis struct #ident<#kind, #field, #bound = #root::scan::Restricted> {
            pattern: #root::scan::Pattern<#keyspace, #kind, #bound>,
            field: ::core::marker::PhantomData<fn() -> #field>,
        }
    }
}

/// The types that distinguish the patterns. They are in the block, because in the scope of the
/// struct they could conflict with the user's types.
pub(super) fn fields(model: &Keyspace<'_>) -> TokenStream {
    let fields = with_arguments(model).map(|(_, entry)| {
        let field = field(model, entry);
        quote_spanned!(site()=> pub enum #field {})
    });
    fields.collect()
}

/// The type of a field's pattern: `UserKeys` for the function `user_keys`.
fn field(model: &Keyspace<'_>, entry: &Entry<'_>) -> Ident {
    model.names.visible(&entry.marker, site())
}

/// The type parameters: the kind, the field, and whether an argument is bound.
fn parameters(model: &Keyspace<'_>) -> (Ident, Ident, Ident) {
    let names = ["V", "Field", "Bound"].map(|name| model.names.visible(name, site()));
    names.into()
}

pub(super) fn impls(model: &Keyspace<'_>, bodies: Bodies, rk: &Ident) -> TokenStream {
    if with_arguments(model).next().is_none() {
        return TokenStream::new();
    }
    let (keyspace, ident) = (model.ident, ident(model));
    let (kind, any_field, bound) = parameters(model);
    let f = model.names.internal("f", site());
    let allowed = lints::allow(lints::PATTERN_METHODS, None);
    let impl_token = quote_spanned!(named::item(model)=> impl);
    let impls = with_arguments(model).map(|(_, entry)| {
        let methods = arguments(entry).map(|(name, param)| method(model, entry, name, param, bodies, rk));
        let field = field(model, entry);
        quote_spanned! {site()=>
            #allowed
            #impl_token<#kind, #bound> #ident<#kind, #field, #bound> {
                #(#methods)*
            }
        }
    });
    let impls: TokenStream = impls.collect();
    let helpers = (bodies == Bodies::Working).then(|| helpers(model, rk));
    quote_spanned! {site()=>
        #helpers
        #impls

        #[automatically_derived]
        impl<#kind, #any_field, #bound> ::core::ops::Deref for #ident<#kind, #any_field, #bound> {
            type Target = #rk::Pattern<#keyspace, #kind, #bound>;
            fn deref(&self) -> &#rk::Pattern<#keyspace, #kind, #bound> {
                &self.pattern
            }
        }

        #[automatically_derived]
        impl<#kind, #any_field, #bound> ::core::clone::Clone for #ident<#kind, #any_field, #bound> {
            fn clone(&self) -> Self {
                Self { pattern: ::core::clone::Clone::clone(&self.pattern), field: self.field }
            }
        }

        #[automatically_derived]
        impl<#kind, #any_field, #bound> ::core::fmt::Debug for #ident<#kind, #any_field, #bound> {
            fn fmt(&self, #f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::core::fmt::Debug::fmt(&self.pattern, #f)
            }
        }
    }
}

/// The functions that all methods and constructors of patterns call. A call compiles faster than
/// their bodies would in each place.
fn helpers(model: &Keyspace<'_>, rk: &Ident) -> TokenStream {
    let (ident, (kind, field, bound)) = (ident(model), parameters(model));
    let [new, bind, template, this] =
        ["pattern", "bind", "template", "this"].map(|name| model.names.internal(name, site()));
    let [index, hole, argument] = ["a0", "a0", "a1"].map(|name| model.names.internal(name, site()));
    let any = model.names.internal("A", site());
    quote_spanned! {site()=>
        fn #new<#kind, #field>(
            #template: &'static #rk::TemplateMeta,
            #index: ::core::primitive::usize,
        ) -> #ident<#kind, #field, #rk::Unrestricted> {
            #ident { pattern: #rk::Pattern::new(#template, #index), field: ::core::marker::PhantomData }
        }

        fn #bind<#kind, #field, #bound, #any: #rk::KeyArgument>(
            #this: #ident<#kind, #field, #bound>,
            #hole: ::core::primitive::usize,
            #argument: &#any,
        ) -> #ident<#kind, #field> {
            #ident { pattern: #this.pattern.bind(#hole, #argument), field: #this.field }
        }
    }
}

fn method(
    model: &Keyspace<'_>,
    entry: &Entry<'_>,
    name: &Ident,
    param: &Param<'_>,
    bodies: Bodies,
    rk: &Ident,
) -> TokenStream {
    let (pattern_ident, (kind, ..), field) = (ident(model), parameters(model), field(model, entry));
    // In this impl, `Self` is the pattern.
    let (vis, ty) = (entry.vis, without_self(param.ty.to_token_stream(), model.ident));
    let ty = named::parameter_type(param, ty);
    // With a span of the expansion, because the lint against dead code does not check that. To name
    // each method would take longer than everything else: the compiler looks for it in the impls of
    // all fields.
    let method = in_expansion(name);
    let docs = docs::binding(&name.unraw().to_string());
    let holes = entry.template.iter().flat_map(|template| template.holes());
    let hole = holes.into_iter().position(|hole| param.name() == Some(&hole.name));
    let body = match (bodies, hole) {
        (Bodies::Working, Some(hole)) => {
            let (required, argument) = (named::require_argument(model, param, rk), at_type(name, param.span));
            let (bind, converted) = (model.names.internal("bind", param.span), named::converted(param));
            let this = Ident::new("self", at(param.span));
            let bind = quote_spanned!(param.span=> #bind(#this, #hole, &#argument));
            quote_spanned!(site()=> #required #converted #bind)
        }
        _ => quote_spanned!(site()=> let _ = (self, #name); ::core::unreachable!()),
    };
    quote_spanned! {site()=>
        #docs
        #vis fn #method(self, #name: #ty) -> #pattern_ident<#kind, #field> {
            #body
        }
    }
}

/// The functions such as `user_keys`, for the keyspace's impl.
pub(super) fn constructors(
    model: &Keyspace<'_>,
    bodies: Bodies,
    root: &TokenStream,
    rk: &Ident,
) -> TokenStream {
    let new = model.names.internal("pattern", site());
    let unplaced = |template: TokenStream| quote_spanned!(site()=> #new(#template));
    let delete = |glob: &Ident| quote_spanned!(site()=> #rk::delete_pattern::<Self>(#glob));
    functions(model, bodies, root, &TokenStream::new(), &unplaced, &delete)
}

/// The functions as methods of the struct that is bound to a handle.
pub(super) fn bound(model: &Keyspace<'_>, bodies: Bodies, root: &TokenStream, rk: &Ident) -> TokenStream {
    let (this, receiver) = (model.ident, quote_spanned!(site()=> &self,));
    let ty = ident(model);
    let on_handle = |template: TokenStream| {
        quote_spanned! {site()=>
            #ty {
                pattern: #rk::Pattern::on(&#rk::Pattern::new(#template), &self.redis),
                field: ::core::marker::PhantomData,
            }
        }
    };
    let delete = |glob: &Ident| {
        quote_spanned! {site()=>
            #rk::Sweep::on(#rk::delete_pattern::<#this>(#glob), &self.redis)
        }
    };
    functions(model, bodies, root, &receiver, &on_handle, &delete)
}

/// A function for the pattern of each template, and `delete_pattern`. `new` creates a pattern from
/// its template and the template's index.
fn functions(
    model: &Keyspace<'_>,
    bodies: Bodies,
    root: &TokenStream,
    receiver: &TokenStream,
    new: &dyn Fn(TokenStream) -> TokenStream,
    delete: &dyn Fn(&Ident) -> TokenStream,
) -> TokenStream {
    let templates = templates_ident(model);
    // Skips names that a field already uses. These conflicts are reported.
    let taken: BTreeSet<&str> = model.entries.iter().map(|entry| entry.name.as_str()).collect();
    let free =
        with_arguments(model).filter(|(_, entry)| !taken.contains(constructor_name(&entry.name).as_str()));
    let constructors = free.map(|(index, entry)| {
        let (docs, allowed) =
            (docs::pattern_constructor(model, entry), lints::allow(&[], Some(&entry.forwarded)));
        let deprecated = entry.forwarded.deprecated;
        let (vis, name, ty, field) = (entry.vis, constructor(entry), ident(model), field(model, entry));
        let kind = match &entry.kind {
            Some(kind) => named::kind(kind),
            None => quote_spanned!(site()=> ()),
        };
        let body = match bodies {
            Bodies::Working => new(quote_spanned!(site()=> &#templates[#index], #index)),
            Bodies::Empty => quote_spanned!(site()=> ::core::unreachable!()),
        };
        quote_spanned! {site()=>
            #docs
            #deprecated
            #allowed
            #vis fn #name(#receiver) -> #ty<#kind, #field, #root::scan::Unrestricted> {
                #body
            }
        }
    });
    let mut functions: TokenStream = constructors.collect();
    if !taken.contains("delete_pattern") {
        let (docs, vis, glob) = (docs::delete_pattern(model), model.vis, glob(model));
        let sweep = delete(&glob);
        functions.extend(quote_spanned! {site()=>
            #docs
            #vis fn delete_pattern(#receiver #glob: &::core::primitive::str) -> #root::scan::Sweep<'static> {
                #sweep
            }
        });
    }
    functions
}

/// The names of these methods.
pub(super) fn bound_names(model: &Keyspace<'_>) -> impl Iterator<Item = Ident> {
    let patterns = with_arguments(model).map(|(_, entry)| constructor(entry));
    patterns.chain([Ident::new("delete_pattern", site())])
}

/// The parameter of `delete_pattern`.
fn glob(model: &Keyspace<'_>) -> Ident {
    if model.names.can_import_bindings() {
        Ident::new("glob", site())
    } else {
        model.names.internal("glob", site())
    }
}

/// Uses the functions that return patterns, so that they are not dead code.
pub(super) fn mentions(model: &Keyspace<'_>) -> TokenStream {
    let this = model.ident;
    let patterns = with_arguments(model).map(|(_, entry)| {
        let constructor = constructor(entry);
        quote_spanned!(site()=> let _ = #this::#constructor;)
    });
    let patterns: TokenStream = patterns.collect();
    quote_spanned!(site()=> let _ = #this::delete_pattern; #patterns)
}

/// The name of the function that returns the pattern of a field.
fn constructor_name(field: &str) -> String {
    format!("{field}{SUFFIX}")
}

/// The field whose pattern a function of this name would return.
pub(crate) fn field_of_pattern(function: &str) -> Option<&str> {
    function.strip_suffix(SUFFIX)
}

const SUFFIX: &str = "_keys";

fn constructor(entry: &Entry<'_>) -> Ident {
    Ident::new(&constructor_name(&entry.name), entry.ident.span())
}

/// The same name with a span of the expansion. It must then be a name in the edition of this crate.
fn in_expansion(name: &Ident) -> Ident {
    let span = at(name.span());
    if name == "gen" { Ident::new_raw("gen", span) } else { moved(name, span) }
}

fn ident(model: &Keyspace<'_>) -> Ident {
    Ident::new(&pattern_name(model.ident), named::item(model))
}

/// The entries that have a pattern. Entries with `for<..>` have none; they are already reported.
fn with_arguments<'m, 'a>(model: &'m Keyspace<'a>) -> impl Iterator<Item = (usize, &'m Entry<'a>)> {
    model.entries.iter().enumerate().filter(|(_, entry)| {
        let names_lifetimes = entry.signature.is_some_and(|signature| signature.lifetimes.is_some());
        !names_lifetimes && entry.parses && arguments(entry).next().is_some()
    })
}

/// The parameters that have a name. Of two with the same name, only the first.
fn arguments<'m, 'a>(entry: &'m Entry<'a>) -> impl Iterator<Item = (&'m Ident, &'m Param<'a>)> {
    let named = entry.params.iter().enumerate();
    named.filter_map(|(index, param)| {
        let ident = param.ident?;
        let is_first = !entry.params.iter().take(index).any(|other| other.ident == Some(ident));
        (is_first && param.refused().is_none()).then_some((ident, param))
    })
}
