//! Changing what is cached: the database first, then the key, and no reader brings back what was.
//!
//! `cargo run --example user` runs on the embedded server, with `REDIS_URL` set on a real one, in a namespace of its own.

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

/// The truth.
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

/// Writes the change, and what it comes to.
async fn update_user(
    database: &Database,
    id: u64,
    change: impl FnOnce(&mut User),
) -> redis_keyspace::Result<User> {
    let user = database.update(change).await;
    // After the database: a load that read before it stores nothing any more. `set` would do as well; `del` leaves the key
    // to whoever needs it.
    UserKeys::user(id).del().await?;
    Ok(user)
}

#[tokio::main]
async fn main() -> redis_keyspace::Result<()> {
    let builder = Redis::builder().namespace("user-example")?;
    let redis = match std::env::var_os("REDIS_URL") {
        Some(_) => builder.env()?.build()?,
        None => builder.embedded(redis_keyspace_embedded::Server::new()).build()?,
    };
    redis.clone().install();
    let database = Database(Mutex::new(User { name: "Ada".into(), email: "ada@old.example".into() }));

    let get = || UserKeys::user(7).get_or_set(|| database.find());
    println!("cached:  {}", get().await?.email);
    update_user(&database, 7, |user| user.email = "ada@new.example".into()).await?;
    println!("changed: {}", get().await?.email);

    // The race that most caches lose: a reader has read the old user, and stores it after the change.
    UserKeys::user(7).del().await?;
    let slow_reader = get().into_future();
    let change = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        update_user(&database, 7, |user| user.name = "Ada Lovelace".into()).await
    };
    let (read, changed) = tokio::join!(slow_reader, change);
    println!("the slow reader was given {:?}", read?.name);
    println!("written was {:?}", changed?.name);
    println!("who comes after reads {:?}", get().await?.name);
    println!("not stored because the key was written: {}", redis.stats().fills.superseded);

    // Without a database behind it, the value itself is changed, and only if it is there.
    let user = UserKeys::user(7).update(|user| user.email = user.email.to_uppercase()).await?;
    println!("in place: {:?}", user.map(|user| user.email));

    UserKeys::user(7).del().await?;
    redis.close().await;
    Ok(())
}
