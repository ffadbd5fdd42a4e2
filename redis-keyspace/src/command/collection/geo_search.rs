//! Options of the operations of geo sets.

use std::marker::PhantomData;

use super::base;
use super::docs::storing;
use super::elements::EncodedElements;
use super::geo_area::position;
use super::scores;
use super::several::{SeveralKeys, Store};
use crate::command::base::Command;
use crate::command::builder::{Deferred, command_builder};
use crate::command::key_options::{BuildOptions, KeyOptions};
use crate::error::{Error, Result};
use crate::kind::geo::{Distance, Position};
use crate::kind::{Geo, Kind, SingleValue, SortedSet};
use crate::protocol::{Args, Decode, KeyCount, Packet, Replies, Reply, Request, read};
use crate::schema::{Key, Keyspace};

/// `GEOADD` with its options, created by [`Key::geo_add`] and [`Key::geo_add_many`]. Await it, or
/// pass it to [`Redis::batch`](crate::Redis::batch).
///
/// The options need Redis 6.2. There is one condition at most: a later one replaces it.
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct GeoAdd<S: Keyspace, T: SingleValue, R: 'static>(
    pub(super) Deferred<KeyOptions<S, Geo<T>, GeoAddOptions<R>>, R>,
);

pub(super) struct GeoAddOptions<R> {
    members: Result<EncodedElements>,
    condition: Option<&'static str>,
    counts_changed: bool,
    decode: Decode<R>,
}

impl<R> GeoAddOptions<R> {
    pub(super) fn new(members: Result<EncodedElements>, decode: Decode<R>) -> Self {
        Self { members, condition: None, counts_changed: false, decode }
    }
}

impl<S: Keyspace, T: SingleValue, R: 'static> GeoAdd<S, T, R> {
    fn only_if(self, condition: &'static str) -> Self {
        let condition = Some(condition);
        Self(self.0.map(|options| options.with(|options| GeoAddOptions { condition, ..options })))
    }

    /// Only adds new members, and moves none. Redis's `NX`.
    pub fn only_if_absent(self) -> Self {
        self.only_if("NX")
    }

    /// Only moves members, and adds none. Redis's `XX`.
    pub fn only_if_present(self) -> Self {
        self.only_if("XX")
    }

    /// Counts members whose position changed, too, not only new ones. Redis's `CH`.
    pub fn counting_changed(self) -> Self {
        Self(self.0.map(|options| options.with(|options| GeoAddOptions { counts_changed: true, ..options })))
    }
}

impl<S: Keyspace, T: SingleValue, R: 'static> BuildOptions<S, Geo<T>> for GeoAddOptions<R> {
    type Output = R;

    fn build(self, key: &Key<S, Geo<T>>) -> Command<R> {
        let counting = self.counts_changed.then_some("CH");
        let options: Vec<&str> = self.condition.into_iter().chain(counting).collect();
        Command::write_many_of(key, "GEOADD", &options, self.members, self.decode)
    }
}

command_builder!(GeoAdd<S, T, R> => R, where S: Keyspace, T: SingleValue, R: 'static);

/// What a search returns for each member.
///
/// Implemented by [`GeoMembers`], [`GeoDistances`], [`GeoPositions`] and
/// [`GeoDistancesAndPositions`]. Other types can't implement it.
pub trait GeoDetail: sealed::Detail {
    /// The result for one member.
    type Item<T: SingleValue>: Send + 'static;
    /// The same with the distance.
    type WithDistance: GeoDetail;
    /// The same with the position.
    type WithPosition: GeoDetail;
}

mod sealed {
    use crate::kind::SingleValue;
    use crate::kind::geo::{Distance, Position};

    /// The options that ask for the details, and the result of them.
    pub trait Detail: Sized + Send + 'static {
        const HAS_DISTANCE: bool;
        const HAS_POSITION: bool;

        /// The details are present if they were asked for.
        fn item<T: SingleValue>(
            member: T::Owned,
            distance: Option<Distance>,
            position: Option<Position>,
        ) -> Option<<Self as super::GeoDetail>::Item<T>>
        where
            Self: super::GeoDetail;
    }
}

