//! Finds the command of a request.

use bytes::Bytes;

use super::context::{Commands, Spec};
use super::flags::CONTAINER;
use crate::reply::Failure;

/// Finds the command or subcommand of a request.
pub(super) fn lookup(commands: &Commands, arguments: &[Bytes]) -> Result<&'static Spec, Failure> {
    let Some((name, rest)) = arguments.split_first() else { return Err(Failure::SYNTAX) };
    // Only COMMAND INFO accepts the full name of a subcommand.
    let spec = commands.by_name(name).filter(|spec| !spec.is_subcommand());
    let mut spec = spec.ok_or_else(|| unknown(name, rest))?;
    if spec.flags & CONTAINER != 0
        && let Some(sub) = rest.first()
    {
        let name = [name, &b"|"[..], sub].concat();
        spec = commands.by_name(&name).ok_or_else(|| unknown_subcommand(spec, sub))?;
    }
    Ok(spec)
}

/// Whether the command accepts this number of arguments.
pub(super) fn fits(spec: &Spec, arguments: &[Bytes]) -> bool {
    let count = i64::try_from(arguments.len()).unwrap_or(i64::MAX);
    if spec.arity >= 0 { count == spec.arity } else { count >= spec.arity.saturating_neg() }
}

/// The maximum number of bytes of a request that an error quotes.
const QUOTED: usize = 128;

fn unknown(name: &[u8], arguments: &[Bytes]) -> Failure {
    let mut quoted = Vec::new();
    for argument in arguments {
        if quoted.len() >= QUOTED {
            break;
        }
        quoted.push(b'\'');
        quoted.extend_from_slice(quote(argument, QUOTED.saturating_sub(quoted.len().saturating_sub(1))));
        quoted.extend_from_slice(b"' ");
    }
    let text = [b"ERR unknown command '", quote(name, QUOTED), b"', with args beginning with: ", &quoted];
    Failure::text(text.concat())
}

fn unknown_subcommand(container: &Spec, sub: &[u8]) -> Failure {
    let help = container.name.to_ascii_uppercase();
    let text = [b"ERR unknown subcommand '", quote(sub, QUOTED), b"'. Try ", help.as_bytes(), b" HELP."];
    Failure::text(text.concat())
}

/// Returns the part of an argument that C prints: up to the first zero byte or the limit.
fn quote(argument: &[u8], limit: usize) -> &[u8] {
    let end = argument.iter().position(|&byte| byte == 0).unwrap_or(argument.len()).min(limit);
    argument.get(..end).unwrap_or_default()
}
