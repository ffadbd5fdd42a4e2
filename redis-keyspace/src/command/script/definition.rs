//! The trait of scripts.

use super::callee::ScriptDefinition;
use super::input::ScriptInput;
use super::result::ScriptResult;
use crate::command::Command;

/// A Lua script, or a function of the server, with typed keys, arguments and result. Implemented by
/// [`#[derive(Script)]`](derive@crate::Script), which also adds the method `run`.
///
/// See [the guide](crate::guide::scripts).
pub trait Script {
    /// The type of the result: a single-value kind, `f64`, `()`, or an `Option`, a `Vec` or a tuple
    /// of such.
    type Returns: ScriptResult;

    /// The text of the script, or the name of the function. An embedded server runs a script after
    /// [`Server::register_script`](https://docs.rs/redis-keyspace-embedded) was called with this text.
    const SOURCE: &'static str;

    #[doc(hidden)]
    fn definition() -> &'static ScriptDefinition;

    #[doc(hidden)]
    fn write(&self, input: &mut ScriptInput);

    /// Returns the command that runs the script. Await it, or pass it to a
    /// [batch](crate::Redis::batch) or [transaction](crate::Redis::transaction).
    ///
    /// The server is asked to run the script by its digest. If it does not know the script, it is
    /// sent the text. In a batch or transaction, the text is sent at once, because commands must
    /// run in order. Each write of a key ends fills of it, so a script that is not `read_only`
    /// does, too.
    ///
    /// A script sets the TTLs of the keys that it creates itself: it bypasses the declared
    /// TTL.
    ///
    /// # Errors
    ///
    /// Those of any command. [`Decode`](crate::ErrorKind::Decode) if the result is not of the
    /// declared type; the script has run then. [`InvalidInput`](crate::ErrorKind::InvalidInput),
    /// with nothing sent, if the keys are in several slots of a cluster, or on several servers or
    /// databases. A script that fails half-way has changed what it changed before. Not retried
    /// after a lost connection, unless it is `read_only`. A disabled handle returns
    /// [`ServerNotConfigured`](crate::ErrorKind::ServerNotConfigured).
    ///
    /// # Cancellation
    ///
    /// Dropping the command before its first poll sends nothing. After that, the script may still
    /// run, as a whole.
    ///
    /// # Round trips
    ///
    /// One. A second one if the server does not know the script yet.
    fn command(&self) -> Command<<Self::Returns as ScriptResult>::Value> {
        let mut input = ScriptInput::default();
        self.write(&mut input);
        input.into_command::<Self::Returns>(Self::definition())
    }
}
