//! The handle on a server.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use bb8_redis::{RedisConnectionManager, bb8};
use rustc_hash::FxHashMap;
use tokio::runtime::{Handle, Id};
use tokio::time::Instant;

use crate::connect::builder::{RedisBuilder, address};
use crate::connect::exclusive::RawConnection;
use crate::connect::pool::Pool;
use crate::connect::registry::PoolRef;
use crate::error::{Error, ErrorKind, Result};
use crate::keyspace::{Keyspace, KeyspaceMeta, TemplateMeta};
use crate::stats::{Counters, Fills, Stats};

/// A Redis server with its configuration: what commands run on.
///
/// Cheap to clone; clones are the same handle. It connects when the first command needs it, on the runtime that
/// the command runs on. Pools are shared by all handles of the process whose effective configuration is equal, and
/// close when the last of them is dropped or [closed](Self::close).
///
/// A command finds its server like this: the one stated by `.on(&redis)`; else that of the innermost
/// [`scope`](Self::scope); else the one [installed](Self::install), by name where the keyspace states
/// `server = "name"`.
#[derive(Clone)]
pub struct Redis {
    inner: Arc<Inner>,
}

struct Inner {
    builder: RedisBuilder,
    bindings: ArcSwap<Bindings>,
    /// Taken to change `bindings`.
    changing: Mutex<()>,
    closed: AtomicBool,
    counters: Counters,
}

/// By the address of the keyspace's declaration (0 for none) and the runtime.
type Bindings = FxHashMap<(usize, Id), Arc<Binding>>;

/// A keyspace bound to its pool.
pub(crate) struct Binding {
    pool: PoolRef,
    pub(crate) namespace: Box<str>,
    pub(crate) timeout: Duration,
    pub(crate) retries: u32,
    pub(crate) retry_delay: Duration,
    /// The handle was closed since.
    pub(crate) closed: AtomicBool,
}

/// A handle as a part of a key, its type erased: keys stand in users' maps and sets, and a lint that looks for interior
/// mutability in what does would look into every key and find the handle's.
#[derive(Clone)]
pub(crate) struct Stated(Arc<dyn Any + Send + Sync>);

impl Binding {
    pub(crate) fn pool(&self) -> &Arc<Pool> {
        self.pool.pool()
    }

    /// For who has waited, and may go on only on a handle that was not closed meanwhile.
    fn still_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) { Err(Error::closed()) } else { Ok(()) }
    }
}

/// What `install` sets: the default server and the named ones.
#[derive(Default, Clone)]
struct Installed {
    default: Option<Redis>,
    named: HashMap<String, Redis>,
}

static INSTALLED: LazyLock<ArcSwap<Installed>> = LazyLock::new(ArcSwap::default);

tokio::task_local! {
    static SCOPE: Redis;
}

impl Redis {
    /// Starts configuring a handle in code.
    pub fn builder() -> RedisBuilder {
        RedisBuilder::default()
    }

    /// A handle on the server of this URL. Does no I/O: see [`connect_now`](Self::connect_now).
    ///
    /// ```
    /// # use redis_keyspace::Redis;
    /// let redis = Redis::connect("redis://127.0.0.1:6379/2")?;
    /// # Ok::<(), redis_keyspace::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the URL can't be understood.
    pub fn connect(url: &str) -> Result<Self> {
        Self::builder().url(url)?.build()
    }

    /// A handle on the server that the environment states, by default the one on `localhost:6379`; see
    /// [`RedisBuilder::env`].
    ///
    /// # Errors
    ///
    /// When a variable is unusable; the message names it.
    pub fn from_env() -> Result<Self> {
        Self::builder().env()?.build()
    }

