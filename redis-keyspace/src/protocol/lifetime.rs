//! Replaces the TTL in commands that are already built.

use super::args::Args;
use super::key_lifetime::KeyLifetime;
use super::keys::Keys;
use super::packet::{Packet, PacketLifetime};
use super::request::Request;
use crate::error::{Error, Result};
use crate::time::Expiry;

impl Packet {
    /// Returns the command that creates a counter with its lifetime if it does not exist; `None`
    /// without a lifetime.
    pub(crate) fn creating_counter(keys: &Keys, expiry: Expiry) -> Result<Option<Self>> {
        if matches!(expiry, Expiry::Never) {
            return Ok(None);
        }
        let mut packet = Self::new("SET", keys.clone());
        packet.args.push(b"0");
        packet.args.push(b"NX");
        expiry.push_for_set(&mut packet.args)?;
        Ok(Some(packet))
    }

    /// Marks the TTL at this position as the declared one.
    pub(crate) fn with_declared_lifetime(&mut self, place: PacketLifetime, inherits: bool) {
        self.lifetime = Some(place);
        self.inherits_lifetime = inherits;
    }
}

impl Request {
    /// Whether the request sets a declared TTL.
    pub(crate) fn has_declared_lifetime(&self) -> bool {
        matches!(self, Self::Empty) || self.packets().iter().any(|packet| packet.lifetime.is_some())
    }

    /// Replaces the declared TTL. The new TTL does not count as declared.
    pub(crate) fn set_lifetime(&mut self, expiry: Expiry) -> Result<()> {
        self.replace_lifetime(expiry, false)
    }

    /// Replaces the TTL that the keyspace declares. Keeps the TTL of a template or of a call.
    pub(crate) fn set_keyspace_lifetime(&mut self, expiry: Expiry) -> Result<()> {
        self.replace_lifetime(expiry, true)
    }

    fn replace_lifetime(&mut self, expiry: Expiry, if_inherited: bool) -> Result<()> {
        let take = |packet: &mut Packet| {
            if if_inherited && !packet.inherits_lifetime { None } else { packet.lifetime.take() }
        };
        let packets = match self {
            Self::One(packet) if packet.lifetime == Some(PacketLifetime::Creation) => {
                if take(packet).is_some()
                    && let Some(first) = Packet::creating_counter(&packet.keys, expiry)?
                {
                    *self = Self::Atomic(vec![first, packet.clone()]);
                }
                return Ok(());
            }
            Self::One(packet) => std::slice::from_mut(packet),
            Self::Pipeline(packets) | Self::Page(packets) | Self::Atomic(packets) => packets.as_mut_slice(),
            Self::Empty | Self::Batch(_) => return Ok(()),
        };
        for packet in packets {
            match take(packet) {
                Some(PacketLifetime::Options(place)) => {
                    packet.args = with_options(packet.name, &packet.args, place, expiry)?;
                }
                Some(PacketLifetime::Millis) => {
                    let rest = packet.args.iter().skip(1);
                    let mut args = Args::default();
                    args.push_int(expiry.in_millis()?);
                    rest.for_each(|argument| args.push(argument));
                    packet.args = args;
                }
                Some(PacketLifetime::Each) => {
                    packet.args = with_each(&packet.args, expiry, if_inherited)?;
                }
                Some(PacketLifetime::OfKey { renews }) => {
                    packet.set_key_lifetime(KeyLifetime::new(expiry, renews)?);
                }
                Some(PacketLifetime::OfScript(place)) => {
                    packet.args = with_millis(&packet.args, place, expiry)?;
                }
                Some(PacketLifetime::Impossible)
                    if packet.name == "BITFIELD" && !matches!(expiry, Expiry::Never) =>
                {
                    return Err(Error::invalid_input(
                        "BITFIELD with integers of more than 53 bits sets a TTL only if the template declares one",
                    ));
                }
                Some(PacketLifetime::Impossible) if !matches!(expiry, Expiry::Never) => {
                    return Err(Error::invalid_input(format!(
                        "{} can't set the TTL of the key that it writes: declare `ttl = none` for it, and set no other",
                        packet.name
                    )));
                }
                Some(PacketLifetime::Creation | PacketLifetime::Impossible | PacketLifetime::Unneeded)
                | None => {}
            }
        }
        Ok(())
    }
}

/// The word for the lifetime of one of several keys.
pub(crate) fn lifetime_word(expiry: Expiry, is_inherited: bool) -> Result<String> {
    let mark = if is_inherited { INHERITED } else { OWN };
    Ok(format!("{mark}{}", expiry.in_millis()?))
}

const INHERITED: char = 'i';
const OWN: char = 'o';

