//! Which scripts of lifetimes a request contains.

use super::keys::Keys;

/// Which scripts that set lifetimes were sent: that of commands on one key, and that of commands on
/// several keys.
#[derive(Default, Clone, Copy)]
pub(super) struct KeptScripts {
    write: bool,
    transfer: bool,
}

impl KeptScripts {
    /// Records that the script of a command on these keys is sent. Returns whether it was sent
    /// before.
    pub(super) fn note(&mut self, keys: &Keys) -> bool {
        let is_sent = if keys.as_slice().len() == 1 { &mut self.write } else { &mut self.transfer };
        std::mem::replace(is_sent, true)
    }
}
