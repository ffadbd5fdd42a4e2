//! Lists and deletes keys by template, and leaves all other keys alone.
//!
//! `cargo run --example sweep` runs on the embedded server. With `REDIS_URL` set, it runs on that
//! server, in a separate namespace.

use std::io::Write;

use redis_keyspace::{Json, Key, Keyspace, Redis, Text};

/// Logged-in users and their devices.
#[derive(Keyspace)]
#[keyspace(prefix = "session", ttl = "1d")]
struct SessionKeys {
    #[key("{user}:{device}")]
    session: fn(user: &str, device: u32) -> Json<Vec<String>>,
    #[key("{user}:last-seen")]
    last_seen: fn(user: &str) -> Text,
}

#[tokio::main]
async fn main() -> redis_keyspace::Result<()> {
    let builder = Redis::builder().namespace("sweep-example")?;
    let redis = match std::env::var_os("REDIS_URL") {
        Some(_) => builder.env()?.build()?,
        None => builder.embedded(redis_keyspace::embedded::Server::new()).build()?,
    };
    redis.clone().install();

    // Many sessions, also of a user named `*`.
    for user in ["*", "ada", "bob"] {
        let sessions =
            (0..20_000).map(|device| (SessionKeys::session(user, device), vec!["a role".to_owned()]));
        Key::set_many(sessions).await?;
        SessionKeys::last_seen(user).set("today").await?;
    }
    // A foreign key that matches the glob but not the template: its device is not a number.
    redis
        .raw(|mut connection| async move {
            redis_keyspace::redis::cmd("SET")
                .arg("sweep-example:session:ada:laptop")
                .arg("x")
                .query_async::<()>(&mut connection)
                .await
        })
        .await?;

    let all = SessionKeys::session_keys();
    println!("glob for the sessions of all users: {}", all.glob());
    println!("glob for the sessions of `*`: {}", SessionKeys::session_keys().user("*").glob());

    let mut scan = SessionKeys::session_keys().device(7).scan();
    while let Some(found) = scan.next().await.transpose()? {
        println!("  {} is {:?}", found.key(), found.arguments());
    }

    let would_go = SessionKeys::session_keys().user("*").delete().dry_run().await?;
    println!("\ndry run: deleting the sessions of `*` would delete {} keys", would_go.matched);
    let gone = SessionKeys::session_keys()
        .user("*")
        .delete()
        .on_progress(|progress| {
            let done = progress.fraction();
            print!("\r[{:<40}] {:>3.0} %", "#".repeat((done * 40.0) as usize), done * 100.0);
            let _ = std::io::stdout().flush();
        })
        .await?;
    println!("\ndeleted {} keys of `*`; sessions left:", gone.affected);
    for user in ["*", "ada", "bob"] {
        println!("  {user}: {} sessions", SessionKeys::session_keys().user(user).count().await?);
    }

    let gone = SessionKeys::session_keys().all().delete().await?;
    println!(
        "\ndeleted all {} sessions; kept {} other keys that match the glob, one of them foreign",
        gone.affected, gone.skipped
    );
    println!("`last_seen`, another template: {:?}", SessionKeys::last_seen("ada").get().await?);

    // A raw glob bypasses the templates. It is limited to the prefix of the keyspace.
    println!("deleted the rest of the prefix: {} keys", SessionKeys::delete_pattern("*").await?.affected);
    redis.close().await;
    Ok(())
}
