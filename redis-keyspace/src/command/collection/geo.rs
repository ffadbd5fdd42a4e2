//! The operations of geo sets.

use std::borrow::Borrow;

use super::base::{self, KeyOptions};
use super::docs::{reading, removing, writing};
use super::elements::EncodedElements;
use super::geo_area::{METERS, area, polygon, position, push_position};
use super::geo_search::{GeoAdd, GeoAddOptions, GeoMembers, GeoSearch, GeoSearchOptions};
use super::scores;
use crate::command::base::Command;
use crate::command::builder::Deferred;
use crate::error::Result;
use crate::kind::geo::{By, Distance, From, Position};
use crate::kind::{Geo, SingleValue};
use crate::protocol::{Args, Replies, Reply, Request, read};
use crate::schema::{Key, Keyspace};

/// Operations of geo sets; see [`Geo`].
impl<S: Keyspace, T: SingleValue> Key<S, Geo<T>> {
    /// Adds a member, or changes its position. Returns whether it was added.
    ///
    /// The returned builder has the conditions: [`only_if_absent`](GeoAdd::only_if_absent) and
    /// [`only_if_present`](GeoAdd::only_if_present).
    ///
    /// ```
    /// # use redis_keyspace::geo::Position;
    /// # use redis_keyspace::{Geo, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "taxi", ttl = none)]
    /// # struct TaxiKeys { city: fn(city: u32) -> Geo<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let taxis = TaxiKeys::city(1);
    /// assert!(taxis.geo_add(&7, Position::new(13.38, 52.51)?).await?);
    /// assert!(!taxis.geo_add(&7, Position::new(13.39, 52.52)?).await?, "it moved");
    /// # Ok(()) }).await }
    /// ```
    #[doc = writing!()]
    #[doc(alias = "GEOADD")]
    pub fn geo_add(&self, member: &T::Borrowed, position: Position) -> GeoAdd<S, T, bool> {
        let element = placed::<S, T>(self, member, position).map(EncodedElements::one);
        GeoAdd(Deferred::Building(KeyOptions::new(self, GeoAddOptions::new(element, base::flag))))
    }

    /// Adds members, or changes their positions. Returns how many were added; 0 if there are no
    /// members, and nothing is sent then.
    ///
    /// The returned builder has the conditions of [`geo_add`](Self::geo_add), and
    /// [`counting_changed`](GeoAdd::counting_changed). Thousands of members are sent as several
    /// commands in one transaction.
    ///
    /// ```
    /// # use redis_keyspace::geo::Position;
    /// # use redis_keyspace::{Geo, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "taxi", ttl = none)]
    /// # struct TaxiKeys { city: fn(city: u32) -> Geo<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let (one, other) = (Position::new(13.38, 52.51)?, Position::new(13.39, 52.52)?);
    /// let taxis = TaxiKeys::city(1);
    /// assert_eq!(taxis.geo_add_many([(7, one), (8, other)]).await?, 2);
    /// assert_eq!(taxis.geo_add_many([(7, other), (9, one)]).counting_changed().await?, 2);
    /// # Ok(()) }).await }
    /// ```
    #[doc = writing!()]
    #[doc(alias = "GEOADD")]
    pub fn geo_add_many<B: Borrow<T::Borrowed>>(
        &self,
        members: impl IntoIterator<Item = (B, Position)>,
    ) -> GeoAdd<S, T, u64> {
        let members = EncodedElements::encode(members, |(member, position), args| {
            push_placed::<S, T>(self, member.borrow(), position, args)
        });
        GeoAdd(Deferred::Building(KeyOptions::new(self, GeoAddOptions::new(members, base::total))))
    }

    /// Removes a member. Returns `false` if it was not in the set.
    ///
    /// ```
    /// # use redis_keyspace::{Geo, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "taxi", ttl = none)]
    /// # struct TaxiKeys { city: fn(city: u32) -> Geo<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert!(!TaxiKeys::city(1).geo_remove(&7).await?);
    /// # Ok(()) }).await }
    /// ```
    #[doc = removing!()]
    #[doc(alias = "ZREM")]
    pub fn geo_remove(&self, member: &T::Borrowed) -> Command<bool> {
        let member = base::one::<S, _, T>(self, member);
        Command::removal_of(self, "ZREM", |args| base::append(args, member), base::flag)
    }

