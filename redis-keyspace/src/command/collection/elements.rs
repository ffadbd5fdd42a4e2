//! Elements in wire form.

use crate::error::Error;
use crate::protocol::Args;

/// Encoded elements, each of which has as many arguments.
pub(super) struct EncodedElements {
    args: Args,
    count: usize,
}

impl EncodedElements {
    /// Takes the arguments of the only element.
    pub(super) fn one(args: Args) -> Self {
        Self { args, count: 1 }
    }

    /// Encodes elements into one buffer.
    pub(super) fn encode<I>(
        elements: impl IntoIterator<Item = I>,
        mut push: impl FnMut(I, &mut Args) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let (mut args, mut count) = (Args::default(), 0);
        for element in elements {
            push(element, &mut args)?;
            count += 1;
        }
        Ok(Self { args, count })
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns the arguments of all elements.
    pub(super) fn into_args(self) -> Args {
        self.args
    }

    /// Returns the arguments of all elements. If there are more than `most`, returns them in parts
    /// of whole elements.
    pub(super) fn in_one_part_of(self, most: usize) -> Result<Args, Vec<Args>> {
        let Self { args, count } = self;
        if args.len() <= most {
            return Ok(args);
        }
        let width = (args.len() / count.max(1)).max(1);
        let of_part = (most / width).max(1) * width;
        let mut arguments = args.iter().peekable();
        let mut parts = Vec::with_capacity(args.len().div_ceil(of_part));
        while arguments.peek().is_some() {
            let mut part = Args::default();
            arguments.by_ref().take(of_part).for_each(|argument| part.push(argument));
            parts.push(part);
        }
        Err(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(count: u32) -> EncodedElements {
        let push = |nth: u32, args: &mut Args| {
            args.push_int(nth);
            args.push(b"value");
            Ok(())
        };
        EncodedElements::encode(0..count, push).unwrap()
    }

    #[test]
    fn elements_are_never_torn_apart() {
        for (count, most, expected) in [(0, 4, &[0][..]), (2, 4, &[4]), (3, 4, &[4, 2]), (3, 5, &[4, 2])] {
            let parts = pairs(count).in_one_part_of(most).map_or_else(|parts| parts, |all| vec![all]);
            assert_eq!(parts.iter().map(Args::len).collect::<Vec<_>>(), expected);
            let all: Vec<_> = parts.iter().flat_map(Args::iter).map(<[u8]>::to_vec).collect();
            let whole: Vec<_> = pairs(count).into_args().iter().map(<[u8]>::to_vec).collect();
            assert_eq!(all, whole);
        }
    }
}
