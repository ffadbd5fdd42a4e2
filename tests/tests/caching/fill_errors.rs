//! Errors of fills: with `?` in other error types, and for callers that waited.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use redis_keyspace::cache::FillError;
use redis_keyspace::{Error, ErrorKind, Key, Keyspace, Redis, Text};
use redis_keyspace_tests::{PATIENCE, both_servers, eventually};

type BoxError = Box<dyn StdError + Send + Sync>;

#[derive(Keyspace)]
#[keyspace(prefix = "fill-errors", ttl = "1h")]
struct Keys {
    text: fn(id: u64) -> Text,
}

/// An error with a source.
#[derive(Debug)]
struct Outer(std::io::Error);

impl fmt::Display for Outer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("outer")
    }
}

impl StdError for Outer {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0)
    }
}

fn outer() -> Outer {
    Outer(std::io::Error::other("inner"))
}

/// An error type of the program, made from the parts of a fill's error.
#[derive(Debug)]
enum AppError {
    NotFound,
    Redis(Error),
}

impl From<FillError<AppError>> for AppError {
    fn from(error: FillError<AppError>) -> Self {
        error.into_loader_error().unwrap_or_else(AppError::Redis)
    }
}

both_servers! {
    async fn errors_convert_to_anyhow(redis: Redis) {
        async fn with_own() -> anyhow::Result<String> {
            Ok(Keys::text(1).try_get_or_set(async || Err(outer())).await?)
        }
        async fn with_anyhow() -> anyhow::Result<String> {
            let load = async || Err(anyhow::Error::new(outer()).context("while loading"));
            Ok(Keys::text(1).try_get_or_set(load).await?)
        }
        async fn with_text() -> anyhow::Result<Vec<Option<String>>> {
            let load = async |_: Vec<u64>| Err::<Vec<(u64, String)>, _>("no database");
            Ok(Key::try_get_or_set_many([1], Keys::text, load).await?)
        }
        let error = with_own().await.unwrap_err();
        assert_eq!(error.to_string(), "the loader failed: outer");
        assert!(error.downcast_ref::<FillError<Outer>>().unwrap().is_loader());
        let error = with_anyhow().await.unwrap_err();
        assert_eq!(error.to_string(), "the loader failed: while loading");
        let inner = error.downcast::<FillError<anyhow::Error>>().unwrap().into_loader_error().unwrap();
        assert_eq!(inner.chain().map(ToString::to_string).collect::<Vec<_>>(), ["while loading", "outer", "inner"]);
        assert_eq!(with_text().await.unwrap_err().to_string(), "the loader failed: no database");
        drop(redis);
    }

    async fn errors_convert_to_boxed_errors(redis: Redis) {
        async fn with_own() -> Result<String, BoxError> {
            Ok(Keys::text(1).try_get_or_set(async || Err(outer())).await?)
        }
        async fn with_boxed() -> Result<String, BoxError> {
            Ok(Keys::text(1).try_get_or_set(async || Err(BoxError::from(outer()))).await?)
        }
        assert_eq!(with_own().await.unwrap_err().to_string(), "the loader failed: outer");
        let error = with_boxed().await.unwrap_err();
        assert_eq!(error.to_string(), "the loader failed: outer");
        // The message already contains the outer error.
        assert_eq!(error.source().unwrap().to_string(), "inner");
        let boxed = Keys::text(1).try_get_or_set(async || Err(outer())).await.map_err(FillError::into_boxed);
        let boxed = boxed.unwrap_err();
        assert!(boxed.is::<Outer>() && boxed.source().is_some());
        drop(redis);
    }

    async fn errors_convert_to_application_enums(redis: Redis) {
        async fn load() -> Result<String, AppError> {
            Ok(Keys::text(1).try_get_or_set(async || Err(AppError::NotFound)).await?)
        }
        assert!(matches!(load().await, Err(AppError::NotFound)));
        let nowhere = Redis::open("redis://127.0.0.1:1").unwrap();
        assert!(matches!(nowhere.scope(load()).await, Err(AppError::Redis(error)) if error.is_unavailable()));
        drop(redis);
    }

    async fn errors_convert_to_the_error_of_this_crate(redis: Redis) {
        async fn nested() -> redis_keyspace::Result<String> {
            let load = async || Keys::text(2).get().await.map(Option::unwrap_or_default);
            Ok(Keys::text(1).try_get_or_set(load).await?)
        }
        async fn failing() -> redis_keyspace::Result<String> {
            let load = async || Keys::text(2).on(&Redis::open("redis://127.0.0.1:1")?).get().await;
            Ok(Keys::text(3).try_get_or_set_optional(load).await?.unwrap_or_default())
        }
        Keys::text(2).set("two").await.unwrap();
        assert_eq!(nested().await.unwrap(), "two");
        let error = failing().await.unwrap_err();
        // The loader's own error, not wrapped.
        assert!(error.is_unavailable() && error.key() == Some("fill-errors:text:2"), "{error}");
        drop(redis);
    }

    async fn accessors_return_the_parts_of_a_fill_error(redis: Redis) {
        let error = Keys::text(1).try_get_or_set(async || Err("no database")).await.unwrap_err();
        assert_eq!((error.is_loader(), error.loader_error()), (true, Some(&"no database")));
        assert!(error.redis_error().is_none());
        let error = error.map_loader(str::len);
        assert_eq!(error.into_loader_error().unwrap(), 11);

        let nowhere = Redis::open("redis://127.0.0.1:1").unwrap();
        let failed = Keys::text(1).on(&nowhere).try_get_or_set(async || Err::<String, _>("not called")).await;
        let error = failed.unwrap_err().map_loader(str::len);
        assert!(!error.is_loader() && error.loader_error().is_none());
        assert!(error.redis_error().unwrap().is_unavailable());
        assert!(error.into_loader_error().unwrap_err().is_unavailable());

        let limit = Duration::from_millis(1);
        let late = Keys::text(1).try_get_or_set(async || std::future::pending::<Result<String, &str>>().await);
        let error = late.hard_timeout(limit).await.unwrap_err();
        assert!(matches!(error, FillError::TimedOut(passed) if passed == limit));
        assert_eq!(error.into_loader_error().unwrap_err().kind(), ErrorKind::LoaderTimeout);
        drop(redis);
    }

    async fn callers_that_waited_get_the_timeout_of_the_load(redis: Redis) {
        let slow = async |limit: u64| {
            let load = async || std::future::pending::<Result<String, &str>>().await;
            let fill = Keys::text(2).try_get_or_set(load).hard_timeout(Duration::from_millis(limit));
            fill.await.unwrap_err()
        };
        let failing = async || {
            let load = async || Err::<String, _>("refused");
            Keys::text(2).try_get_or_set(load).hard_timeout(PATIENCE).await.unwrap_err()
        };
        eventually("a caller waits for two loads, and the second one times out", async || {
            let (a, b, c, d) = tokio::join!(slow(20), slow(60), failing(), failing());
            let coalesced = |error: &FillError<&str>| match error {
                FillError::Coalesced(failure) => Some(failure.as_str().to_owned()),
                _ => None,
            };
            let failures: Vec<_> = [a, b, c, d].iter().filter_map(coalesced).collect();
            assert!(failures.iter().all(|failure| failure.contains("0ms") || failure.contains("refused")), "{failures:?}");
            failures.iter().any(|failure| failure.contains("0ms"))
        }).await;
        drop(redis);
    }

    async fn callers_that_waited_get_the_error_of_the_load(redis: Redis) {
        let fill = async || {
            let load = async || {
                tokio::task::yield_now().await;
                Err::<String, _>(anyhow::anyhow!("a cause").context("no database"))
            };
            Keys::text(1).try_get_or_set(load).await.unwrap_err()
        };
        // A caller that arrives after the loads have failed runs its own loader.
        eventually("a caller waits for two loads", async || {
            let (a, b, c, d) = tokio::join!(fill(), fill(), fill(), fill());
            let mut waited = false;
            for error in [a, b, c, d] {
                match &error {
                    FillError::Loader(_) => {}
                    FillError::Coalesced(failure) => {
                        waited = true;
                        assert!(failure.as_str().contains("no database"), "{failure}");
                        assert!(failure.as_str().contains("a cause"), "the sources, too: {failure}");
                        assert!(error.to_string().contains(failure.as_str()), "{error}");
                        let error = error.into_loader_error().unwrap_err();
                        assert_eq!(error.kind(), ErrorKind::LoaderFailed);
                        assert!(error.to_string().contains("no database"), "{error}");
                    }
                    other => panic!("{other}"),
                }
            }
            waited
        }).await;
        drop(redis);
    }
}