macro_rules! details {
    ($(
        $(#[$doc:meta])*
        $name:ident: $item:ty, ($distance:literal, $position:literal), $with_distance:ident, $with_position:ident,
            |$found:ident| $result:expr;
    )+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name(());

        impl GeoDetail for $name {
            type Item<T: SingleValue> = $item;
            type WithDistance = $with_distance;
            type WithPosition = $with_position;
        }

        impl sealed::Detail for $name {
            const HAS_DISTANCE: bool = $distance;
            const HAS_POSITION: bool = $position;

            fn item<T: SingleValue>(
                member: T::Owned,
                distance: Option<Distance>,
                position: Option<Position>,
            ) -> Option<$item> {
                let $found = (member, distance, position);
                Some($result)
            }
        }
    )+};
}

details! {
    /// A search returns members.
    GeoMembers: T::Owned, (false, false), GeoDistances, GeoPositions, |found| found.0;

    /// A search returns members, each with its distance from the center.
    GeoDistances: (T::Owned, Distance), (true, false), GeoDistances, GeoDistancesAndPositions,
        |found| (found.0, found.1?);

    /// A search returns members, each with its position.
    GeoPositions: (T::Owned, Position), (false, true), GeoDistancesAndPositions, GeoPositions,
        |found| (found.0, found.2?);

    /// A search returns members, each with its distance from the center and its position.
    GeoDistancesAndPositions: (T::Owned, Distance, Position), (true, true), GeoDistancesAndPositions,
        GeoDistancesAndPositions, |found| (found.0, found.1?, found.2?);
}

/// `GEOSEARCH` with its options, created by [`Key::geo_search`] and [`Key::geo_search_polygon`].
/// Await it, or pass it to [`Redis::batch`](crate::Redis::batch).
///
/// Without [`nearest_first`](Self::nearest_first) and [`farthest_first`](Self::farthest_first), the
/// members are in no order.
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct GeoSearch<S: Keyspace, T: SingleValue, D: GeoDetail>(
    pub(super) Deferred<SearchParts<S, T, D>, FoundMembers<T, D>>,
);

/// The key and the options of a search.
type SearchParts<S, T, D> = KeyOptions<S, Geo<T>, GeoSearchOptions<D>>;

/// The result of a search.
type FoundMembers<T, D> = Vec<<D as GeoDetail>::Item<T>>;

pub(super) struct GeoSearchOptions<D> {
    /// The center and the area.
    area: Result<Args>,
    count: Option<u64>,
    is_any_enough: bool,
    order: Option<&'static str>,
    details: PhantomData<fn() -> D>,
}

impl<D> GeoSearchOptions<D> {
    pub(super) fn new(area: Result<Args>) -> Self {
        Self { area, count: None, is_any_enough: false, order: None, details: PhantomData }
    }

    fn with_details<E>(self) -> GeoSearchOptions<E> {
        let Self { area, count, is_any_enough, order, .. } = self;
        GeoSearchOptions { area, count, is_any_enough, order, details: PhantomData }
    }

    /// Adds the options that select the members.
    fn push(self, args: &mut Args) -> Result<()> {
        base::append(args, self.area)?;
        self.order.into_iter().for_each(|order| args.push(order.as_bytes()));
        match self.count {
            Some(count) => {
                args.push(b"COUNT");
                // The server takes signed numbers.
                args.push_count(count);
                if self.is_any_enough {
                    args.push(b"ANY");
                }
                Ok(())
            }
            None if self.is_any_enough => Err(Error::invalid_input(
                "`any` ends a search as soon as it has found enough members, so `count` must say how many are enough",
            )),
            None => Ok(()),
        }
    }
}

impl<S: Keyspace, T: SingleValue, D: GeoDetail> GeoSearch<S, T, D> {
    fn with(self, change: impl FnOnce(GeoSearchOptions<D>) -> GeoSearchOptions<D>) -> Self {
        Self(self.0.map(|options| options.with(change)))
    }

    /// Returns at most this many members: the nearest ones, unless another order is set. With 0,
    /// nothing is sent.
    pub fn count(self, most: u64) -> Self {
        self.with(|options| GeoSearchOptions { count: Some(most), ..options })
    }

