//! The kind of sets of positions.

use std::marker::PhantomData;

use crate::kind::{Kind, Layout, SingleValue, Stored};

/// A Redis geo set: different members, each with a position on the earth.
///
/// `T` is a single-value kind: `Geo<u64>`, `Geo<Text>`. Members are compared as bytes, as in a
/// [`Set`](super::Set). [Positions](crate::geo::Position) and [distances](crate::geo::Distance) are
/// types, so the order of longitude and latitude, and units, can't be mixed up.
///
/// ```
/// use redis_keyspace::geo::{self, By, Distance, Position};
/// use redis_keyspace::{Geo, Keyspace, Redis, Text};
///
/// #[derive(Keyspace)]
/// #[keyspace(prefix = "shop", ttl = none)]
/// struct ShopKeys {
///     #[key("{country}:places")]
///     places: fn(country: &str) -> Geo<Text>,
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
/// # Redis::embedded().scope(async {
/// let places = ShopKeys::places("it");
/// let palermo = Position::new(13.361389, 38.115556)?;
/// let catania = Position::new(15.087269, 37.502669)?;
/// places.geo_add_many([("Palermo", palermo), ("Catania", catania)]).await?;
///
/// let customer = Position::new(15.0, 37.0)?;
/// let near = places
///     .geo_search(geo::From::position(customer), By::radius(Distance::km(200.0)))
///     .count(10)
///     .nearest_first()
///     .with_distance()
///     .await?;
/// assert_eq!(near[0].0, "Catania");
/// assert!(near[0].1 < Distance::km(57.0));
/// # Ok(()) }).await }
/// ```
///
/// # Operations
///
/// | | |
/// | --- | --- |
/// | add | [`geo_add`], [`geo_add_many`] |
/// | remove | [`geo_remove`], [`geo_remove_many`] |
/// | read | [`geo_pos`], [`geo_dist`], [`geo_hash`], [`geo_len`] |
/// | search | [`geo_search`], [`geo_search_polygon`] |
/// | keep what a search finds | [`store`] as a geo set, [`store_distances`] as a [`SortedSet`](super::SortedSet) |
///
/// [`geo_add`]: crate::Key::geo_add
/// [`geo_add_many`]: crate::Key::geo_add_many
/// [`geo_remove`]: crate::Key::geo_remove
/// [`geo_remove_many`]: crate::Key::geo_remove_many
/// [`geo_pos`]: crate::Key::geo_pos
/// [`geo_dist`]: crate::Key::geo_dist
/// [`geo_hash`]: crate::Key::geo_hash
/// [`geo_len`]: crate::Key::geo_len
/// [`geo_search`]: crate::Key::geo_search
/// [`geo_search_polygon`]: crate::Key::geo_search_polygon
/// [`store`]: crate::command::GeoSearch::store
/// [`store_distances`]: crate::command::GeoSearch::store_distances
///
/// # Type
///
/// To the server, a geo set is a sorted set whose scores are positions.
///
/// # TTL
///
/// The write that creates the set sets the TTL of the template, and later writes keep it. Write
/// `renew = "write"` if every write should set it, and `ttl = none` for a set without end.
#[derive(Debug)]
pub struct Geo<T>(PhantomData<fn() -> T>);

impl<T: SingleValue> Kind for Geo<T> {
    const WIRE_FORMAT: &'static str = T::WIRE_FORMAT;
    const REDIS_TYPE: &'static str = "zset";
    const IS_FILLED: bool = false;
    const IS_COLLECTION: bool = true;
    const LAYOUT: Layout = Layout::Geo;
}

impl<T: SingleValue> Stored for Geo<T> {}
