//! Changes a cached record: update the database, then delete the key. No reader stores the old
//! record again.
//!
//! `cargo run --example user` runs on the embedded server. With `REDIS_URL` set, it runs on that
//! server, in a separate namespace.

use std::sync::Mutex;
use std::time::Duration;

use redis_keyspace::{Json, Keyspace, Redis};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct User {
    name: String,
    email: String,
}

#[derive(Keyspace)]
#[keyspace(prefix = "user", ttl = "1h")]
struct UserKeys {
    #[key("{id}")]
    user: fn(id: u64) -> Json<User>,
}

/// The source of truth.
struct Database(Mutex<User>);

impl Database {
    async fn find(&self) -> User {
        let user = self.0.lock().unwrap().clone();
        tokio::time::sleep(Duration::from_millis(50)).await;
        user
    }

    async fn update(&self, change: impl FnOnce(&mut User)) -> User {
        let mut user = self.0.lock().unwrap();
        change(&mut user);
        user.clone()
    }
}

/// Changes a user in the database, deletes the cached copy, and returns the new user.
async fn update_user(
    database: &Database,
    id: u64,
    change: impl FnOnce(&mut User),
) -> redis_keyspace::Result<User> {
    let user = database.update(change).await;
    // Delete the key after the database has changed: a load that read the old user then stores
    // nothing. `set` works, too; after `del`, the next reader loads the user.
    UserKeys::user(id).del().await?;
    Ok(user)
}

#[tokio::main]
async fn main() -> redis_keyspace::Result<()> {
    let builder = Redis::builder().namespace("user-example")?;
    let redis = match std::env::var_os("REDIS_URL") {
        Some(_) => builder.env()?.build()?,
        None => builder.embedded(redis_keyspace::embedded::Server::new()).build()?,
    };
    redis.clone().install();
    let database = Database(Mutex::new(User { name: "Ada".into(), email: "ada@old.example".into() }));

    let get = || UserKeys::user(7).get_or_set(|| database.find());
    println!("cached:  {}", get().await?.email);
    update_user(&database, 7, |user| user.email = "ada@new.example".into()).await?;
    println!("changed: {}", get().await?.email);

    // The race that most caches lose: a reader loads the old user and stores it after the change.
    UserKeys::user(7).del().await?;
    let slow_reader = get().into_future();
    let change = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        update_user(&database, 7, |user| user.name = "Ada Lovelace".into()).await
    };
    let (read, changed) = tokio::join!(slow_reader, change);
    println!("the slow reader got {:?}", read?.name);
    println!("the change wrote {:?}", changed?.name);
    println!("a later reader gets {:?}", get().await?.name);
    println!("loads not stored because the key was deleted: {}", redis.stats().fills.superseded);

    // Without a database, `update` changes the stored value, if the key exists.
    let user = UserKeys::user(7).update(|user| user.email = user.email.to_uppercase()).await?;
    println!("updated in place: {:?}", user.map(|user| user.email));

    UserKeys::user(7).del().await?;
    redis.close().await;
    Ok(())
}
