//! CLIENT: the names of connections, and their list.

use bytes::Bytes;

use super::arguments::{exactly, first, integer, option};
use super::context::{Context, Effect, Spec, command};
use super::flags::{CONTAINER, NO_KEYS, NO_SCRIPT};
use crate::reply::{Answer, Failure, Reply};
use crate::resp::Protocol;
use crate::state::Peer;

pub(super) const TABLE: &[Spec] = &[
    command("client", -2, CONTAINER | NO_SCRIPT, NO_KEYS, |_, _| Err(Failure::SYNTAX)),
    command("client|id", 2, NO_SCRIPT, NO_KEYS, |context, _| {
        Ok(Reply::Integer(i64::try_from(context.client.id).unwrap_or(i64::MAX)))
    }),
    command("client|getname", 2, NO_SCRIPT, NO_KEYS, |context, _| {
        let name = context.state.clients.get(&context.client.id).map(|peer| peer.name.clone());
        Ok(Reply::bulk_or_nil(name.filter(|name| !name.is_empty())))
    }),
    command("client|setname", 3, NO_SCRIPT, NO_KEYS, |context, arguments| {
        let [name] = exactly(arguments)?;
        set_name(context, name)?;
        Ok(Reply::OK)
    }),
    command("client|setinfo", 4, NO_SCRIPT, NO_KEYS, set_info),
    command("client|info", 2, NO_SCRIPT, NO_KEYS, |context, _| {
        let id = context.client.id;
        context.refresh_peer();
        let line = context.state.clients.get(&id).map(|peer| describe(context, id, peer));
        Ok(Reply::Verbatim(line.unwrap_or_default().into()))
    }),
    command("client|list", -2, NO_SCRIPT, NO_KEYS, list),
    command("client|kill", -3, NO_SCRIPT, NO_KEYS, kill),
    command("client|no-evict", 3, NO_SCRIPT, NO_KEYS, |context, arguments| {
        let on = on_or_off(arguments)?;
        if let Some(peer) = context.state.clients.get_mut(&context.client.id) {
            peer.no_evict = on;
        }
        Ok(Reply::OK)
    }),
    command("client|no-touch", 3, NO_SCRIPT, NO_KEYS, |_, arguments| {
        on_or_off(arguments)?;
        Ok(Reply::OK)
    }),
];

/// Checks a name for CLIENT SETNAME or HELLO.
pub(super) fn check_name(name: &[u8]) -> Result<(), Failure> {
    if name.iter().all(|byte| (b'!'..=b'~').contains(byte)) {
        return Ok(());
    }
    Err(Failure::new("ERR Client names cannot contain spaces, newlines or special characters."))
}

pub(super) fn set_name(context: &mut Context<'_>, name: &[u8]) -> Result<(), Failure> {
    check_name(name)?;
    if let Some(peer) = context.state.clients.get_mut(&context.client.id) {
        peer.name = Bytes::copy_from_slice(name);
    }
    Ok(())
}

fn set_info(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let [attribute, value] = exactly(arguments)?;
    let Some(peer) = context.state.clients.get_mut(&context.client.id) else { return Ok(Reply::OK) };
    let field = match option(attribute).as_slice() {
        b"LIB-NAME" => &mut peer.library,
        b"LIB-VER" => &mut peer.library_version,
        _ => return Err(Failure::quoting("ERR Unrecognized option '", attribute, "'")),
    };
    if !value.iter().all(|byte| (b'!'..=b'~').contains(byte)) {
        let attribute = String::from_utf8_lossy(attribute).to_ascii_lowercase();
        let text = format!("ERR {attribute} cannot contain spaces, newlines or special characters.");
        return Err(Failure::text(text));
    }
    *field = Bytes::copy_from_slice(value);
    Ok(Reply::OK)
}

fn on_or_off(arguments: &[Bytes]) -> Result<bool, Failure> {
    let [switch] = exactly(arguments)?;
    match option(switch).as_slice() {
        b"ON" => Ok(true),
        b"OFF" => Ok(false),
        _ => Err(Failure::SYNTAX),
    }
}

fn list(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let mut subscribed = None;
    let wanted: Option<Vec<u64>> = match arguments {
        [] => None,
        [filter, kind] if option(filter) == b"TYPE" => match option(kind).as_slice() {
            kind @ (b"NORMAL" | b"PUBSUB") => {
                subscribed = Some(kind == b"PUBSUB");
                None
            }
            b"MASTER" | b"REPLICA" | b"SLAVE" => Some(Vec::new()),
            _ => return Err(unknown_type(kind)),
        },
        [filter, ids @ ..] if option(filter) == b"ID" && !ids.is_empty() => Some(
            ids.iter()
                .map(|id| {
                    let id = integer(id).ok().and_then(|id| u64::try_from(id).ok());
                    id.ok_or(Failure::new("ERR Invalid client ID"))
                })
                .collect::<Result<_, _>>()?,
        ),
        _ => return Err(Failure::SYNTAX),
    };
    let listed = |id: u64, peer: &Peer| {
        wanted.as_ref().is_none_or(|ids| ids.contains(&id))
            && subscribed.is_none_or(|subscribed| subscribed != peer.subscriptions.is_empty())
    };
    context.refresh_peer();
    let lines = context.state.clients.iter().filter(|(id, peer)| listed(**id, peer));
    let text: String = lines.map(|(id, peer)| describe(context, *id, peer)).collect();
    Ok(Reply::Verbatim(text.into()))
}