/// Returns the arguments with another TTL for each key, or for those that have that of the
/// keyspace.
fn with_each(args: &Args, expiry: Expiry, if_inherited: bool) -> Result<Args> {
    let mut replaced = Args::default();
    for (place, argument) in args.iter().enumerate() {
        let is_inherited = argument.first() == Some(&(INHERITED as u8));
        if place % 2 == 0 && (is_inherited || !if_inherited) {
            replaced.push(lifetime_word(expiry, false)?.as_bytes());
        } else {
            replaced.push(argument);
        }
    }
    Ok(replaced)
}

/// Returns the arguments with another TTL at this position.
fn with_options(command: &str, args: &Args, place: u32, expiry: Expiry) -> Result<Args> {
    let mut replaced = Args::default();
    let place = usize::try_from(place).unwrap_or(usize::MAX);
    let mut rest = args.iter().skip(place).peekable();
    args.iter().take(place).for_each(|argument| replaced.push(argument));
    match rest.peek() {
        Some(&(b"EX" | b"PX")) => {
            rest.nth(1);
        }
        Some(&b"PERSIST") => {
            rest.next();
        }
        _ => {}
    }
    match command {
        "GETEX" => expiry.push_for_get_ex(&mut replaced)?,
        // A conditional `SET` is sent as a script with the same arguments.
        "SET" | "EVAL" => expiry.push_for_set(&mut replaced)?,
        _ => return Err(Error::protocol(format!("{command} has no TTL options"))),
    }
    rest.for_each(|argument| replaced.push(argument));
    Ok(replaced)
}

/// Returns the arguments of a script with another lifetime of its key.
fn with_millis(args: &Args, place: u32, expiry: Expiry) -> Result<Args> {
    let lifetime = KeyLifetime::new(expiry, false)?;
    let mut replaced = Args::default();
    for (at, argument) in (0..).zip(args.iter()) {
        match lifetime {
            Some(lifetime) if at == place => replaced.push_int(lifetime.millis),
            None if at == place => replaced.push(b""),
            _ => replaced.push(argument),
        }
    }
    Ok(replaced)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::key::KeyText;
    use crate::protocol::WireBuffer;

    fn wire(request: &Request) -> String {
        let mut out = WireBuffer::default();
        request.encode("", &mut out);
        let text = String::from_utf8(out.drain(usize::MAX)).unwrap();
        text.split("\r\n").filter(|part| !part.starts_with(['*', '$'])).collect::<Vec<_>>().join(" ")
    }

    const MINUTE: Expiry = Expiry::After(Duration::from_secs(60));

    fn set(expiry: Expiry, last: Option<&str>) -> Packet {
        let mut packet = Packet::new("SET", Keys::One(KeyText::Static("k")));
        packet.args.push(b"EX");
        packet.with_declared_lifetime(PacketLifetime::Options(1), false);
        expiry.push_for_set(&mut packet.args).unwrap();
        last.into_iter().for_each(|last| packet.args.push(last.as_bytes()));
        packet
    }

    #[test]
    fn the_options_are_replaced_where_they_are() {
        let hour = Expiry::After(Duration::from_secs(3600));
        for (packet, expiry, expected) in [
            (set(hour, None), MINUTE, "SET k EX EX 60 "),
            (set(hour, Some("GET")), MINUTE, "SET k EX EX 60 GET "),
            (set(hour, Some("GET")), Expiry::Never, "SET k EX GET "),
            (set(Expiry::Never, Some("GET")), MINUTE, "SET k EX EX 60 GET "),
            (set(Expiry::Never, None), MINUTE, "SET k EX EX 60 "),
        ] {
            let mut request = Request::One(packet);
            assert!(request.has_declared_lifetime());
            request.set_lifetime(expiry).unwrap();
            assert_eq!(wire(&request), expected);
            assert!(!request.has_declared_lifetime());
            request.set_lifetime(hour).unwrap();
            assert_eq!(wire(&request), expected, "a call's own lifetime stays");
        }
        let mut own = Request::One(set(hour, None));
        own.set_keyspace_lifetime(MINUTE).unwrap();
        assert_eq!(wire(&own), "SET k EX EX 3600 ", "it is not the keyspace's");
        let mut zero = Request::One(set(hour, None));
        zero.set_lifetime(Expiry::After(Duration::ZERO)).unwrap_err();
    }

    #[test]
    fn a_ttl_can_be_set_on_a_counter_that_never_expires() {
        let mut count = Packet::new("INCRBY", Keys::One(KeyText::Static("k")));
        count.args.push_int(2);
        count.lifetime = Some(PacketLifetime::Creation);
        let mut request = Request::One(count.clone());
        request.set_lifetime(MINUTE).unwrap();
        assert_eq!(wire(&request), "MULTI SET k 0 NX EX 60 INCRBY k 2 EXEC ");
        let mut request = Request::One(count);
        request.set_lifetime(Expiry::Never).unwrap();
        assert_eq!(wire(&request), "INCRBY k 2 ");
    }
}
