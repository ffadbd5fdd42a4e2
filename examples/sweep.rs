//! Deleting and listing keys by template: what is meant goes, and nothing else.
//!
//! `cargo run --example sweep` runs on the embedded server, with `REDIS_URL` set on a real one, in a namespace of its own.

use std::io::Write;

use redis_keyspace::{Json, Key, Keyspace, Redis, Text};

/// Who is logged in, and on what.
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
        None => builder.embedded(redis_keyspace_embedded::Server::new()).build()?,
    };
    redis.clone().install();

    // A user who calls themselves `*`, and a good many others.
    for user in ["*", "ada", "bob"] {
        let sessions =
            (0..20_000).map(|device| (SessionKeys::session(user, device), vec!["a role".to_owned()]));
        Key::set_many(sessions).await?;
        SessionKeys::last_seen(user).set("today").await?;
    }
    // A key of somebody else's, which the glob of the template matches: its device is no number.
    redis
        .raw(|mut connection| async move {
            redis::cmd("SET")
                .arg("sweep-example:session:ada:laptop")
                .arg("x")
                .query_async::<()>(&mut connection)
                .await
        })
        .await?;

    let all = SessionKeys::session_keys();
    println!("sessions of all users, as the server is asked for them: {}", all.glob());
    println!("sessions of `*`: {}", SessionKeys::session_keys().user("*").glob());

    let mut scan = SessionKeys::session_keys().device(7).scan();
    while let Some(found) = scan.next().await.transpose()? {
        println!("  {} is {:?}", found.key(), found.arguments());
    }

    let would_go = SessionKeys::session_keys().user("*").delete().dry_run().await?;
    println!("\ndeleting the sessions of `*` would reach {} keys", would_go.matched);
    let gone = SessionKeys::session_keys()
        .user("*")
        .delete()
        .on_progress(|progress| {
            let done = progress.fraction();
            print!("\r[{:<40}] {:>3.0} %", "#".repeat((done * 40.0) as usize), done * 100.0);
            let _ = std::io::stdout().flush();
        })
        .await?;
    println!("\ndeleted {} keys of `*`, and nobody else's: ", gone.affected);
    for user in ["*", "ada", "bob"] {
        println!("  {user}: {} sessions", SessionKeys::session_keys().user(user).count().await?);
    }

    let gone = SessionKeys::session_keys().delete().await?;
    println!(
        "\ndeleted all {} sessions; {} other keys matched the glob and survive, one of them foreign",
        gone.affected, gone.skipped
    );
    println!("last seen, of another template: {:?}", SessionKeys::last_seen("ada").get().await?);

    // What bypasses all that: a raw glob, within the prefix.
    println!("and the rest of the prefix: {} keys", SessionKeys::delete_pattern("*").await?.affected);
    redis.close().await;
    Ok(())
}