    /// A handle whose configuration has to be fetched first, for example from a secret store. The provider runs
    /// once, here.
    ///
    /// ```
    /// # use redis_keyspace::Redis;
    /// # async fn fetch_password() -> Result<String, std::io::Error> { Ok("secret".into()) }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let redis = Redis::from_async(|| async {
    ///     let password = fetch_password().await?;
    ///     Ok::<_, std::io::Error>(Redis::builder().host("10.0.0.5").password(password))
    /// })
    /// .await
    /// .unwrap();
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// A [`Configuration`](ErrorKind::Configuration) error whose source is the provider's, or what
    /// [`build`](RedisBuilder::build) finds wrong.
    pub async fn from_async<F, Fut, E>(provider: F) -> Result<Self>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<RedisBuilder, E>>,
        E: std::error::Error + Send + Sync + 'static,
    {
        match provider().await {
            Ok(builder) => builder.build(),
            Err(error) => {
                let message = format!("the provider of the configuration failed: {error}");
                Err(Error::configuration(message).sourced(error))
            }
        }
    }

    /// A handle on a new in-process server with no data: for quick starts and tests. Every call makes a server of its
    /// own, which lives as long as a handle on it, and persists nothing.
    #[cfg(feature = "embedded")]
    #[must_use]
    pub fn embedded() -> Self {
        Self::embedded_on(redis_keyspace_embedded::Server::new())
    }

    /// A handle on an in-process server that you made yourself, for example to inject faults or to listen on a port.
    #[cfg(feature = "embedded")]
    #[must_use]
    pub fn embedded_on(server: redis_keyspace_embedded::Server) -> Self {
        Self::from_builder(Self::builder().embedded(server))
    }

    /// A handle on a `bb8_redis` pool of your own, which is on database 0; with options,
    /// [`RedisBuilder::pool`](RedisBuilder::pool).
    ///
    /// Its configuration stays yours: what it states about timeouts and sizes holds, beside the deadline of each
    /// command here. A command has a connection of it to itself until its reply is there, so commands do not share
    /// system calls as they do on lanes, and connections notice a loss only when they are used.
    ///
    /// A command on a pool whose connections are on another database fails with a
    /// [`Configuration`](ErrorKind::Configuration) error.
    #[must_use]
    pub fn from_pool(pool: bb8::Pool<RedisConnectionManager>) -> Self {
        Self::from_pool_on(pool, 0)
    }

    /// Like [`from_pool`](Self::from_pool), for a pool whose connections are on another database. A keyspace that
    /// states a third one is refused, because a borrowed connection is never switched.
    #[must_use]
    pub fn from_pool_on(pool: bb8::Pool<RedisConnectionManager>, db: u16) -> Self {
        Self::from_builder(Self::builder().pool(pool).db(db))
    }

    pub(crate) fn from_builder(builder: RedisBuilder) -> Self {
        Self {
            inner: Arc::new(Inner {
                builder,
                bindings: ArcSwap::default(),
                changing: Mutex::new(()),
                closed: AtomicBool::new(false),
                counters: Counters::default(),
            }),
        }
    }

    /// Makes this the server of every command that is told no other, in the whole process. A later call replaces it.
    ///
    /// Gives the handle back, so that `let redis = Redis::from_env()?.install();` keeps it at hand.
    #[allow(clippy::must_use_candidate, reason = "the effect is the point")]
    pub fn install(self) -> Self {
        change_installed(|installed| installed.default = Some(self.clone()));
        self
    }

    /// Makes this the server of the keyspaces that state `server = "name"`.
    #[allow(clippy::must_use_candidate, reason = "the effect is the point")]
    pub fn install_as(self, name: &str) -> Self {
        change_installed(|installed| {
            installed.named.insert(name.to_owned(), self.clone());
        });
        self
    }

    /// Takes every installed server away again, named ones included. They live on while somebody holds them.
    pub fn uninstall_all() {
        change_installed(|installed| *installed = Installed::default());
    }

    /// Makes this the server of all commands that run within `future`, whatever is installed: tests that run side by side
    /// each get their own. It does not reach into tasks that `future` spawns.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "motd", ttl = none)]
    /// # struct Motd { today: Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// Redis::embedded()
    ///     .scope(async {
    ///         Motd::today().set("hello").await?;
    ///         assert_eq!(Motd::today().get().await?.as_deref(), Some("hello"));
    ///         Ok(())
    ///     })
    ///     .await
    /// # }
    /// ```
    pub async fn scope<F: Future>(&self, future: F) -> F::Output {
        SCOPE.scope(self.clone(), future).await
    }

