//! CLIENT: names, list and termination of connections.

use bytes::Bytes;

use super::arguments::{exactly, first, integer, option};
use super::context::{Closing, Context, Spec, command};
use super::flags::{CONTAINER, NO_KEYS};
use crate::client::ReplyMode;
use crate::reply::{Answer, Failure, Reply};
use crate::resp::Protocol;
use crate::state::Peer;

pub(super) const TABLE: &[Spec] = &[
    command("client", -2, CONTAINER, NO_KEYS, |_, _| Err(Failure::SYNTAX)),
    command("client|id", 2, 0, NO_KEYS, |context, _| {
        Ok(Reply::Integer(i64::try_from(context.client.id).unwrap_or(i64::MAX)))
    }),
    command("client|getname", 2, 0, NO_KEYS, |context, _| {
        let name = context.state.clients.get(&context.client.id).map(|peer| peer.name.clone());
        Ok(Reply::bulk_or_nil(name.filter(|name| !name.is_empty())))
    }),
    command("client|setname", 3, 0, NO_KEYS, |context, arguments| {
        let [name] = exactly(arguments)?;
        set_name(context, name)?;
        Ok(Reply::OK)
    }),
    command("client|setinfo", 4, 0, NO_KEYS, set_info),
    command("client|info", 2, 0, NO_KEYS, |context, _| {
        let id = context.client.id;
        context.refresh_peer();
        let line = context.state.clients.get(&id).map(|peer| describe(context, id, peer));
        Ok(Reply::Verbatim(line.unwrap_or_default().into()))
    }),
    command("client|list", -2, 0, NO_KEYS, list),
    command("client|kill", -3, 0, NO_KEYS, kill),
    command("client|unblock", -3, 0, NO_KEYS, unblock),
    command("client|no-evict", 3, 0, NO_KEYS, |context, arguments| {
        let on = on_or_off(arguments)?;
        if let Some(peer) = context.state.clients.get_mut(&context.client.id) {
            peer.no_evict = on;
        }
        Ok(Reply::OK)
    }),
    command("client|reply", 3, 0, NO_KEYS, |context, arguments| {
        let [mode] = exactly(arguments)?;
        context.client.replies = match (option(mode).as_slice(), context.client.replies) {
            (b"ON", _) => ReplyMode::On,
            (b"OFF", _) | (b"SKIP", ReplyMode::Off) => ReplyMode::Off,
            (b"SKIP", _) => ReplyMode::Skip,
            _ => return Err(Failure::SYNTAX),
        };
        Ok(Reply::OK)
    }),
    command("client|no-touch", 3, 0, NO_KEYS, |_, arguments| {
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
        let text = " cannot contain spaces, newlines or special characters.";
        return Err(Failure::quoting("ERR ", attribute, text));
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

/// The types of clients. There are never masters or replicas.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ClientKind {
    Normal,
    Subscribed,
    Master,
    Replica,
}

impl ClientKind {
    fn parse(name: &[u8]) -> Result<Self, Failure> {
        match option(name).as_slice() {
            b"NORMAL" => Ok(Self::Normal),
            b"PUBSUB" => Ok(Self::Subscribed),
            b"MASTER" => Ok(Self::Master),
            b"REPLICA" | b"SLAVE" => Ok(Self::Replica),
            _ => Err(Failure::quoting("ERR Unknown client type '", name, "'")),
        }
    }

    fn of(peer: &Peer) -> Self {
        if peer.subscriptions.is_empty() { Self::Normal } else { Self::Subscribed }
    }
}

fn list(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    context.refresh_peer();
    let mut text = String::new();
    match arguments {
        [] => list_all(context, None, &mut text),
        [filter, kind] if option(filter) == b"TYPE" => {
            list_all(context, Some(ClientKind::parse(kind)?), &mut text);
        }
        // The list has the order of the ids, and repeats an id that is repeated.
        [filter, ids @ ..] if option(filter) == b"ID" && !ids.is_empty() => {
            let id_of = |id: &Bytes| integer(id).map_err(|_| Failure::new("ERR Invalid client ID"));
            let ids = ids.iter().map(id_of).collect::<Result<Vec<_>, _>>()?;
            let limit = context.output_limit();
            let ids = ids.into_iter().filter_map(|id| u64::try_from(id).ok());
            for (id, peer) in ids.filter_map(|id| Some((id, context.state.clients.get(&id)?))) {
                // The rest need not be listed: the connection cannot hold more, and will be closed.
                if text.len() >= limit {
                    break;
                }
                text.push_str(&describe(context, id, peer));
            }
        }
        _ => return Err(Failure::SYNTAX),
    }
    Ok(Reply::Verbatim(text.into()))
}

fn list_all(context: &Context<'_>, kind: Option<ClientKind>, text: &mut String) {
    for (id, peer) in &context.state.clients {
        if kind.is_none_or(|kind| kind == ClientKind::of(peer)) {
            text.push_str(&describe(context, *id, peer));
        }
    }
}

/// Returns the line of CLIENT LIST. Sizes of buffers that this server does not have are 0.
fn describe(context: &Context<'_>, id: u64, peer: &Peer) -> String {
    let seconds = |since: i64| context.now.saturating_sub(since) / 1000;
    format!(
        "id={id} addr={} laddr={} fd=-1 name={} age={} idle={} flags={} db={} sub={} psub={} ssub={} multi={} \
         qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem={output} tot-mem={output} \
         events=r cmd={} user={} redir=-1 resp={} lib-name={} lib-ver={}\n",
        peer.endpoints.peer,
        peer.endpoints.local,
        String::from_utf8_lossy(&peer.name),
        seconds(peer.connected),
        seconds(peer.active),
        flags(context, id, peer),
        peer.db,
        peer.subscriptions.channels.len(),
        peer.subscriptions.patterns.len(),
        peer.subscriptions.shards.len(),
        peer.queued,
        peer.command,
        peer.user,
        if peer.protocol == Protocol::Resp3 { 3 } else { 2 },
        String::from_utf8_lossy(&peer.library),
        String::from_utf8_lossy(&peer.library_version),
        output = peer.messages.output_size(),
    )
}

fn flags(context: &Context<'_>, id: u64, peer: &Peer) -> String {
    let flags = [
        (!peer.subscriptions.is_empty(), 'P'),
        (peer.queued >= 0, 'x'),
        (context.state.dbs.get(peer.db).is_some_and(|db| db.is_waiting(id)), 'b'),
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
    kind: Option<ClientKind>,
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
                if !context.shared.has_user(&user) {
                    return Err(Failure::quoting("ERR No such user '", value, "'"));
                }
                selection.user = Some(user);
            }
            b"TYPE" => selection.kind = Some(ClientKind::parse(value)?),
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

/// Ends the wait of a blocked client, as its timeout would or with an error.
fn unblock(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let ([id], rest) = first(arguments)?;
    let error = match rest {
        [] => None,
        [_, _, ..] => {
            return Err(Failure::new(
                "ERR unknown subcommand or wrong number of arguments for 'UNBLOCK'. Try CLIENT HELP.",
            ));
        }
        [reason] => match option(reason).as_slice() {
            b"TIMEOUT" => None,
            b"ERROR" => Some(Failure::new("UNBLOCKED client unblocked via CLIENT UNBLOCK")),
            _ => return Err(Failure::new("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")),
        },
    };
    let id = u64::try_from(integer(id)?).unwrap_or_default(); // no client has the number 0
    let reply = error.clone().map(Reply::from);
    let unblocked = context.state.dbs.iter_mut().any(|db| db.unblock(id, reply.clone()));
    if let Some(Failure(text)) = &error
        && unblocked
    {
        context.state.statistics.count_error(text);
    }
    Ok(Reply::flag(unblocked))
}

fn cut(context: &mut Context<'_>, selection: &Selection) -> usize {
    let me = context.client.id;
    let selected = |id: u64, peer: &Peer| {
        (id != me || !selection.spare_me)
            && selection.id.is_none_or(|wanted| wanted == id)
            && selection.address.as_ref().is_none_or(|wanted| *wanted == peer.endpoints.peer)
            && selection.local.as_ref().is_none_or(|wanted| *wanted == peer.endpoints.local)
            && selection.user.as_ref().is_none_or(|wanted| *wanted == peer.user)
            && selection.kind.is_none_or(|wanted| wanted == ClientKind::of(peer))
    };
    let killed: Vec<u64> =
        context.state.clients.iter().filter(|(id, peer)| selected(**id, peer)).map(|(id, _)| *id).collect();
    for id in &killed {
        if *id == me {
            context.close(Closing::AfterOutput);
        } else {
            context.state.disconnect(*id);
        }
    }
    killed.len()
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}
