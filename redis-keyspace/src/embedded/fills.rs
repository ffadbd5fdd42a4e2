//! The native version of the fill script.

use bytes::Bytes;
use redis_keyspace_embedded::{Reply, ScriptContext, Server};
use sha1_smol::Sha1;

use super::lua;
use crate::cache::lease::FILL_SCRIPT;

/// These constants are the same in the script.
const MARK_LASTS: &[u8] = b"2592000000";
const FORMAT: &[u8] = b"1";

pub(super) fn register(server: &Server) {
    server.register_script(FILL_SCRIPT, |script, keys, values| {
        let ([key, companion, rest @ ..], [what, token, values @ ..]) = (keys, values) else {
            return Reply::error("ERR the script takes two keys and two values at least");
        };
        let mut run = || -> Result<Reply, Reply> {
            // The third key of `done` is that of a note.
            let mark = rest.first().map(|mark| &mark[..]).filter(|_| &what[..] != b"done");
            let mut fill = FillState::read(script, key, companion, mark)?;
            match (&what[..], values) {
                (b"peek", _) => Ok(fill.lease.map_or(Reply::Nil, Reply::bulk)),
                (b"begin", [ms, mode, look, rest @ ..]) => {
                    let instead_of = rest.first().map(|token| &token[..]);
                    fill.command = rest.get(1).map_or(b"GET", |command| &command[..]);
                    fill.fields = rest.get(2..).unwrap_or_default();
                    fill.begin(token, number(ms)?, mode, &look[..] == b"1", instead_of)
                }
                _ if fill.lease.as_deref() != Some(&token[..]) => Ok(Reply::Integer(0)),
                (b"renew", [ms]) => fill.renew(number(ms)?),
                (b"release", []) => fill.leave().map(|()| Reply::Integer(1)),
                (b"store" | b"done", [ms, value, set @ ..]) => {
                    let is_done = &what[..] == b"done";
                    if is_done {
                        fill.free(&[])?;
                    }
                    let (set, note) = match (rest, set) {
                        ([note_key], [set @ .., text, kept]) if is_done => {
                            (set, Some([&b"SET"[..], note_key, text, b"PX", kept]))
                        }
                        _ => (set, None),
                    };
                    let mut command = vec![&b"SET"[..], key, value];
                    command.extend(set.iter().map(|word| &word[..]));
                    let set = |fill: &mut FillState<'_, '_, '_>| {
                        fill.call(&command)?;
                        if let Some(note) = note {
                            fill.script.call(&note);
                        }
                        Ok(())
                    };
                    fill.settle(number(ms)?, Some(value), set, |_| Ok(()))
                }
                (b"fields", [ms, renews, fields @ ..]) => fill.store_fields(ms, &renews[..] == b"1", fields),
                (b"fill", [ms, copy, command, commands @ ..]) => {
                    fill.command = command;
                    let write = |fill: &mut FillState<'_, '_, '_>| fill.write(&[]);
                    fill.settle(number(ms)?, Some(copy), write, |fill| fill.store_elements(commands))
                }
                (b"absent", [ms, command @ ..]) => {
                    fill.command = command.first().map_or(b"GET", |command| &command[..]);
                    let ms = number(ms)?;
                    let write =
                        |fill: &mut FillState<'_, '_, '_>| if ms > 0.0 { fill.write(&[]) } else { Ok(()) };
                    fill.settle(ms, None, write, |fill| fill.call(&[b"UNLINK", fill.key]).map(drop))
                }
                _ => Err(Reply::error("ERR unknown operation of the script")),
            }
        };
        run().unwrap_or_else(|error| error)
    });
}

struct FillState<'s, 'c, 'a> {
    script: &'s mut ScriptContext<'c, 'a>,
    key: &'s [u8],
    /// The command that reads the key.
    command: &'s [u8],
    /// The fields that it reads.
    fields: &'s [Bytes],
    companion: &'s [u8],
    now: i64,
    /// `None` if the mark does not exist.
    mark: Option<Vec<u8>>,
    /// Whether the companion key must be ignored.
    is_void: bool,
    /// The format version of the companion key, if it is not 1.
    other_format: Option<Vec<u8>>,
    mark_key: Option<&'s [u8]>,
    lease: Option<Vec<u8>>,
    // The raw fields. Like the script, an operation parses only those that it needs.
    until: Option<Vec<u8>>,
    seen: Option<Vec<u8>>,
    absent: Option<Vec<u8>>,
    kept: Option<Vec<u8>>,
    ends: Option<Vec<u8>>,
    shared: i64,
    after: Option<Vec<u8>>,
}