    /// Connects now, and says what is wrong if that fails: for programs that shall not start without Redis.
    ///
    /// # Errors
    ///
    /// Why no connection can be made, at the latest after the configured timeout.
    pub async fn connect_now(&self) -> Result<&Self> {
        let binding = self.base()?;
        binding.pool().connect().await?;
        binding.still_open()?;
        Ok(self)
    }

    /// Asks the server for a sign of life, in one round trip.
    ///
    /// # Errors
    ///
    /// As any command; at the latest after the configured timeout.
    pub async fn ping(&self) -> Result<Duration> {
        let started = Instant::now();
        crate::command::Command::ping().on(self).await?;
        Ok(started.elapsed())
    }

    /// Lends a connection of the `redis` crate, for everything that this crate has no words for. What it does
    /// bypasses the promises made here: keys are plain strings, and an application namespace is not added.
    ///
    /// The connection is on the database of this handle ([`for_keyspace`](Self::for_keyspace) gives one on that of a
    /// keyspace) and is nobody else's while the closure has it. How long waiting
    /// for one may take is limited by the configured timeout; what you do with it is not, so that blocking
    /// commands work.
    ///
    /// ```
    /// # use redis_keyspace::Redis;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # let redis = Redis::embedded();
    /// let length: u64 = redis
    ///     .raw(|mut connection| async move {
    ///         redis::cmd("RPUSH").arg("queue").arg("job").query_async(&mut connection).await
    ///     })
    ///     .await?;
    /// assert_eq!(length, 1);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When no connection can be had in time, and whatever the closure fails with, in this crate's terms; the source
    /// is the driver's error.
    ///
    /// # Cancellation
    ///
    /// A connection with a command under way is closed, not reused.
    pub async fn raw<T, F, Fut>(&self, work: F) -> Result<T>
    where
        F: FnOnce(RawConnection) -> Fut,
        Fut: Future<Output = redis::RedisResult<T>>,
    {
        let binding = self.base()?;
        let connection = binding.pool().exclusive().await?;
        binding.still_open()?;
        work(connection).await.map_err(Error::driver)
    }

    /// A handle on the connections of one keyspace: on its database, with the options that it and the builder state for
    /// it. For what is about a connection rather than about keys: [`raw`](Self::raw), [`ping`](Self::ping),
    /// [`connect_now`](Self::connect_now). It shares its pool with the keyspace's commands on this handle.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "motd", db = 3, ttl = none)]
    /// # struct Motd { today: Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # let redis = Redis::embedded();
    /// Motd::today().set("hello").on(&redis).await?;
    /// let keys: u64 = redis
    ///     .for_keyspace::<Motd>()?
    ///     .raw(|mut connection| async move { redis::cmd("DBSIZE").query_async(&mut connection).await })
    ///     .await?;
    /// assert_eq!(keys, 1);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the options of the keyspace are unusable on this handle.
    pub fn for_keyspace<S: Keyspace>(&self) -> Result<Self> {
        if self.is_closed() {
            return Err(Error::closed());
        }
        let mut builder = self.inner.builder.clone();
        builder.base = builder.effective(Some(S::META))?;
        Ok(Self::from_builder(builder))
    }

