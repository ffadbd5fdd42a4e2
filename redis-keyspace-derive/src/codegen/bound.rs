//! Generates the struct of `bound = BoundCartKeys`: it holds a handle and has the constructors as
//! methods.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::ext::IdentExt;

use super::paths::site;
use super::pattern::{self, Bodies};
use super::{docs, lints, named};
use crate::closed::without_self;
use crate::model::{Entry, Keyspace, Param};

/// The parameters of a constructor: their names, and their types with the keyspace's name for
/// `Self`.
pub(super) type Parameters = Vec<(Ident, TokenStream)>;

/// The struct. It is in the scope of the keyspace, so that users can name it.
pub(super) fn definition(model: &Keyspace<'_>, root: &TokenStream) -> TokenStream {
    let Some(ident) = &model.container.bound else { return TokenStream::new() };
    let vis = model.vis;
    let docs = docs::bound(model, ident);
    let hidden = model.forwarded.is_hidden.then(|| quote_spanned!(site()=> #[doc(hidden)]));
    let allowed = lints::allow(lints::BOUND, Some(&model.forwarded));
    quote_spanned! {site()=>
        #docs
        #hidden
        #allowed
        #vis struct #ident {
            redis: #root::Redis,
        }
    }
}

/// The parts that do not depend on the keys. They are in their own block, where an import shadows
/// any item named `redis` in the user's scope. The main block can't shadow that name, because the
/// declaration may use it.
pub(super) fn basics(model: &Keyspace<'_>, root: &TokenStream) -> TokenStream {
    let Some(ident) = &model.container.bound else { return TokenStream::new() };
    let vis = model.vis;
    let allowed = lints::allow(lints::BOUND, Some(&model.forwarded));
    let name = ident.unraw().to_string();
    let (new, handle) = (docs::bound_new(model), docs::bound_redis());
    quote_spanned! {site()=>
        #allowed
        const _: () = {
            use #root::__private::{self as __rk, bound_bindings::*};

            impl #ident {
                #new
                #[must_use]
                #vis fn new(redis: #root::Redis) -> Self {
                    Self { redis }
                }

                #handle
                #[must_use]
                #vis fn redis(&self) -> &#root::Redis {
                    &self.redis
                }
            }

            #[automatically_derived]
            impl ::core::convert::From<#root::Redis> for #ident {
                fn from(redis: #root::Redis) -> Self {
                    Self { redis }
                }
            }

            #[automatically_derived]
            impl ::core::clone::Clone for #ident {
                fn clone(&self) -> Self {
                    Self { redis: ::core::clone::Clone::clone(&self.redis) }
                }
            }

            #[automatically_derived]
            impl ::core::fmt::Debug for #ident {
                fn fmt(&self, __f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    __rk::debug_struct(__f, #name, &[("redis", &self.redis)])
                }
            }
        };
    }
}

/// The methods, for the main block.
pub(super) fn methods(
    model: &Keyspace<'_>,
    bodies: Bodies,
    parameters: &dyn Fn(&Entry<'_>) -> Parameters,
    root: &TokenStream,
    rk: &Ident,
) -> TokenStream {
    let Some(ident) = &model.container.bound else { return TokenStream::new() };
    let constructors =
        model.entries.iter().map(|entry| constructor(model, entry, bodies, parameters(entry), root));
    let patterns = pattern::bound(model, bodies, root, rk);
    let allowed = lints::allow(lints::BOUND, None);
    let impl_token = quote_spanned!(named::item(model)=> impl);
    quote_spanned! {site()=>
        #allowed
        #impl_token #ident {
            #(#constructors)*
            #patterns
        }
    }
}

/// The parameters of a valid declaration.
pub(super) fn parameters(model: &Keyspace<'_>, entry: &Entry<'_>) -> Parameters {
    let named = entry.params.iter().filter_map(|param| Some((param.ident?.clone(), param)));
    named.map(|(name, param)| (name, parameter_type(model, param))).collect()
}

/// Uses all items that are generated here, so that they are not dead code.
pub(super) fn mentions(model: &Keyspace<'_>) -> TokenStream {
    let Some(ident) = &model.container.bound else { return TokenStream::new() };
    let this = ident.to_token_stream();
    let constructors = model.entries.iter().map(|entry| named::mention(model, entry, &this, Some(&this)));
    let patterns = pattern::bound_names(model).map(|name| quote_spanned!(site()=> let _ = #this::#name;));
    quote_spanned!(site()=> let _ = #this::new; let _ = #this::redis; #(#constructors)* #(#patterns)*)
}

/// The type of a method's parameter.
pub(super) fn parameter_type(model: &Keyspace<'_>, param: &Param<'_>) -> TokenStream {
    named::parameter_type(param, without_self(param.ty.to_token_stream(), model.ident))
}

fn constructor(
    model: &Keyspace<'_>,
    entry: &Entry<'_>,
    bodies: Bodies,
    parameters: Parameters,
    root: &TokenStream,
) -> TokenStream {
    let docs = docs::constructor(model, entry);
    let deprecated = entry.forwarded.deprecated;
    let allowed = lints::allow(&[], Some(&entry.forwarded));
    let (keyspace, vis, name) = (model.ident, entry.vis, entry.ident);
    let kind = match &entry.kind {
        Some(kind) => named::kind(kind),
        None => quote_spanned!(site()=> ()),
    };
    let lifetimes = entry.signature.and_then(|signature| signature.lifetimes.as_ref()).map(|bound| {
        let lifetimes = &bound.lifetimes;
        quote_spanned!(site()=> <#lifetimes>)
    });
    let names: Vec<_> = parameters.iter().map(|(name, _)| name).collect();
    let body = match bodies {
        Bodies::Working => quote_spanned! {site()=>
            #root::Key::on(#keyspace::#name(#(#names),*), &self.redis)
        },
        Bodies::Empty => quote_spanned!(site()=> #(let _ = #names;)* ::core::unreachable!()),
    };
    let params = parameters.iter().map(|(name, ty)| quote_spanned!(site()=> #name: #ty));
    quote_spanned! {site()=>
        #docs
        #deprecated
        #allowed
        #vis fn #name #lifetimes (&self, #(#params),*) -> #root::Key<#keyspace, #kind> {
            #body
        }
    }
}
