//! Reads arguments from the bytes of an input.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The fields of an input, separated by 0xff, which UTF-8 never contains. A missing field is empty.
pub(crate) struct Input<'d> {
    rest: &'d [u8],
}

impl<'d> Input<'d> {
    pub(crate) fn new(data: &'d [u8]) -> Self {
        Self { rest: data }
    }

    fn field(&mut self) -> &'d [u8] {
        let end = self.rest.iter().position(|&byte| byte == 0xff).unwrap_or(self.rest.len());
        let field = &self.rest[..end];
        self.rest = self.rest.get(end + 1..).unwrap_or_default();
        field
    }

    pub(crate) fn text(&mut self) -> Cow<'d, str> {
        String::from_utf8_lossy(self.field())
    }

    pub(crate) fn number(&mut self) -> u128 {
        self.field().iter().fold(0, |number: u128, byte| number << 8 | u128::from(*byte))
    }

    pub(crate) fn character(&mut self) -> char {
        self.text().chars().next().unwrap_or_default()
    }

    pub(crate) fn address(&mut self) -> IpAddr {
        let number = self.number();
        u32::try_from(number)
            .map_or_else(|_| Ipv6Addr::from(number).into(), |short| Ipv4Addr::from(short).into())
    }
}
