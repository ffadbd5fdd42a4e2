//! The error for two keys of one request that are in different slots of a cluster.

use super::short_name::short_name;

/// Two keys of one request that are in different slots, with their slots.
#[derive(Debug, Clone)]
pub(crate) struct SlotConflict {
    pub(crate) one: (String, u16),
    pub(crate) other: (String, u16),
}

impl SlotConflict {
    /// Returns the message. `template_of` returns the template of a key, if it is known.
    pub(super) fn message(&self, template_of: &mut dyn FnMut(&str) -> Option<&'static str>) -> String {
        let Self { one: (one, slot_of_one), other: (other, slot_of_other) } = self;
        let (template_of_one, template_of_other) = (template_of(one), template_of(other));
        let (one, other) = (short_name(one), short_name(other));
        let advice = if template_of_one.is_some() && template_of_one == template_of_other {
            "use keys with the same hash tag together (`hash_tag = ..` on the template), or use one key at a time"
        } else {
            "set the same hash tag on both templates (`hash_tag = ..`), or use one key at a time"
        };
        let of = |template: Option<&str>| {
            template.map(|template| format!(" of the template {template:?}")).unwrap_or_default()
        };
        format!(
            "the keys of one command must be in the same slot of a cluster, but {one:?}{} is in slot {slot_of_one} \
             and {other:?}{} is in slot {slot_of_other}; nothing was sent; {advice}",
            of(template_of_one),
            of(template_of_other),
        )
    }
}
