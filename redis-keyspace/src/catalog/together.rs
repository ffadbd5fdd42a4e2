//! Templates whose keys must share a slot of a cluster, checked at compile time.

#![expect(clippy::indexing_slicing, reason = "`get` is not const, and this code runs at compile time")]

use super::check::equal;
use crate::key::Piece;
use crate::schema::{KeyspaceMeta, Message, TemplateMeta};

/// A template that a catalog lists in `together`: its keyspace and its field.
pub type TogetherEntry = (&'static KeyspaceMeta, &'static str);

/// Returns the error, if the keys of these templates can be in different slots.
pub const fn apart(entries: &[TogetherEntry]) -> Option<Message> {
    let mut nth = 0;
    while nth < entries.len() {
        let (keyspace, field) = entries[nth];
        let Some(template) = template_of(keyspace, field) else {
            let message = Message::EMPTY.with("`").with(keyspace.name).with("` has no field `");
            return Some(message.with(field).with("`, which `together` lists"));
        };
        if tag_of(template.pieces).is_none() {
            let message = Message::EMPTY.with("the template ");
            let message = named(message, template).with(
                " has no hash tag, so its keys are in any slot of a cluster: declare `hash_tag = ..` on it, or remove it \
                 from `together`",
            );
            return Some(message);
        }
        if nth > 0
            && let Some(first) = template_of(entries[0].0, entries[0].1)
            && !have_same_tag(first.pieces, template.pieces)
        {
            let message = named(Message::EMPTY.with("the templates "), first).with(" and ");
            return Some(named(message, template).with(
                " have different hash tags, so their keys are in different slots of a cluster: declare `hash_tag` with \
                 an argument of the same name and type on both",
            ));
        }
        nth += 1;
    }
    None
}

const fn named(message: Message, template: &TemplateMeta) -> Message {
    let message = message.with("\"").with(template.template).with("\" of `").with(template.keyspace);
    message.with("::").with(template.field).with("`")
}

const fn template_of(keyspace: &'static KeyspaceMeta, field: &str) -> Option<&'static TemplateMeta> {
    // The macro names a field as in source code, and a template's field has no `r#`.
    let field = match field.as_bytes() {
        [b'r', b'#', ..] => field.split_at(2).1,
        _ => field,
    };
    let mut nth = 0;
    while nth < keyspace.templates.len() {
        if equal(keyspace.templates[nth].field, field) {
            return Some(&keyspace.templates[nth]);
        }
        nth += 1;
    }
    None
}

/// A position in a template: the index of a piece, and of a byte in it.
#[derive(Clone, Copy)]
struct TagPosition {
    piece: usize,
    byte: usize,
}

/// What is at a position.
enum TagElement<'t> {
    Byte(u8),
    Argument(&'t str, &'t str),
    End,
}

impl TagPosition {
    const fn element(self, pieces: &[Piece]) -> TagElement<'_> {
        if self.piece >= pieces.len() {
            return TagElement::End;
        }
        match &pieces[self.piece] {
            Piece::Literal(text) => TagElement::Byte(text.as_bytes()[self.byte]),
            Piece::Argument(argument) => TagElement::Argument(argument.name, argument.type_name),
        }
    }

    const fn next(self, pieces: &[Piece]) -> Self {
        match &pieces[self.piece] {
            Piece::Literal(text) if self.byte + 1 < text.len() => Self { byte: self.byte + 1, ..self },
            _ => Self { piece: self.piece + 1, byte: 0 },
        }
    }
}

/// Returns the start of the hash tag: the text between the first `{` and the next `}`, if it is not
/// empty.
const fn tag_of(pieces: &[Piece]) -> Option<TagPosition> {
    let mut at = TagPosition { piece: 0, byte: 0 };
    loop {
        match at.element(pieces) {
            TagElement::End => return None,
            TagElement::Byte(b'{') => break,
            _ => at = at.next(pieces),
        }
    }
    let start = at.next(pieces);
    let mut at = start;
    loop {
        match at.element(pieces) {
            TagElement::End => return None,
            TagElement::Byte(b'}') if at.piece == start.piece && at.byte == start.byte => return None,
            TagElement::Byte(b'}') => return Some(start),
            _ => at = at.next(pieces),
        }
    }
}

const fn have_same_tag(one: &[Piece], other: &[Piece]) -> bool {
    let (Some(mut of_one), Some(mut of_other)) = (tag_of(one), tag_of(other)) else { return false };
    loop {
        match (of_one.element(one), of_other.element(other)) {
            (TagElement::Byte(b'}'), TagElement::Byte(b'}')) => return true,
            (TagElement::Byte(a), TagElement::Byte(b)) if a == b && a != b'}' => {}
            (TagElement::Argument(name, kind), TagElement::Argument(others_name, others_kind))
                if equal(name, others_name) && equal(kind, others_kind) => {}
            _ => return false,
        }
        (of_one, of_other) = (of_one.next(one), of_other.next(other));
    }
}
