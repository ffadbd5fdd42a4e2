//! The options of `get_or_set`. Those on the struct apply to all fields; a field overrides them.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{LitBool, LitStr};

use super::{Item, value};
use crate::diag::Diag;

/// The options of fills. Times are in milliseconds, percentages in thousandths.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fills {
    /// `fills = false`, or `fills = true`.
    pub(crate) enabled: Option<bool>,
    pub(crate) ttl_jitter: Option<u16>,
    pub(crate) stale_for: Option<u64>,
    pub(crate) early_refresh: Option<u16>,
    pub(crate) negative_ttl: Option<u64>,
    pub(crate) hard_timeout: Option<u64>,
    pub(crate) wait_timeout: Option<u64>,
    pub(crate) across_processes: Option<bool>,
    /// The names and spans of all options that are set.
    pub(crate) set: Vec<(String, Span)>,
}

impl Fills {
    /// Reads an item if it is an option of fills. Returns whether it is.
    pub(crate) fn take(&mut self, item: &Item, diag: &Diag) -> bool {
        let Some(name) = &item.name else { return false };
        match name.to_string().as_str() {
            _ if item.is_reported() => return false,
            "fills" => self.enabled = enabled(item, diag),
            "ttl_jitter" => self.ttl_jitter = part(item, diag),
            "stale_for" => self.stale_for = value::time(item, diag),
            "early_refresh" => self.early_refresh = part(item, diag),
            "negative_ttl" => self.negative_ttl = value::time(item, diag),
            "hard_timeout" => self.hard_timeout = value::time(item, diag),
            "wait_timeout" => self.wait_timeout = value::time(item, diag),
            "across_processes" => self.across_processes = flag(item, diag),
            _ => return false,
        }
        self.set.push((name.to_string(), item.span));
        true
    }

    /// Whether `fills = false` is set.
    pub(crate) fn are_disabled(&self) -> bool {
        self.enabled == Some(false)
    }

    /// The span of the first option.
    pub(crate) fn span(&self) -> Option<Span> {
        self.set.first().map(|&(_, span)| span)
    }

    /// These options, completed by `others` where one is not set here.
    pub(crate) fn or(&self, others: &Self) -> Self {
        Self {
            enabled: self.enabled.or(others.enabled),
            ttl_jitter: self.ttl_jitter.or(others.ttl_jitter),
            stale_for: self.stale_for.or(others.stale_for),
            early_refresh: self.early_refresh.or(others.early_refresh),
            negative_ttl: self.negative_ttl.or(others.negative_ttl),
            hard_timeout: self.hard_timeout.or(others.hard_timeout),
            wait_timeout: self.wait_timeout.or(others.wait_timeout),
            across_processes: self.across_processes.or(others.across_processes),
            set: self.set.clone(),
        }
    }
}

/// Parses a percentage such as `"10%"`. Returns thousandths.
fn part(item: &Item, diag: &Diag) -> Option<u16> {
    let tokens = item.value(diag)?;
    let span = tokens.span();
    let text = syn::parse2::<LitStr>(tokens).ok().map(|text| text.value());
    let thousandths = text.as_deref().and_then(|text| text.strip_suffix('%')).and_then(|percent| {
        let (whole, tenth) = percent.split_once('.').unwrap_or((percent, "0"));
        let digits =
            |text: &str| text.parse::<u16>().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
        let tenth = digits(tenth).filter(|_| tenth.len() == 1)?;
        digits(whole)?.checked_mul(10)?.checked_add(tenth)
    });
    let thousandths = thousandths.filter(|thousandths| (1..=1000).contains(thousandths));
    if thousandths.is_none() {
        let name = item.name.as_ref().map(ToString::to_string).unwrap_or_default();
        diag.error(
            span,
            format!("`{name}` must be a percentage from 0.1% to 100%: `{}`", super::example(&name)),
        );
    }
    thousandths
}

/// Parses `fills = false`.
fn enabled(item: &Item, diag: &Diag) -> Option<bool> {
    let tokens = item.value(diag)?;
    let span = tokens.span();
    let value = syn::parse2::<LitBool>(tokens).ok().map(|value| value.value);
    if value.is_none() {
        diag.error(
            span,
            "`fills` must be `true` or `false`: write `fills = false` for keys that `get_or_set` never fills",
        );
    }
    value
}

/// Parses a flag: the bare name, `= true` or `= false`.
fn flag(item: &Item, diag: &Diag) -> Option<bool> {
    let Some(tokens) = item.value.clone() else { return Some(true) };
    let span = tokens.span();
    let value = syn::parse2::<LitBool>(tokens).ok().map(|value| value.value);
    if value.is_none() {
        diag.error(span, "`across_processes` must be a flag without a value, or `across_processes = false` to override the struct");
    }
    value
}