    /// Ends the search as soon as it has found [`count`](Self::count) members. This is faster, but
    /// they may not be the nearest ones. Without `count`, the command fails with
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput), and nothing is sent.
    pub fn any(self) -> Self {
        self.with(|options| GeoSearchOptions { is_any_enough: true, ..options })
    }

    /// Sorts the members by their distance from the center. Redis's `ASC`.
    pub fn nearest_first(self) -> Self {
        self.with(|options| GeoSearchOptions { order: Some("ASC"), ..options })
    }

    /// Sorts the members by their distance from the center, the farthest first. Redis's `DESC`.
    pub fn farthest_first(self) -> Self {
        self.with(|options| GeoSearchOptions { order: Some("DESC"), ..options })
    }

    /// Returns each member with its distance from the center. Redis's `WITHDIST`.
    pub fn with_distance(self) -> GeoSearch<S, T, D::WithDistance> {
        GeoSearch(self.0.map(|options| options.with(GeoSearchOptions::with_details)))
    }

    /// Returns each member with its position. Redis's `WITHCOORD`.
    pub fn with_position(self) -> GeoSearch<S, T, D::WithPosition> {
        GeoSearch(self.0.map(|options| options.with(GeoSearchOptions::with_details)))
    }
}

impl<S: Keyspace, T: SingleValue, D: GeoDetail> GeoSearch<S, T, D> {
    /// Writes the members that the search finds to another geo set, whatever that key held before.
    /// Returns how many. An empty result deletes the key.
    ///
    /// On a cluster, both keys must be in one slot. What the search would return with each member
    /// does not matter.
    ///
    /// If the member in the center is not in the set, the command fails with
    /// [`Server`](crate::ErrorKind::Server), and nothing is changed. But if this key does not exist,
    /// the result is empty.
    ///
    /// ```
    /// # use redis_keyspace::geo::{self, By, Distance, Position};
    /// # use redis_keyspace::{Geo, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "taxi", ttl = none)]
    /// # struct TaxiKeys {
    /// #     #[key("city:{city}")]
    /// #     city: fn(city: u32) -> Geo<u64>,
    /// #     #[key("near:{customer}", ttl = "1m")]
    /// #     near: fn(customer: u64) -> Geo<u64>,
    /// # }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// TaxiKeys::city(1).geo_add(&7, Position::new(13.38, 52.51)?).await?;
    /// let customer = geo::From::position(Position::new(13.40, 52.52)?);
    /// let search = TaxiKeys::city(1).geo_search(customer, By::radius(Distance::km(5.0)));
    /// assert_eq!(search.store(&TaxiKeys::near(1)).await?, 1);
    /// # Ok(()) }).await }
    /// ```
    #[doc = storing!()]
    #[doc(alias = "GEOSEARCHSTORE")]
    pub fn store(self, to: &Key<S, Geo<T>>) -> Command<u64> {
        self.stored_in(to, None)
    }

    /// Writes the members that the search finds to a sorted set, with their distances from the
    /// center as scores, in meters. Otherwise like [`store`](Self::store). Redis's `STOREDIST`.
    ///
    /// ```
    /// # use redis_keyspace::geo::{self, By, Distance, Position};
    /// # use redis_keyspace::{Geo, Keyspace, Redis, SortedSet};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "taxi", ttl = none)]
    /// # struct TaxiKeys {
    /// #     #[key("city:{city}")]
    /// #     city: fn(city: u32) -> Geo<u64>,
    /// #     #[key("near:{customer}", ttl = "1m")]
    /// #     near: fn(customer: u64) -> SortedSet<u64>,
    /// # }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let customer = Position::new(13.40, 52.52)?;
    /// TaxiKeys::city(1).geo_add(&7, customer).await?;
    /// let search = TaxiKeys::city(1).geo_search(geo::From::position(customer), By::radius(Distance::km(5.0)));
    /// assert_eq!(search.store_distances(&TaxiKeys::near(1)).await?, 1);
    /// assert_eq!(TaxiKeys::near(1).zrange_by_score(..1.0).await?, [7]);
    /// # Ok(()) }).await }
    /// ```
    #[doc = storing!()]
    #[doc(alias = "GEOSEARCHSTORE")]
    #[doc(alias = "STOREDIST")]
    pub fn store_distances(self, to: &Key<S, SortedSet<T>>) -> Command<u64> {
        self.stored_in(to, Some("STOREDIST"))
    }