impl<'s, 'c, 'a> FillState<'s, 'c, 'a> {
    fn read(
        script: &'s mut ScriptContext<'c, 'a>,
        key: &'s [u8],
        companion: &'s [u8],
        mark_key: Option<&'s [u8]>,
    ) -> Result<Self, Reply> {
        let now = script.now_ms();
        let mark = match mark_key {
            Some(mark) => bytes(script.call(&[&b"HGET"[..], mark, b"at"]))?,
            None => Some(Vec::new()),
        };
        let names = [
            &b"HMGET"[..],
            companion,
            b"mark",
            b"lease",
            b"until",
            b"seen",
            b"absent",
            b"kept",
            b"ends",
            b"shared",
            b"v",
            b"after",
        ];
        let Reply::Array(fields) = lua::checked(script.call(&names))? else {
            return Err(Reply::error("ERR HMGET did not return a list"));
        };
        let fields: Vec<_> = fields.into_iter().map(bytes).collect::<Result<_, _>>()?;
        let mut fill = Self {
            script,
            key,
            command: b"GET",
            fields: &[],
            companion,
            now,
            mark,
            is_void: true,
            other_format: None,
            mark_key,
            lease: None,
            until: None,
            seen: None,
            absent: None,
            kept: None,
            ends: None,
            shared: 0,
            after: None,
        };
        let Ok([under, lease, until, seen, absent, kept, ends, shared, version, after]) =
            <[_; 10]>::try_from(fields)
        else {
            return Err(Reply::error("ERR HMGET did not return the fields"));
        };
        fill.is_void = fill.mark.is_none() || under != fill.mark || version.as_deref() != Some(FORMAT);
        fill.other_format = version.filter(|version| version.as_slice() != FORMAT);
        if fill.is_void {
            return Ok(fill);
        }
        fill.lease = lease;
        (fill.until, fill.seen, fill.absent, fill.kept, fill.ends) = (until, seen, absent, kept, ends);
        let count = |shared: Vec<u8>| str::from_utf8(&shared).ok().and_then(|count| count.parse().ok());
        fill.shared = shared.and_then(count).unwrap_or_default();
        fill.after = after;
        Ok(fill)
    }

    /// Returns the time until a moment in milliseconds, or 0 if the moment is not set.
    fn left(&self, moment: Option<&Vec<u8>>) -> Result<f64, Reply> {
        moment.map_or(Ok(0.0), |moment| Ok(number(moment)? - self.now as f64))
    }

    fn call(&mut self, command: &[&[u8]]) -> Result<Reply, Reply> {
        lua::checked(self.script.call(command))
    }

    fn write(&mut self, fields: &[&[u8]]) -> Result<(), Reply> {
        let mark = self.mark.clone().unwrap_or_default();
        let mut command = vec![&b"HSET"[..], self.companion, b"v", FORMAT, b"mark", &mark];
        command.extend(fields);
        self.call(&command).map(drop)
    }

    fn at(&self, ms: f64) -> Vec<u8> {
        lua::whole(self.now as f64 + ms).into_bytes()
    }

    fn keep(&mut self, ms: f64) -> Result<(), Reply> {
        let left = self.call(&[b"PTTL", self.companion])?;
        if matches!(left, Reply::Integer(left) if (left as f64) < ms) {
            self.call(&[b"PEXPIRE", self.companion, lua::whole(ms).as_bytes()])?;
        }
        Ok(())
    }

    /// Returns the value at the key, if there is one, and its digest.
    fn sight(&mut self) -> Result<(Option<Reply>, Vec<u8>), Reply> {
        if self.command == b"GET" {
            let current = bytes(self.call(&[b"GET", self.key])?)?;
            let sight = current.as_deref().map(digest).unwrap_or_default();
            return Ok((current.map(Reply::bulk), sight));
        }
        if self.command == b"HMGET" {
            let mut words: Vec<&[u8]> = vec![b"HMGET", self.key];
            words.extend(self.fields.iter().map(|field| &field[..]));
            return Ok((Some(self.call(&words)?), b"fields".to_vec()));
        }
        let range: &[&[u8]] = match self.command {
            b"LRANGE" => &[b"0", b"-1"],
            b"ZRANGE" => &[b"0", b"-1", b"WITHSCORES"],
            _ => &[],
        };
        let words: Vec<&[u8]> = [self.command, self.key].into_iter().chain(range.iter().copied()).collect();
        let elements = strings(self.call(&words)?);
        if elements.is_empty() {
            return Ok((None, Vec::new()));
        }
        let prefixed = |element: &Bytes| [element.len().to_string().as_bytes(), b":", element].concat();
        let width = if self.command == b"HGETALL" { 2 } else { 1 };
        let mut entries: Vec<Vec<u8>> =
            elements.chunks(width).map(|entry| entry.iter().flat_map(prefixed).collect()).collect();
        if matches!(self.command, b"HGETALL" | b"SMEMBERS") {
            entries.sort();
        }
        let sight = digest(&entries.concat());
        Ok((Some(Reply::Array(elements.into_iter().map(Reply::Bulk).collect())), sight))
    }

