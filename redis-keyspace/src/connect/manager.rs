//! The bb8 manager of shared connections.

use bb8_redis::bb8;

use super::attempt::{Attempt, Origin};
use super::lane::Lane;
use super::login::Login;
use super::open::open;
use super::reauthentication::keep_authenticated;

/// Opens lanes.
pub(crate) struct LaneManager {
    pub(crate) origin: Origin,
}

impl bb8::ManageConnection for LaneManager {
    type Connection = Attempt<Lane>;
    type Error = std::convert::Infallible;

    async fn connect(&self) -> Result<Attempt<Lane>, Self::Error> {
        let Origin { settings, facts, .. } = &self.origin;
        let connect = || async {
            let generation = facts.generation();
            let (stream, Login { unread, server, issued, .. }) = open(settings, facts).await?;
            let run = facts.note_server(&server);
            let lane = Lane::spawn(stream, unread, self.origin.clone(), run, server, generation);
            keep_authenticated(&lane, issued, &self.origin);
            Ok(lane)
        };
        Ok(self.origin.attempt(connect).await)
    }

    async fn is_valid(&self, _: &mut Attempt<Lane>) -> Result<(), Self::Error> {
        // A lane notices when it breaks, because its driver reads all the time.
        Ok(())
    }

    fn has_broken(&self, lane: &mut Attempt<Lane>) -> bool {
        match lane {
            Attempt::Connected(lane) => !lane.is_open(),
            Attempt::Failed(..) => true,
        }
    }
}
