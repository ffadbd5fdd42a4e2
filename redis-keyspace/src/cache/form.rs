//! The commands that read and store the values of a kind.

use super::packed;
use crate::error::{Error, Result};
use crate::kind::FieldMeta;
use crate::protocol::{Args, MOST_IN_SCRIPT};
use crate::time::{Expiry, millis, unix_millis};

/// The maximum number of arguments for elements in one command of a script.
const MOST_ARGUMENTS: usize = MOST_IN_SCRIPT - 8;

/// The maximum number of elements of a collection that is filled. A command has at most 1,048,576
/// arguments.
const MOST_ELEMENTS: usize = 1_000_000;

/// The commands that read and store the values of a kind.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub enum FillForm {
    /// The single value of a key.
    Value,
    /// A field of a hash.
    Field,
    /// All elements of a key, which are read and stored together.
    Collection(CollectionForm),
}

/// The commands of a collection.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct CollectionForm {
    /// The command that reads all elements.
    pub(super) read: &'static str,
    /// Its arguments after the key.
    pub(super) range: &'static [&'static str],
    /// The command that adds elements.
    pub(super) write: &'static str,
    /// How many elements each entry has: 2 for fields with values, and for members with scores.
    pub(super) width: usize,
    /// Whether the second element of each entry precedes the first one in the command.
    pub(super) is_reversed: bool,
    /// The fields that may have a lifetime.
    pub(super) fields: &'static [FieldMeta],
}

impl FillForm {
    /// The command that reads the value.
    pub(crate) const fn read(&self) -> &'static str {
        match self {
            Self::Value => "GET",
            Self::Field => "HMGET",
            Self::Collection(form) => form.read,
        }
    }

    /// The command that stores it.
    pub(crate) const fn write(&self) -> &'static str {
        match self {
            Self::Value => "SET",
            Self::Field => "HSET",
            Self::Collection(form) => form.write,
        }
    }

    pub(super) const fn collection(&self) -> Option<&CollectionForm> {
        match self {
            Self::Collection(form) => Some(form),
            Self::Value | Self::Field => None,
        }
    }

    pub(super) const fn is_field(&self) -> bool {
        matches!(self, Self::Field)
    }
}

impl CollectionForm {
    /// The form of a collection that one command reads as a list of elements.
    pub(super) const fn new(read: &'static str, write: &'static str, width: usize) -> Self {
        Self { read, range: &[], write, width, is_reversed: false, fields: &[] }
    }

    /// Whether any field of a record has its own lifetime.
    pub(super) fn has_lasting_fields(&self) -> bool {
        self.fields.iter().any(|field| field.ttl.is_some())
    }

    /// Appends the commands that store these packed elements in a new key, as the script reads
    /// them: each with its name and the number of arguments after the key.
    pub(super) fn push_commands(&self, packed: &[u8], expiry: Expiry, args: &mut Args) -> Result<()> {
        let mut elements = packed::parse(packed).map_err(Error::decode)?;
        if elements.len() > MOST_ELEMENTS {
            return Err(Error::invalid_input(format!(
                "a collection of {} elements is too large to be filled: the maximum is {MOST_ELEMENTS}; nothing was stored",
                elements.len()
            )));
        }
        let lasting = self.lasting(&elements);
        if self.is_reversed {
            elements.chunks_exact_mut(2).for_each(|entry| entry.reverse());
        }
        let most = MOST_ARGUMENTS - MOST_ARGUMENTS % self.width.max(1);
        for chunk in elements.chunks(most) {
            push_command(args, self.write, chunk);
        }
        for (ttl, fields) in lasting {
            let (ttl, count) = (ttl.to_string(), fields.len().to_string());
            let words: Vec<&[u8]> =
                [ttl.as_bytes(), b"FIELDS", count.as_bytes()].into_iter().chain(fields).collect();
            push_command(args, "HPEXPIRE", &words);
        }
        match expiry {
            Expiry::After(lifetime) => {
                push_command(args, "PEXPIRE", &[millis(lifetime)?.to_string().as_bytes()]);
            }
            Expiry::At(time) => {
                push_command(args, "PEXPIREAT", &[unix_millis(time)?.to_string().as_bytes()]);
            }
            Expiry::Keep | Expiry::Never => {}
        }
        Ok(())
    }

    /// Returns the lifetimes in milliseconds of the fields that declare one, each with its fields.
    fn lasting<'e>(&self, elements: &[&'e [u8]]) -> Vec<(u64, Vec<&'e [u8]>)> {
        let mut lasting: Vec<(u64, Vec<&[u8]>)> = Vec::new();
        for name in elements.iter().step_by(2).filter(|_| !self.fields.is_empty()) {
            let declared = self.fields.iter().find(|field| field.name.as_bytes() == *name);
            let Some(ttl) = declared.and_then(|field| field.ttl) else { continue };
            match lasting.iter_mut().find(|(other, _)| *other == ttl) {
                Some((_, fields)) => fields.push(name),
                None => lasting.push((ttl, vec![name])),
            }
        }
        lasting
    }
}

fn push_command(args: &mut Args, name: &str, arguments: &[&[u8]]) {
    args.push(name.as_bytes());
    args.push_int(arguments.len());
    arguments.iter().for_each(|argument| args.push(argument));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn words(form: CollectionForm, elements: &[&str], expiry: Expiry) -> String {
        let (mut packed, mut args) = (Vec::new(), Args::default());
        elements.iter().for_each(|element| packed::push(&mut packed, element.as_bytes()));
        form.push_commands(&packed, expiry, &mut args).unwrap();
        let words: Vec<_> = args.iter().map(String::from_utf8_lossy).collect();
        words.join(" ")
    }

    #[test]
    fn a_collection_is_stored_with_its_lifetime() {
        let set = CollectionForm::new("SMEMBERS", "SADD", 1);
        let second = Expiry::After(Duration::from_secs(1));
        assert_eq!(words(set, &["a", "b"], second), "SADD 2 a b PEXPIRE 1 1000");
        let scores = CollectionForm { is_reversed: true, ..CollectionForm::new("ZRANGE", "ZADD", 2) };
        assert_eq!(words(scores, &["a", "1", "b", "2"], Expiry::Never), "ZADD 4 1 a 2 b");
    }

    #[test]
    fn fields_get_their_own_lifetimes() {
        static FIELDS: [FieldMeta; 3] = [
            FieldMeta::new("a", &[]).expiring(5),
            FieldMeta::new("b", &[]),
            FieldMeta::new("c", &[]).expiring(5),
        ];
        let record = CollectionForm { fields: &FIELDS, ..CollectionForm::new("HGETALL", "HSET", 2) };
        let elements = ["a", "1", "b", "2", "c", "c"];
        assert_eq!(words(record, &elements, Expiry::Never), "HSET 6 a 1 b 2 c c HPEXPIRE 5 5 FIELDS 2 a c");
    }

    #[test]
    fn many_elements_are_several_commands() {
        let elements: Vec<String> = (0..10_001).map(|number| number.to_string()).collect();
        let elements: Vec<&str> = elements.iter().map(String::as_str).collect();
        let hash = CollectionForm::new("HGETALL", "HSET", 2);
        let text = words(hash, elements.get(..10_000).unwrap(), Expiry::Never);
        let counts: Vec<usize> = text
            .split("HSET ")
            .skip(1)
            .map(|rest| rest.split(' ').next().unwrap().parse().unwrap())
            .collect();
        assert_eq!(counts.iter().sum::<usize>(), 10_000);
        assert!(counts.len() > 1 && counts.iter().all(|count| count % 2 == 0 && *count <= MOST_IN_SCRIPT));
    }
}
