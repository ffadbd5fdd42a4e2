//! Checks the template, and its placeholders against the parameters.

use proc_macro2::Ident;

use crate::attr::list;
use crate::diag::{Diag, did_you_mean};
use crate::model::{Entry, Keyspace, Param};
use crate::template::{Hole, Mistake, Piece, Template, caret};

pub(super) fn template(model: &Keyspace<'_>, entry: &Entry<'_>, diag: &Diag) {
    let Some(template) = &entry.template else { return };
    let written = entry.written.as_deref();
    let mark = |at| {
        written
            .filter(|text| !text.is_empty())
            .map(|text| format!("\n{}", caret(text, at)))
            .unwrap_or_default()
    };
    for problem in &template.problems {
        // Without a separator, keys can't be parsed. With `parse = false`, they need not be.
        if !entry.parses && matches!(problem.what, Mistake::Adjacent(..)) {
            continue;
        }
        // Only the compiler knows all characters of names.
        if let Mistake::NoName(name) = &problem.what
            && entry.params.iter().any(|param| param.name() == Some(name))
        {
            continue;
        }
        let reason = match problem.what {
            Mistake::LeadingColon if model.prefix().is_some() => {
                "; the `:` after the prefix is added automatically"
            }
            _ => "",
        };
        diag.error(entry.template_span, format!("{}{reason}{}", problem.what, mark(&problem.at)));
    }
    for hole in unfilled(entry, template) {
        // If the name is invalid or a parameter has no name, that is already reported.
        if template.problems.iter().any(|problem| problem.at == hole.at)
            || entry.params.iter().any(|param| param.ident.is_none())
        {
            continue;
        }
        let (name, field) = (&hole.name, &entry.name);
        let names: Vec<&str> = entry.params.iter().filter_map(Param::name).collect();
        let advice = match meant(hole, entry, template) {
            Some(close) => format!("did you mean `{{{close}}}`?"),
            None if names.is_empty() => {
                format!("`{field}` has no parameters; declare it as `fn({name}: ..) -> ..`")
            }
            None => format!(
                "the parameters of `{field}` are {}; add `{name}: ..` to its `fn`, or remove the placeholder",
                list(&names),
            ),
        };
        diag.error(
            entry.template_span,
            format!("unknown placeholder `{{{name}}}`: {advice}{}", mark(&hole.at)),
        );
    }
}

/// The placeholders that match no parameter.
fn unfilled<'t>(entry: &Entry<'_>, template: &'t Template) -> impl Iterator<Item = &'t Hole> {
    template.holes().filter(|hole| entry.param(hole).is_none())
}

/// The parameter that a misspelled placeholder most likely means. Only unused parameters count.
fn meant(hole: &Hole, entry: &Entry<'_>, template: &Template) -> Option<String> {
    let is_free = |name: &&str| template.holes().all(|hole| hole.name != **name);
    let free: Vec<&str> = entry.params.iter().filter_map(Param::name).filter(is_free).collect();
    did_you_mean(&hole.name, &free).map(str::to_owned)
}

/// Reports a parameter that is not in the template.
pub(super) fn unused(entry: &Entry<'_>, ident: &Ident, name: &str, diag: &Diag) {
    let Some(template) = &entry.template else { return };
    let is_meant_by = |mistake: &Mistake| match mistake {
        // The name is in the template, with a syntax error that is already reported.
        Mistake::TypedHole(hole, _) | Mistake::RawHole(hole) => hole == name,
        Mistake::NoName(hole) => hole.contains(name),
        // An invalid hole may be meant for any parameter.
        Mistake::Empty
        | Mistake::Unclosed
        | Mistake::Unopened
        | Mistake::EmptyHole
        | Mistake::NumberedHole => true,
        _ => false,
    };
    if template.holes().any(|hole| hole.name == name)
        || template.problems.iter().any(|problem| is_meant_by(&problem.what))
        || unfilled(entry, template)
            .any(|hole| meant(hole, entry, template).is_some_and(|meant| meant == name))
    {
        return;
    }
    let is_in_doubled_braces = template
        .pieces
        .iter()
        .any(|piece| matches!(piece, Piece::Literal(text) if text.contains(&format!("{{{name}}}"))));
    let advice = if is_in_doubled_braces {
        format!(
            "`{{{{{name}}}}}` is literal text; for a placeholder in literal braces, write `{{{{{{{name}}}}}}}`"
        )
    } else {
        format!("add `{{{name}}}` to the template, or remove the parameter")
    };
    diag.error(ident.span(), format!("the parameter `{name}` is not in the template: {advice}"));
}
