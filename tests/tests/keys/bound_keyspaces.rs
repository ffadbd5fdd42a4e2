//! Keyspaces that are bound to a handle.

use redis_keyspace::{Counter, Json, Keyspace, Redis, Text};
use redis_keyspace_tests::both_servers;

#[derive(Keyspace)]
#[keyspace(prefix = "bound", ttl = "1h", bound = BoundCartKeys)]
struct CartKeys {
    /// The open cart of one shopper.
    user: fn(id: u64) -> Json<Vec<String>>,
    named: fn(first: &str, last: &str) -> Text,
    views: fn(id: u64) -> Counter,
    featured: Text,
}

/// Takes a bound keyspace as its argument, like a service.
#[derive(Clone, Debug)]
struct Shop {
    carts: BoundCartKeys,
}

impl Shop {
    async fn add(&self, id: u64, item: &str) -> redis_keyspace::Result<Vec<String>> {
        let add = |cart: &mut Vec<String>| cart.push(item.to_owned());
        self.carts.user(id).update_or_insert(Vec::new, add).await
    }
}

fn assert_shareable<T: Clone + Send + Sync + 'static>(_: &T) {}

both_servers! {
    async fn keys_of_a_bound_keyspace_use_its_handle(redis: Redis) {
        let shop = Shop { carts: BoundCartKeys::new(redis.clone()) };
        assert_shareable(&shop);
        // In a spawned task, which is outside of the scope of the test.
        let task = tokio::spawn({
            let shop = shop.clone();
            async move {
                shop.add(7, "lamp").await?;
                shop.carts.named("a:b", "c").set("x").await?;
                shop.carts.views(7).incr().await?;
                shop.carts.featured().set("lamp").await?;
                let (cart, views) =
                    shop.carts.redis().batch((shop.carts.user(7).get_json(), shop.carts.views(7).get())).await?;
                assert_eq!((cart, views), (Some(vec!["lamp".to_owned()]), 1));
                Ok::<(), redis_keyspace::Error>(())
            }
        });
        task.await.unwrap().unwrap();
        assert_eq!(CartKeys::user(7).get().await.unwrap(), Some(vec!["lamp".to_owned()]));
        assert_eq!(CartKeys::named("a:b", "c").get().await.unwrap().as_deref(), Some("x"));
        assert_eq!(CartKeys::featured().get().await.unwrap().as_deref(), Some("lamp"));
        assert_eq!(shop.carts.user(7), CartKeys::user(7));
        // The bound handle overrides the scope.
        let elsewhere = Redis::disabled();
        assert_eq!(elsewhere.scope(shop.carts.views(7).get()).await.unwrap(), 1);
        assert!(BoundCartKeys::from(elsewhere).views(7).get().await.is_err());
    }

    async fn patterns_of_a_bound_keyspace_use_its_handle(redis: Redis) {
        let carts: BoundCartKeys = redis.into();
        let work = async move {
            for id in 0..10 {
                carts.user(id).set(&Vec::new()).await?;
                carts.named("a", &id.to_string()).set("x").await?;
            }
            assert_eq!(carts.user_keys().count().await?, 10);
            assert!(carts.named_keys().first("a").last("3").exists().await?);
            let mut scan = carts.named_keys().last("3").scan();
            let found = scan.next().await.transpose()?.expect("one of them");
            // Keys that a scan finds use the bound handle, too.
            assert!(found.key().del().await?);
            assert_eq!(carts.named_keys().first("a").delete().await?.affected, 9);
            assert_eq!(carts.delete_pattern("user:*").await?.affected, 10);
            Ok::<(), redis_keyspace::Error>(())
        };
        tokio::spawn(work).await.unwrap().unwrap();
    }
}
