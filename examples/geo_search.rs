//! Taxis near a customer, on a geo set.
//!
//! `cargo run --example geo_search` runs on the embedded server. With `REDIS_URL` set, it runs on
//! that server, in a separate namespace.

use redis_keyspace::geo::{self, By, Distance, Position};
use redis_keyspace::{Geo, Keyspace, Redis, SingleValue};

/// The number of a taxi, as a member of sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, SingleValue)]
struct TaxiId(u32);

#[derive(Keyspace)]
#[keyspace(prefix = "taxi")]
struct TaxiKeys {
    /// Where the free taxis of a city are. Expires if no taxi has moved for five minutes.
    #[key("{city}:free", ttl = "5m", renew = "write")]
    free: fn(city: &str) -> Geo<TaxiId>,
}

/// Finds the free taxis within a distance, the nearest ones first.
async fn near(customer: Position, most: Distance) -> redis_keyspace::Result<Vec<(TaxiId, Distance)>> {
    TaxiKeys::free("berlin")
        .geo_search(geo::From::position(customer), By::radius(most))
        .count(3)
        .nearest_first()
        .with_distance()
        .await
}

#[tokio::main]
async fn main() -> redis_keyspace::Result<()> {
    let builder = Redis::builder().namespace("geo-search-example")?;
    let redis = match std::env::var_os("REDIS_URL") {
        Some(_) => builder.env()?.build()?,
        None => builder.embedded(redis_keyspace::embedded::Server::new()).build()?,
    };
    redis.clone().install();

    let free = TaxiKeys::free("berlin");
    let taxis = [
        (TaxiId(1), Position::new(13.3777, 52.5163)?),
        (TaxiId(2), Position::new(13.4094, 52.5208)?),
        (TaxiId(3), Position::new(13.2846, 52.5019)?),
        (TaxiId(4), Position::new(13.3889, 52.5170)?),
    ];
    println!("{} taxis are free", free.geo_add_many(taxis).await?);

    let customer = Position::new(13.3904, 52.5076)?;
    for (taxi, distance) in near(customer, Distance::km(2.0)).await? {
        println!("taxi {} is {:.0} m away", taxi.0, distance.as_m());
    }

    // The nearest one takes the customer. If two customers want it, only one of them removes it.
    if let Some((taxi, _)) = near(customer, Distance::km(2.0)).await?.first().copied() {
        println!("taxi {} is taken: {}", taxi.0, free.geo_remove(&taxi).await?);
        let others = free.geo_search(geo::From::member(&TaxiId(2)), By::radius(Distance::km(5.0))).await?;
        println!("{} taxis are around taxi 2", others.len());
    }

    free.del().await?;
    redis.close().await;
    Ok(())
}