    /// Stores fields of a hash. Each is the digest of the value that it replaces, if there is one,
    /// its name, and the new value.
    fn store_fields(&mut self, ms: &[u8], renews: bool, fields: &[Bytes]) -> Result<Reply, Reply> {
        let starts = !ms.is_empty() && (renews || self.call(&[b"EXISTS", self.key])? == Reply::Integer(0));
        for field in fields.chunks(3) {
            let [seen, name, value] = field else {
                return Err(Reply::error("ERR the script takes three words for each field"));
            };
            if seen.is_empty() {
                self.call(&[b"HSETNX", self.key, name, value])?;
                continue;
            }
            let there = self.call(&[b"HMGET", self.key, name])?;
            if let Reply::Array(there) = there
                && let [Reply::Bulk(there)] = there.as_slice()
                && digest(there) == seen[..]
            {
                self.call(&[b"HSET", self.key, name, value])?;
            }
        }
        if starts {
            self.call(&[b"PEXPIRE", self.key, ms])?;
        }
        self.leave()?;
        Ok(Reply::Integer(1))
    }

    /// Replaces the key by a collection. `commands` are the names, the numbers of arguments, and
    /// the arguments after the key.
    fn store_elements(&mut self, mut commands: &[Bytes]) -> Result<(), Reply> {
        self.call(&[b"UNLINK", self.key])?;
        while let [name, count, rest @ ..] = commands {
            let count = str::from_utf8(count).ok().and_then(|count| count.parse().ok());
            let Some((arguments, rest)) = count.and_then(|count| rest.split_at_checked(count)) else {
                return Err(Reply::error("ERR the script takes as many arguments as the count says"));
            };
            let mut words: Vec<&[u8]> = vec![name, self.key];
            words.extend(arguments.iter().map(|argument| &argument[..]));
            if let Err(error) = self.call(&words) {
                self.call(&[b"UNLINK", self.key])?;
                return Err(error);
            }
            commands = rest;
        }
        Ok(())
    }

    fn begin(
        &mut self,
        token: &[u8],
        ms: f64,
        mode: &[u8],
        looks: bool,
        instead_of: Option<&[u8]>,
    ) -> Result<Reply, Reply> {
        let (current, sight) = self.sight()?;
        let values = current.clone().filter(|_| self.command == b"HMGET");
        if looks {
            let is_complete = match &values {
                Some(Reply::Array(fields)) => fields.iter().all(|value| *value != Reply::Nil),
                _ => true,
            };
            if let Some(current) = current
                && is_complete
            {
                return Ok(Reply::Array(vec![Reply::Integer(0), current]));
            }
            if self.left(self.absent.as_ref())? > 0.0 {
                return Ok(Reply::Array(vec![Reply::Integer(3)]));
            }
        }
        if mode == b"work"
            && let Some(version) = &self.other_format
        {
            return Ok(Reply::Array(vec![Reply::Integer(4), Reply::bulk(version.clone())]));
        }
        let has_stale = self.left(self.kept.as_ref())? > 0.0;
        let stale = if has_stale { self.call(&[b"HGET", self.companion, b"stale"])? } else { Reply::Nil };
        let granted = |stale, values: Option<Reply>| {
            let parts = [Reply::Integer(1), Reply::bulk(token.to_vec()), stale];
            Ok(Reply::Array(parts.into_iter().chain(values).collect()))
        };
        let (ours, until) = (self.lease.as_deref() == Some(token), self.at(ms));
        if ours {
            return granted(stale, values);
        }
        if let Some(lease) = self.lease.clone()
            && mode != b"force"
            && Some(&lease[..]) != instead_of
            && self.left(self.until.as_ref())? > 0.0
            && (mode != b"share" || self.seen.as_ref() == Some(&sight))
        {
            if mode == b"share" {
                self.write(&[b"shared", (self.shared + 1).to_string().as_bytes()])?;
                if self.left(self.until.as_ref())? < ms {
                    self.write(&[b"until", &until])?;
                    self.keep(ms)?;
                }
            }
            let after = self.after.take().map_or(Reply::Nil, Reply::bulk);
            let values = values.unwrap_or(Reply::Nil);
            return Ok(Reply::Array(vec![Reply::Integer(2), Reply::bulk(lease), stale, values, after]));
        }
        if let (None, Some(mark_key)) = (&self.mark, self.mark_key) {
            self.mark = Some(token.to_vec());
            self.call(&[b"HSET", mark_key, b"at", token])?;
            self.call(&[b"PEXPIRE", mark_key, MARK_LASTS])?;
        }
        let lives = match self.call(&[b"PTTL", self.key])? {
            Reply::Integer(lives) if lives > 0 && !sight.is_empty() => self.at(lives as f64),
            _ => b"0".to_vec(),
        };
        let lease_left = self.left(self.until.as_ref().filter(|_| self.lease.is_some()))?;
        let after: &[u8] = if !self.is_void && lease_left <= 0.0 { b"1" } else { b"0" };
        self.write(&[b"lease", token, b"until", &until, b"seen", &sight, b"ends", &lives, b"after", after])?;
        let void: &[&[u8]] = if self.is_void { &[b"stale", b"kept"] } else { &[] };
        let words = [&b"HDEL"[..], self.companion, b"absent", b"shared"];
        self.call(&[&words, void].concat())?;
        self.keep(ms)?;
        granted(stale, values)
    }

