//! Which newer commands a server has. Each is found out by sending it once.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::protocol::ReplacedCommand;
use crate::sync::lock;

/// Which newer commands a server has, as far as it was asked. A version is no answer: servers
/// report the version that they are compatible with, proxies reject commands, and so may the
/// permissions of the user.
///
/// Another run of the server may be another version, so it is asked again. Without the permission
/// to read the id of the run, it is asked again when it reports another version.
#[derive(Debug, Default)]
pub(crate) struct Abilities {
    /// A bit for each command.
    present: AtomicU32,
    absent: AtomicU32,
    identity: Mutex<KnownServer>,
}

/// What a server reports about itself.
#[derive(Debug, Default)]
struct KnownServer {
    /// The id of its run or, if the user may not read it, its name and version.
    run: Option<String>,
    /// Its name and version.
    software: Option<String>,
}

impl Abilities {
    /// Returns whether the server has a command, or `None` if it was not asked.
    pub(super) fn get(&self, command: ReplacedCommand) -> Option<bool> {
        let bit = bit(command);
        if self.absent.load(Ordering::Relaxed) & bit != 0 {
            return Some(false);
        }
        (self.present.load(Ordering::Relaxed) & bit != 0).then_some(true)
    }

    /// Records whether the server has a command.
    pub(super) fn learn(&self, command: ReplacedCommand, is_present: bool) {
        let bit = bit(command);
        let (set, unset) =
            if is_present { (&self.present, &self.absent) } else { (&self.absent, &self.present) };
        set.fetch_or(bit, Ordering::Relaxed);
        unset.fetch_and(!bit, Ordering::Relaxed);
    }

    /// Records what the server reported at a login. Forgets the answers of another run.
    pub(super) fn note_login(&self, run_id: Option<&str>, software: Option<&str>) {
        let mut identity = lock(&self.identity);
        let run = run_id.or(software);
        if identity.run.as_deref() != run {
            identity.run = run.map(str::to_owned);
            self.present.store(0, Ordering::Relaxed);
            self.absent.store(0, Ordering::Relaxed);
        }
        identity.software = software.map(str::to_owned);
    }

    /// Returns the name and the version of the server, such as `redis 7.0.15`, if it reported them.
    pub(crate) fn software(&self) -> Option<String> {
        lock(&self.identity).software.clone()
    }
}

fn bit(command: ReplacedCommand) -> u32 {
    1 << command as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: ReplacedCommand = ReplacedCommand::DelEx;
    const OTHER: ReplacedCommand = ReplacedCommand::SetIfEq;

    #[test]
    fn answers_are_kept_for_one_run_of_a_server() {
        let abilities = Abilities::default();
        assert_eq!(abilities.get(ONE), None);
        abilities.learn(ONE, true);
        abilities.learn(OTHER, false);
        assert_eq!((abilities.get(ONE), abilities.get(OTHER)), (Some(true), Some(false)));
        abilities.learn(ONE, false);
        assert_eq!(abilities.get(ONE), Some(false));
        for (run_id, software, is_kept) in [
            (Some("a"), "redis 7.0.15", false),
            (Some("a"), "redis 7.0.15", true),
            (Some("b"), "redis 7.0.15", false),
            (None, "redis 7.0.15", false),
            (None, "redis 7.0.15", true),
            (None, "redis 8.4.0", false),
        ] {
            abilities.learn(ONE, true);
            abilities.note_login(run_id, Some(software));
            assert_eq!(abilities.get(ONE), is_kept.then_some(true));
        }
        assert_eq!(abilities.software().as_deref(), Some("redis 8.4.0"));
    }
}
