//! `#[key(..)]` on a field.

use proc_macro2::Span;
use syn::{Attribute, LitStr};

use super::value::{self, Ttl};
use super::{Place, Setting, items, usage};
use crate::diag::Diag;

/// What a field's attributes state.
#[derive(Default)]
pub(crate) struct Entry {
    pub(crate) template: Setting<LitStr>,
    pub(crate) ttl: Setting<Ttl>,
}

impl Entry {
    pub(crate) fn new(attributes: &[Attribute], diag: &Diag) -> Self {
        let mut entry = Self::default();
        let mut first: Option<Span> = None;
        for item in items(attributes, Place::Entry, diag) {
            match (&item.name, &item.value) {
                (Some(_), _) if item.is_reported() => entry.ttl = Setting::Bad,
                (Some(_), _) => entry.ttl = value::ttl(&item, diag).into(),
                (None, Some(tokens)) => {
                    if let Some(first) = first {
                        diag.error(item.span, "a field has one template: keep one of them");
                        diag.error(first, "the template was first stated here");
                        continue;
                    }
                    first = Some(item.span);
                    entry.template = match syn::parse2::<LitStr>(tokens.clone()) {
                        Ok(template) => Setting::Good(template),
                        Err(_) => {
                            diag.error(
                                item.span,
                                format!("a template is a string literal: {}", usage(Place::Entry)),
                            );
                            Setting::Bad
                        }
                    };
                }
                (None, None) => {}
            }
        }
        entry
    }
}