    fn stored_in<V: Kind>(self, to: &Key<S, V>, option: Option<&'static str>) -> Command<u64> {
        let to = to.clone();
        let stored = self.0.map(|options| options.with(|search| GeoSearchStore { search, to, option }));
        stored.into_command()
    }
}

/// A search whose result is stored.
struct GeoSearchStore<S, V, D> {
    search: GeoSearchOptions<D>,
    to: Key<S, V>,
    /// The option that says what is stored, if it is not the positions.
    option: Option<&'static str>,
}

impl<S: Keyspace, T: SingleValue, V: Kind, D> BuildOptions<S, Geo<T>> for GeoSearchStore<S, V, D> {
    type Output = u64;

    fn build(self, key: &Key<S, Geo<T>>) -> Command<u64> {
        let Self { search, to, option } = self;
        let mut args = Args::default();
        let pushed = match search.count {
            Some(0) => Err(Error::invalid_input(
                "a search for 0 members finds nothing to store: leave `count` out, or delete the destination with `del`",
            )),
            _ => search.push(&mut args),
        };
        option.into_iter().for_each(|option| args.push(option.as_bytes()));
        let store = Store {
            command: "GEOSEARCHSTORE",
            before: &[],
            counts: KeyCount::Implied,
            args: pushed.map(|()| args),
            replaces: true,
            decode: stored,
        };
        store.into_key(SeveralKeys::of([key.clone()]), &to)
    }
}

impl<S: Keyspace, T: SingleValue, D: GeoDetail> BuildOptions<S, Geo<T>> for GeoSearchOptions<D> {
    type Output = Vec<D::Item<T>>;

    fn build(self, key: &Key<S, Geo<T>>) -> Command<Vec<D::Item<T>>> {
        let is_empty = self.count == Some(0);
        let fill = |args: &mut Args| {
            self.push(args)?;
            if D::HAS_DISTANCE {
                args.push(b"WITHDIST");
            }
            if D::HAS_POSITION {
                args.push(b"WITHCOORD");
            }
            Ok(())
        };
        Command::read_of(key, "GEOSEARCH", fill, found::<T, D>).unless(is_empty)
    }
}

command_builder!(GeoSearch<S, T, D> => Vec<D::Item<T>>, where S: Keyspace, T: SingleValue, D: GeoDetail);

/// Whether the error says that the member in the center is not in the set. Servers word it in
/// several ways.
fn is_about_center(request: &Request, said: &str) -> bool {
    let is_center = |packet: &Packet| packet.args.iter().next() == Some(b"FROMMEMBER");
    let is_around_member = request.packets().iter().any(is_center);
    // An unknown command is quoted with its arguments.
    is_around_member
        && said.starts_with("ERR ")
        && said.contains("member")
        && !said.starts_with("ERR unknown command")
}

fn stored(request: &Request, replies: Replies) -> Result<u64> {
    match read::one_unless(replies, |said| is_about_center(request, said))? {
        Some(reply) => read::to_count(reply),
        None => Err(Error::server("ERR the member in the center of the search is not in the set")),
    }
}

fn found<T: SingleValue, D: GeoDetail>(request: &Request, replies: Replies) -> Result<Vec<D::Item<T>>> {
    if matches!(request, Request::Empty) {
        return Ok(Vec::new());
    }
    match read::one_unless(replies, |said| is_about_center(request, said))? {
        Some(reply) => base::list(reply)?.into_iter().map(item::<T, D>).collect(),
        None => Ok(Vec::new()),
    }
}

fn item<T: SingleValue, D: GeoDetail>(reply: Reply) -> Result<D::Item<T>> {
    let mut parts = match reply {
        Reply::Array(parts) => parts.into_iter(),
        member => vec![member].into_iter(),
    };
    let mut next = || parts.next().ok_or_else(|| base::unexpected("a part of a found member is missing"));
    let member = base::present::<T>(next()?)?;
    let distance = if D::HAS_DISTANCE { Some(Distance::m(scores::decode(next()?)?)) } else { None };
    let position = if D::HAS_POSITION { position(next()?)? } else { None };
    D::item::<T>(member, distance, position)
        .ok_or_else(|| base::unexpected("a detail of a found member is missing"))
}
