//! The forms in which scripts are sent.

/// The form in which a script is sent.
#[derive(Clone, Copy)]
pub(crate) enum ScriptForm {
    /// Its digest. A server that was restarted or has dropped its scripts does not know it.
    ByDigest,
    Whole,
}