    /// What the connections of this handle are doing now, and what they have done. Does no I/O.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let bindings = self.inner.bindings.load();
        Stats::new(bindings.values().map(|binding| binding.pool()), self.is_closed(), &self.inner.counters)
    }

    /// Closes this handle and all its clones: later commands on it fail, and so do those that still wait for a
    /// connection; those that were sent are waited for within their deadlines. Pools that other handles share stay open
    /// for them.
    ///
    /// What the handle does on another runtime is closed too, but not waited for.
    pub async fn close(&self) {
        let bindings = {
            let _changing = self.inner.changing.lock().unwrap_or_else(PoisonError::into_inner);
            self.inner.closed.store(true, Ordering::Release);
            self.inner.bindings.swap(Arc::default())
        };
        let here = Handle::try_current().ok().map(|runtime| runtime.id());
        bindings.values().for_each(|binding| binding.closed.store(true, Ordering::Release));
        for ((_, runtime), binding) in bindings.iter() {
            let pool = binding.pool();
            // All of a pool's users may be keyspaces of this very handle.
            let ours = bindings.values().filter(|other| Arc::ptr_eq(other.pool(), pool)).count();
            if pool.refs.load(Ordering::Relaxed) == ours && !pool.is_orphaned() {
                let closed = pool.close();
                // Nobody may be running the other runtime just now.
                if here == Some(*runtime) {
                    closed.await;
                }
            }
        }
    }

    pub(crate) fn as_stated(&self) -> Stated {
        Stated(Arc::clone(&self.inner) as Arc<dyn Any + Send + Sync>)
    }

    pub(crate) fn of_stated(stated: &Stated) -> Option<Self> {
        Some(Self { inner: Arc::clone(&stated.0).downcast().ok()? })
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.inner.closed.load(Ordering::Acquire)
    }

    pub(crate) fn fills(&self) -> &Fills {
        &self.inner.counters.fills
    }

    /// Notes a read that was answered without Redis.
    pub(crate) fn note_degraded(&self, error: &Error, template: Option<&'static TemplateMeta>) {
        self.inner.counters.degraded.fetch_add(1, Ordering::Relaxed);
        count!(
            "redis_keyspace_degraded_total",
            "keyspace" => template.map_or("", TemplateMeta::keyspace),
            "template" => template.map_or("", TemplateMeta::template)
        );
        observe!(
            warn,
            template = template.map_or("", TemplateMeta::template),
            error = %error,
            "Redis is away: a read is answered by a miss"
        );
        let _ = (error, template);
    }

    pub(crate) fn base(&self) -> Result<Arc<Binding>> {
        self.bind(None)
    }

    /// Binds a keyspace to its pool on this runtime.
    fn bind(&self, keyspace: Option<&'static KeyspaceMeta>) -> Result<Arc<Binding>> {
        let runtime = current_runtime()?;
        let key = (keyspace.map_or(0, address), runtime.id());
        if let Some(binding) = self.inner.bindings.load().get(&key) {
            return Ok(Arc::clone(binding));
        }
        let _changing = self.inner.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_closed() {
            return Err(Error::closed());
        }
        let current = self.inner.bindings.load();
        if let Some(binding) = current.get(&key) {
            return Ok(Arc::clone(binding));
        }
        let settings = self.inner.builder.effective(keyspace)?;
        let binding = Arc::new(Binding {
            namespace: self.inner.builder.namespace.as_str().into(),
            timeout: settings.timeout,
            retries: settings.retries,
            retry_delay: settings.retry_delay,
            pool: PoolRef::obtain(settings, &runtime),
            closed: AtomicBool::new(false),
        });
        // The moment for letting go of runtimes that have ended: tests make one each.
        let mut bindings: Bindings = (current.iter().filter(|(_, binding)| !binding.pool().is_orphaned()))
            .map(|(key, binding)| (*key, Arc::clone(binding)))
            .collect();
        bindings.insert(key, Arc::clone(&binding));
        self.inner.bindings.store(Arc::new(bindings));
        Ok(binding)
    }

    /// Runs `use_binding` with the keyspace's binding; on the hot path without touching a reference count.
    fn with_binding<R>(
        &self,
        keyspace: Option<&'static KeyspaceMeta>,
        use_binding: impl FnOnce(&Binding) -> R,
    ) -> Result<R> {
        {
            let runtime = current_runtime()?;
            if let Some(binding) =
                self.inner.bindings.load().get(&(keyspace.map_or(0, address), runtime.id()))
            {
                return Ok(use_binding(binding));
            }
        }
        self.bind(keyspace).map(|binding| use_binding(&binding))
    }
}

pub(crate) fn current_runtime() -> Result<Handle> {
    Handle::try_current().map_err(|_| {
        Error::new(
            ErrorKind::NoServer,
            "there is no tokio runtime here: await commands within one, for example under #[tokio::main]",
        )
    })
}

fn change_installed(change: impl Fn(&mut Installed)) {
    INSTALLED.rcu(|installed| {
        let mut installed = Installed::clone(installed);
        change(&mut installed);
        installed
    });
}