    fn renew(&mut self, ms: f64) -> Result<Reply, Reply> {
        if self.left(self.until.as_ref())? < ms {
            self.write(&[b"until", &self.at(ms)])?;
        }
        self.keep(ms)?;
        Ok(Reply::Integer(1))
    }

    /// Removes the lease, and these fields.
    fn free(&mut self, others: &[&[u8]]) -> Result<(), Reply> {
        let lease: [&[u8]; 7] = [b"HDEL", self.companion, b"lease", b"until", b"seen", b"ends", b"shared"];
        self.call(&[&lease, others].concat()).map(drop)
    }

    /// Ends the lease for one of its holders.
    fn leave(&mut self) -> Result<(), Reply> {
        match self.shared {
            1.. => self.write(&[b"shared", (self.shared - 1).to_string().as_bytes()]),
            _ => self.free(&[]),
        }
    }

    /// Ends the fill and stores its outcome, unless the key has changed. `first` runs before the
    /// companion key is deleted, and `store` after it.
    fn settle(
        &mut self,
        ms: f64,
        copy: Option<&[u8]>,
        first: impl FnOnce(&mut Self) -> Result<(), Reply>,
        store: impl FnOnce(&mut Self) -> Result<(), Reply>,
    ) -> Result<Reply, Reply> {
        let sight = if self.command != b"GET" && self.seen.as_ref().is_some_and(Vec::is_empty) {
            let exists = self.call(&[b"EXISTS", self.key])? == Reply::Integer(1);
            // A hash whose fields have all expired may still exist.
            let exists = exists
                && (self.command != b"HGETALL"
                    || self.call(&[b"HGETALL", self.key]) != Ok(Reply::Array(Vec::new())));
            if exists { b"any".to_vec() } else { Vec::new() }
        } else {
            self.sight()?.1
        };
        let ends = self.ends.as_ref().filter(|ends| sight.is_empty() && ends.as_slice() != b"0");
        let expired = ends.is_some() && self.left(ends)? <= 0.0;
        if self.seen.as_ref() != Some(&sight) && !expired {
            self.free(&[])?;
            return Ok(Reply::Integer(0));
        }
        first(self)?;
        if copy.is_none() && ms <= 0.0 {
            self.free(&[b"stale", b"kept", b"absent"])?;
        } else {
            self.call(&[b"UNLINK", self.companion])?;
        }
        store(self)?;
        if ms > 0.0 {
            let until = self.at(ms);
            match copy {
                Some(value) => self.write(&[b"stale", value, b"kept", &until])?,
                None => self.write(&[b"absent", &until])?,
            }
            self.keep(ms)?;
            if let Some(mark_key) = self.mark_key {
                self.call(&[b"HSET", mark_key, b"copies", b"1"])?;
                self.call(&[b"PEXPIRE", mark_key, MARK_LASTS])?;
            }
        }
        Ok(Reply::Integer(1))
    }
}

fn digest(bytes: &[u8]) -> Vec<u8> {
    Sha1::from(bytes).digest().to_string().into_bytes()
}

/// Returns the strings in the reply to a command that reads a whole collection.
fn strings(reply: Reply) -> Vec<Bytes> {
    let Reply::Array(parts) = reply else { return Vec::new() };
    let string = |part| if let Reply::Bulk(bytes) = part { Some(bytes) } else { None };
    parts.into_iter().filter_map(string).collect()
}

fn bytes(reply: Reply) -> Result<Option<Vec<u8>>, Reply> {
    match lua::checked(reply)? {
        Reply::Bulk(bytes) => Ok(Some(bytes.to_vec())),
        _ => Ok(None),
    }
}

fn number(text: &[u8]) -> Result<f64, Reply> {
    lua::number(text).ok_or(Reply::error("ERR attempt to perform arithmetic on a nil value"))
}