    /// Removes members. Returns how many were in the set; 0 if there are no members, and nothing is
    /// sent then.
    ///
    /// ```
    /// # use redis_keyspace::geo::Position;
    /// # use redis_keyspace::{Geo, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "taxi", ttl = none)]
    /// # struct TaxiKeys { city: fn(city: u32) -> Geo<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// TaxiKeys::city(1).geo_add(&7, Position::new(13.38, 52.51)?).await?;
    /// assert_eq!(TaxiKeys::city(1).geo_remove_many([7, 8]).await?, 1);
    /// # Ok(()) }).await }
    /// ```
    #[doc = removing!()]
    #[doc(alias = "ZREM")]
    pub fn geo_remove_many<B: Borrow<T::Borrowed>>(
        &self,
        members: impl IntoIterator<Item = B>,
    ) -> Command<u64> {
        Command::removal_of_many(self, "ZREM", base::each::<S, _, T, B>(self, members), base::size)
    }

    /// Returns the number of members; 0 if the set does not exist.
    ///
    /// ```
    /// # use redis_keyspace::{Geo, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "taxi", ttl = none)]
    /// # struct TaxiKeys { city: fn(city: u32) -> Geo<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert_eq!(TaxiKeys::city(1).geo_len().await?, 0);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "ZCARD")]
    pub fn geo_len(&self) -> Command<u64> {
        Command::read_of(self, "ZCARD", |_| Ok(()), base::size)
    }

    /// Returns the distance between two members; `None` if one of them is not in the set.
    ///
    /// The server takes the earth for a sphere, so a distance can be wrong by up to 0.5%.
    ///
    /// ```
    /// # use redis_keyspace::geo::{Distance, Position};
    /// # use redis_keyspace::{Geo, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "taxi", ttl = none)]
    /// # struct TaxiKeys { city: fn(city: u32) -> Geo<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let taxis = TaxiKeys::city(1);
    /// taxis.geo_add(&7, Position::new(13.38, 52.51)?).await?;
    /// taxis.geo_add(&8, Position::new(13.39, 52.52)?).await?;
    /// let between = taxis.geo_dist(&7, &8).await?;
    /// assert!(between > Some(Distance::km(1.0)) && between < Some(Distance::km(1.5)));
    /// assert_eq!(taxis.geo_dist(&7, &9).await?, None);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "GEODIST")]
    pub fn geo_dist(&self, one: &T::Borrowed, other: &T::Borrowed) -> Command<Option<Distance>> {
        let fill = |args: &mut Args| {
            base::push::<S, _, T>(self, one, args)?;
            base::push::<S, _, T>(self, other, args)?;
            args.push(METERS);
            Ok(())
        };
        Command::read_of(self, "GEODIST", fill, distance)
    }

    /// Returns the position of each of these members; `None` for those that are not in the set.
    ///
    /// ```
    /// # use redis_keyspace::geo::Position;
    /// # use redis_keyspace::{Geo, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "taxi", ttl = none)]
    /// # struct TaxiKeys { city: fn(city: u32) -> Geo<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let taxis = TaxiKeys::city(1);
    /// taxis.geo_add(&7, Position::new(13.38, 52.51)?).await?;
    /// let positions = taxis.geo_pos([7, 8]).await?;
    /// assert!((positions[0].unwrap().latitude() - 52.51).abs() < 0.00001);
    /// assert_eq!(positions[1], None);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "GEOPOS")]
    pub fn geo_pos<B: Borrow<T::Borrowed>>(
        &self,
        members: impl IntoIterator<Item = B>,
    ) -> Command<Vec<Option<Position>>> {
        Command::read_of_many(self, "GEOPOS", base::each::<S, _, T, B>(self, members), positions)
    }

    /// Returns the geohash of each of these members, a text of 11 characters that other systems
    /// know; `None` for those that are not in the set.
    ///
    /// ```
    /// # use redis_keyspace::geo::Position;
    /// # use redis_keyspace::{Geo, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "taxi", ttl = none)]
    /// # struct TaxiKeys { city: fn(city: u32) -> Geo<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// TaxiKeys::city(1).geo_add(&7, Position::new(13.361389, 38.115556)?).await?;
    /// let hashes = TaxiKeys::city(1).geo_hash([7, 8]).await?;
    /// assert_eq!(hashes, [Some("sqc8b49rny0".to_owned()), None]);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "GEOHASH")]
    pub fn geo_hash<B: Borrow<T::Borrowed>>(
        &self,
        members: impl IntoIterator<Item = B>,
    ) -> Command<Vec<Option<String>>> {
        Command::read_of_many(self, "GEOHASH", base::each::<S, _, T, B>(self, members), hashes)
    }