fn unknown_type(kind: &[u8]) -> Failure {
    Failure::quoting("ERR Unknown client type '", kind, "'")
}

/// Returns the line of CLIENT LIST. Sizes of buffers that this server does not have are 0.
fn describe(context: &Context<'_>, id: u64, peer: &Peer) -> String {
    let seconds = |since: i64| context.now.saturating_sub(since) / 1000;
    format!(
        "id={id} addr={} laddr={} fd=-1 name={} age={} idle={} flags={} db={} sub={} psub=0 ssub=0 multi={} \
         qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem={unread} tot-mem={unread} \
         events=r cmd={} user={} redir=-1 resp={} lib-name={} lib-ver={}\n",
        peer.endpoints.peer,
        peer.endpoints.local,
        String::from_utf8_lossy(&peer.name),
        seconds(peer.connected),
        seconds(peer.active),
        flags(context, id, peer),
        peer.db,
        peer.subscriptions.len(),
        peer.queued,
        peer.command,
        peer.user,
        if peer.protocol == Protocol::Resp3 { 3 } else { 2 },
        String::from_utf8_lossy(&peer.library),
        String::from_utf8_lossy(&peer.library_version),
        unread = peer.postbox.waiting(),
    )
}

fn flags(context: &Context<'_>, id: u64, peer: &Peer) -> String {
    let flags = [
        (!peer.subscriptions.is_empty(), 'P'),
        (peer.queued >= 0, 'x'),
        (context.state.dbs.iter().any(|db| db.is_waiting(id)), 'b'),
        (peer.endpoints.is_unix, 'U'),
        (peer.no_evict, 'e'),
    ];
    let flags: String = flags.iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| flag).collect();
    if flags.is_empty() { "N".to_owned() } else { flags }
}

/// Which connections CLIENT KILL closes.
#[derive(Default)]
struct Selection {
    id: Option<u64>,
    address: Option<String>,
    local: Option<String>,
    user: Option<String>,
    subscribed: Option<bool>,
    none: bool,
    spare_me: bool,
}

fn kill(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    if let [address] = arguments {
        let selection = Selection { address: Some(lossy(address)), ..Selection::default() };
        return match cut(context, &selection) {
            0 => Err(Failure::new("ERR No such client")),
            _ => Ok(Reply::OK),
        };
    }
    let mut selection = Selection { spare_me: true, ..Selection::default() };
    let mut rest = arguments;
    while !rest.is_empty() {
        let ([filter, value], after) = first(rest)?;
        match option(filter).as_slice() {
            b"ID" => {
                let id = integer(value).ok().and_then(|id| u64::try_from(id).ok()).filter(|&id| id > 0);
                selection.id = Some(id.ok_or(Failure::new("ERR client-id should be greater than 0"))?);
            }
            b"ADDR" => selection.address = Some(lossy(value)),
            b"LADDR" => selection.local = Some(lossy(value)),
            b"USER" => {
                let user = lossy(value);
                if !context.shared.users.contains_key(&user) {
                    return Err(Failure::quoting("ERR No such user '", value, "'"));
                }
                selection.user = Some(user);
            }
            b"TYPE" => match option(value).as_slice() {
                b"NORMAL" => selection.subscribed = Some(false),
                b"PUBSUB" => selection.subscribed = Some(true),
                b"MASTER" | b"REPLICA" | b"SLAVE" => selection.none = true,
                _ => return Err(unknown_type(value)),
            },
            b"SKIPME" => match option(value).as_slice() {
                b"YES" => selection.spare_me = true,
                b"NO" => selection.spare_me = false,
                _ => return Err(Failure::SYNTAX),
            },
            _ => return Err(Failure::SYNTAX),
        }
        rest = after;
    }
    Ok(Reply::count(cut(context, &selection)))
}

fn cut(context: &mut Context<'_>, selection: &Selection) -> usize {
    let me = context.client.id;
    let selected = |id: u64, peer: &Peer| {
        !selection.none
            && (id != me || !selection.spare_me)
            && selection.id.is_none_or(|wanted| wanted == id)
            && selection.address.as_ref().is_none_or(|wanted| *wanted == peer.endpoints.peer)
            && selection.local.as_ref().is_none_or(|wanted| *wanted == peer.endpoints.local)
            && selection.user.as_ref().is_none_or(|wanted| *wanted == peer.user)
            && selection.subscribed.is_none_or(|wanted| wanted != peer.subscriptions.is_empty())
    };
    let killed: Vec<u64> =
        context.state.clients.iter().filter(|(id, peer)| selected(**id, peer)).map(|(id, _)| *id).collect();
    for id in &killed {
        if *id == me {
            context.set_effect(Effect::Close); // after the reply
        } else {
            context.state.disconnect(*id);
        }
    }
    killed.len()
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}
