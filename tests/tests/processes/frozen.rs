//! A process that is frozen, as on serverless platforms, and resumes after the server has closed
//! its connections.

use redis_keyspace::{Counter, ErrorKind, Keyspace, Lock, Redis};
use redis_keyspace_tests::{PATIENCE, RealServer, child_test, eventually_blocking, within};

#[derive(Keyspace)]
#[keyspace(prefix = "frozen", ttl = 3600)]
struct Keys {
    #[key(ttl = "2s")]
    job: fn(id: u32) -> Lock,
    hits: fn(id: u32) -> Counter,
}

/// The process that the other test starts and freezes.
#[test]
fn lock_holder_child() {
    let Ok(url) = std::env::var("FROZEN_URL") else { return };
    within(PATIENCE, async {
        let redis = Redis::open(&url).unwrap();
        let guard = Keys::job(1).on(&redis).lock().await.unwrap();
        let held = guard.held();
        println!("holds {}", guard.fencing());
        // The process is frozen while it waits here.
        let error = held.lost().await;
        assert_eq!(error.kind(), ErrorKind::LockLost, "{error}");
        assert!(guard.check().is_err());
        // If the local clock ended the lock, the release may be the first to use a closed
        // connection.
        let released = guard.release().await.unwrap_err();
        assert!(matches!(released.kind(), ErrorKind::LockLost | ErrorKind::ConnectionLost), "{released}");
        // All its connections were closed in the meantime.
        assert_eq!(Keys::hits(1).incr().on(&redis).await.unwrap(), 1);
        println!("goes on");
    });
}

#[test]
fn a_frozen_process_loses_its_lock_and_reconnects() {
    let server = RealServer::start();
    let mut child = child_test!("lock_holder_child").env("FROZEN_URL", server.url()).spawn();
    let fencing: u64 = child.line("holds ").parse().unwrap();
    child.stop();
    eventually_blocking("the lock expires", || server.redis_cli(&["EXISTS", "frozen:job:1"]) == "0");
    assert_ne!(server.redis_cli(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]), "0");
    within(PATIENCE, async {
        let redis = Redis::open(&server.url()).unwrap();
        let guard = Keys::job(1).on(&redis).lock().await.unwrap();
        assert!(guard.fencing() > fencing);
        child.resume();
        assert_eq!(child.line("goes"), "on");
        guard.check().unwrap();
        guard.release().await.unwrap();
    });
    child.passes();
}