    /// Returns the members within an area around a member or a position. Needs Redis 6.2.
    ///
    /// The returned builder has the options: the [number](GeoSearch::count) of members, their
    /// order ([`nearest_first`](GeoSearch::nearest_first),
    /// [`farthest_first`](GeoSearch::farthest_first)), and what is returned with each member
    /// ([`with_distance`](GeoSearch::with_distance), [`with_position`](GeoSearch::with_position)).
    ///
    /// If the member in the center is not in the set, the result is empty, as for a set that does
    /// not exist.
    ///
    /// ```
    /// # use redis_keyspace::geo::{self, By, Distance, Position};
    /// # use redis_keyspace::{Geo, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "taxi", ttl = none)]
    /// # struct TaxiKeys { city: fn(city: u32) -> Geo<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let taxis = TaxiKeys::city(1);
    /// taxis.geo_add(&7, Position::new(13.38, 52.51)?).await?;
    /// taxis.geo_add(&8, Position::new(13.39, 52.52)?).await?;
    /// taxis.geo_add(&9, Position::new(9.99, 53.55)?).await?;
    ///
    /// let customer = geo::From::position(Position::new(13.40, 52.52)?);
    /// let near = taxis.geo_search(customer, By::radius(Distance::km(5.0))).nearest_first().await?;
    /// assert_eq!(near, [8, 7]);
    ///
    /// let square = By::rect(Distance::km(4.0), Distance::km(4.0));
    /// let around = taxis.geo_search(geo::From::member(&7), square).with_distance().with_position().await?;
    /// assert_eq!(around.len(), 2);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "GEOSEARCH")]
    #[doc(alias = "GEORADIUS")]
    #[doc(alias = "GEORADIUSBYMEMBER")]
    pub fn geo_search(&self, from: From<'_, T::Borrowed>, by: By) -> GeoSearch<S, T, GeoMembers> {
        self.search(area::<S, T>(self, from, by))
    }

    /// Returns the members within a polygon with these corners. Needs Valkey 9.0.
    ///
    /// There must be at least three corners; the last one is connected to the first one. The
    /// returned builder has the options of [`geo_search`](Self::geo_search), for which the center
    /// of the polygon counts.
    ///
    /// On other servers, the command fails with
    /// [`MissingCommand`](crate::ErrorKind::MissingCommand).
    ///
    /// ```no_run
    /// # use redis_keyspace::geo::Position;
    /// # use redis_keyspace::{Geo, Keyspace};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "taxi", ttl = none)]
    /// # struct TaxiKeys { city: fn(city: u32) -> Geo<u64> }
    /// # async fn example() -> Result<(), redis_keyspace::Error> {
    /// let district = [
    ///     Position::new(13.37, 52.50)?,
    ///     Position::new(13.42, 52.50)?,
    ///     Position::new(13.40, 52.53)?,
    /// ];
    /// let taxis = TaxiKeys::city(1).geo_search_polygon(district).count(10).await?;
    /// # Ok(()) }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "GEOSEARCH")]
    #[doc(alias = "BYPOLYGON")]
    pub fn geo_search_polygon(
        &self,
        corners: impl IntoIterator<Item = Position>,
    ) -> GeoSearch<S, T, GeoMembers> {
        let corners: Vec<Position> = corners.into_iter().collect();
        self.search(polygon(&corners))
    }

    fn search(&self, area: Result<Args>) -> GeoSearch<S, T, GeoMembers> {
        GeoSearch(Deferred::Building(KeyOptions::new(self, GeoSearchOptions::new(area))))
    }
}

/// Encodes a member and its position as the server takes them.
fn placed<S: Keyspace, T: SingleValue>(
    key: &Key<S, Geo<T>>,
    member: &T::Borrowed,
    position: Position,
) -> Result<Args> {
    let mut args = Args::default();
    push_placed::<S, T>(key, member, position, &mut args)?;
    Ok(args)
}

fn push_placed<S: Keyspace, T: SingleValue>(
    key: &Key<S, Geo<T>>,
    member: &T::Borrowed,
    position: Position,
    args: &mut Args,
) -> Result<()> {
    push_position(position, args);
    base::push::<S, _, T>(key, member, args)
}

fn distance(request: &Request, replies: Replies) -> Result<Option<Distance>> {
    Ok(scores::decode_optional(base::answer(request, replies)?)?.map(Distance::m))
}

fn positions(request: &Request, replies: Replies) -> Result<Vec<Option<Position>>> {
    match base::answer(request, replies)? {
        Reply::Nil => Ok(base::missing(request, || None)),
        reply => base::list(reply)?.into_iter().map(position).collect(),
    }
}

fn hashes(request: &Request, replies: Replies) -> Result<Vec<Option<String>>> {
    let hash = |reply| {
        let Some(bytes) = read::to_bytes(reply)? else { return Ok(None) };
        String::from_utf8(bytes.into()).map(Some).map_err(|_| base::unexpected("a geohash is not UTF-8"))
    };
    match base::answer(request, replies)? {
        Reply::Nil => Ok(base::missing(request, || None)),
        reply => base::list(reply)?.into_iter().map(hash).collect(),
    }
}
