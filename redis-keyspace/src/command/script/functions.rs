//! Loads libraries of functions.

use futures_util::future::join_all;

use crate::client::{Observed, OnServer, Redis, Subject, Target, explain_missing, run_at, run_on};
use crate::error::{Error, Result};
use crate::protocol::{Keys, Packet, Replies, Reply, Request, read};

impl Redis {
    /// Loads a library of functions on the server, or on every master of a cluster. Replaces a
    /// library of the same name. Returns the name of the library.
    ///
    /// The text starts with `#!lua name=..`. Scripts with `#[script(function = "..")]` then call
    /// its functions. A library is stored with the data of the server, for all databases and
    /// applications: choose a name that no other application uses. Masters that join a cluster
    /// later get it only from another call.
    ///
    /// ```no_run
    /// # use redis_keyspace::Redis;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # let redis = Redis::open("redis://localhost")?;
    /// let library = "#!lua name=shop
    ///     redis.register_function('take_stock', function(keys, args)
    ///         return redis.call('DECRBY', keys[1], args[1])
    ///     end)";
    /// assert_eq!(redis.load_functions(library).await?, "shop");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of any command. A server before Redis 7.0 lacks functions, and the error says so. On
    /// the embedded server, register a Rust version of each function first, with
    /// `Server::register_function`. If a master of a cluster fails, the others may have loaded the
    /// library; call it again.
    ///
    /// # Cancellation
    ///
    /// Dropping the future may leave the library loaded on some masters.
    ///
    /// # Round trips
    ///
    /// One to each master, at the same time. On a cluster, one more before that, to ask all masters
    /// for their slots.
    pub async fn load_functions(&self, library: &str) -> Result<String> {
        let subject = Subject::new(None, None, "FUNCTION LOAD");
        let mut packet = Packet::new("FUNCTION", Keys::None);
        ["LOAD", "REPLACE", library].iter().for_each(|word| packet.args.push(word.as_bytes()));
        let request = Request::One(packet);
        let observed = Observed::command(&subject);
        let outcome = self.load(&request, &observed).await;
        observed.outcome(&subject, outcome.as_ref().err());
        let target = Target::Handle(self.clone());
        outcome.map_err(|error| subject.explain(explain_missing(error, &request, &subject, &target), None))
    }

    async fn load(&self, request: &Request, observed: &Observed) -> Result<String> {
        let binding = Target::Handle(self.clone()).resolve(None)?;
        let deadline = binding.deadline(None);
        observed.to(&binding);
        let replies = match run_on(&binding, request, deadline, true, None, None).await? {
            OnServer::Answered(replies, _) => vec![replies],
            OnServer::Cluster(_) => {
                let cluster =
                    binding.pool().cluster().ok_or_else(|| Error::protocol("the cluster is not known"))?;
                let layout = cluster.layout(deadline).await?;
                let running = layout.serving().map(|node| run_at(&binding, node, request, deadline, None));
                let outcomes: Result<Vec<_>> = join_all(running).await.into_iter().collect();
                outcomes?.into_iter().map(|(replies, _)| replies).collect()
            }
        };
        let mut loaded = String::new();
        for replies in replies {
            loaded = name_of(replies)?;
        }
        Ok(loaded)
    }
}

fn name_of(replies: Replies) -> Result<String> {
    match read::one(replies)? {
        Reply::Bulk(name) => Ok(String::from_utf8_lossy(&name).into_owned()),
        Reply::Status(name) => Ok(name),
        _ => Err(Error::protocol("FUNCTION LOAD did not return the name of the library")),
    }
}