/// Chooses the server of a command and hands its binding to `use_binding`.
pub(crate) fn with_target<R>(
    stated: Option<&Redis>,
    keyspace: Option<&'static KeyspaceMeta>,
    use_binding: impl FnOnce(&Binding) -> R,
) -> Result<R> {
    with_redis(stated, keyspace, |redis| redis.with_binding(keyspace, use_binding))?
}

/// The binding itself, for work that takes longer than a call.
pub(crate) fn target(
    stated: Option<&Redis>,
    keyspace: Option<&'static KeyspaceMeta>,
) -> Result<Arc<Binding>> {
    with_redis(stated, keyspace, |redis| redis.bind(keyspace))?
}

/// Puts a future that leaves its caller for a task of its own into the caller's scope.
pub(crate) async fn in_scope_of_caller_given<T>(scope: Option<Redis>, future: impl Future<Output = T>) -> T {
    match scope {
        Some(redis) => SCOPE.scope(redis, future).await,
        None => future.await,
    }
}

/// The same, of whoever calls this.
pub(crate) fn in_scope_of_caller<T>(future: impl Future<Output = T>) -> impl Future<Output = T> {
    in_scope_of_caller_given(SCOPE.try_with(Redis::clone).ok(), future)
}

/// The handle that a command of this keyspace runs on.
pub(crate) fn chosen(stated: Option<&Redis>, keyspace: Option<&'static KeyspaceMeta>) -> Result<Redis> {
    with_redis(stated, keyspace, Redis::clone)
}

/// Hands the handle that a command of this keyspace runs on to `work`.
pub(crate) fn with_redis<R>(
    stated: Option<&Redis>,
    keyspace: Option<&'static KeyspaceMeta>,
    work: impl FnOnce(&Redis) -> R,
) -> Result<R> {
    if let Some(redis) = stated {
        return Ok(work(redis));
    }
    // The closure is called once at most, but that is more than the borrow checker sees through `try_with`.
    let mut work = Some(work);
    let scoped = SCOPE.try_with(|redis| work.take().map(|work| work(redis)));
    if let Ok(Some(result)) = scoped {
        return Ok(result);
    }
    let Some(work) = work else { return Err(no_server(keyspace)) };
    let installed = INSTALLED.load();
    let redis = match keyspace.and_then(KeyspaceMeta::server) {
        None => installed.default.as_ref(),
        Some(name) => installed.named.get(name),
    };
    redis.map(work).ok_or_else(|| no_server(keyspace))
}

/// One command runs on one server, so keys that state a server must state the same one.
pub(crate) fn same_server(stated: impl IntoIterator<Item = Option<Redis>>) -> Result<Option<Redis>> {
    let mut stated = stated.into_iter();
    let first = stated.next().flatten();
    if stated.all(|other| match (&first, &other) {
        (None, None) => true,
        (Some(first), Some(other)) => first.is_same(other),
        _ => false,
    }) {
        Ok(first)
    } else {
        Err(Error::invalid_input(
            "the keys of one command are on different servers; state the server once, on the command",
        ))
    }
}

fn no_server(keyspace: Option<&'static KeyspaceMeta>) -> Error {
    let message = match keyspace.and_then(|meta| Some((meta.name(), meta.server()?))) {
        Some((keyspace, server)) => format!(
            "no server named {server:?} is installed, which {keyspace} states: call \
             Redis::..install_as({server:?}) at the start of the program, run within redis.scope(..), \
             or add .on(&redis) to the command"
        ),
        None => "no server is installed: call Redis::..install() at the start of the program, run within \
                 redis.scope(..), or add .on(&redis) to the command"
            .to_owned(),
    };
    Error::new(ErrorKind::NoServer, message)
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let builder = &self.inner.builder;
        f.debug_struct("Redis")
            .field("endpoint", &builder.base.endpoint)
            .field("db", &builder.base.db)
            .field("namespace", &builder.namespace)
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "embedded")]
impl RedisBuilder {
    /// Runs on an in-process server instead of one at an address.
    pub fn embedded(mut self, server: redis_keyspace_embedded::Server) -> Self {
        use crate::connect::settings::{Embedded, Endpoint};

        crate::script::register(&server);
        self.unstated = None;
        self.base.endpoint = Endpoint::Embedded(Embedded::new(server));
        self
    }
}
