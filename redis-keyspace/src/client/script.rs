//! Runs scripts by their digest, and sends the whole script if the server does not know the digest.

use std::sync::Arc;

use futures_core::future::BoxFuture;

use super::binding::Binding;
use super::run::run;
use crate::error::{Error, Result};
use crate::protocol::{LuaScript, Replies, Reply, Request, ScriptCall, ScriptForm, read};
use crate::time::Deadline;

impl LuaScript {
    /// Runs the script. Takes one round trip, and a second one if the server does not know the
    /// script.
    pub(crate) async fn run(
        &self,
        binding: &Arc<Binding>,
        call: ScriptCall,
        deadline: Deadline,
        repeatable: bool,
    ) -> Result<Reply> {
        let send = async |form| {
            let request = Request::One(self.packet(call.clone(), form));
            // Boxed, because the futures of callers nest deeply and the compiler limits the depth.
            let run: BoxFuture<'_, Result<Replies>> =
                Box::pin(run(Arc::clone(binding), request, deadline, repeatable, None));
            run.await.and_then(read::one)
        };
        match send(ScriptForm::ByDigest).await {
            Err(error) if is_unknown(&error) => send(ScriptForm::Whole).await,
            outcome => outcome,
        }
    }

    /// Runs the script several times in one round trip. Each call has its own outcome. Calls for
    /// which the server did not know the script take a second round trip.
    pub(crate) async fn run_many(
        &self,
        binding: &Arc<Binding>,
        calls: Vec<ScriptCall>,
        deadline: Deadline,
        repeatable: bool,
    ) -> Result<Vec<Result<Reply>>> {
        // Once the whole script is sent, later calls on the same connection can use its digest. On
        // a cluster, the calls go to several nodes.
        let send = async |calls: Vec<ScriptCall>, first| -> Result<Vec<Result<Reply>>> {
            let rest = if binding.pool().cluster().is_some() { first } else { ScriptForm::ByDigest };
            let forms = std::iter::once(first).chain(std::iter::repeat(rest));
            let packets: Vec<_> =
                calls.into_iter().zip(forms).map(|(call, form)| self.packet(call, form)).collect();
            if packets.is_empty() {
                return Ok(Vec::new());
            }
            // A batch, so that each call has its own outcome on a cluster.
            let request = Request::Batch(packets.into_iter().map(Request::One).collect());
            let run: BoxFuture<'_, Result<Replies>> =
                Box::pin(run(Arc::clone(binding), request, deadline, repeatable, None));
            Ok(read::many(run.await?).into_iter().map(read::checked).collect())
        };
        let mut outcomes = send(calls.clone(), ScriptForm::ByDigest).await?;
        let unknown: Vec<usize> = (outcomes.iter().enumerate())
            .filter(|(_, outcome)| outcome.as_ref().is_err_and(is_unknown))
            .map(|(index, _)| index)
            .collect();
        let again = unknown.iter().filter_map(|&index| calls.get(index).cloned()).collect();
        for (index, outcome) in unknown.iter().zip(send(again, ScriptForm::Whole).await?) {
            if let Some(place) = outcomes.get_mut(*index) {
                *place = outcome;
            }
        }
        Ok(outcomes)
    }
}

fn is_unknown(error: &Error) -> bool {
    error.is_unknown_script()
}
