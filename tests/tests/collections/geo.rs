//! The operations of geo sets.

use redis_keyspace::geo::{By, Distance, From, Position};
use redis_keyspace::{ErrorKind, Geo, Key, Redis};
use redis_keyspace_tests::is_available;

use crate::Keys;

pub(crate) fn at(longitude: f64, latitude: f64) -> Position {
    Position::new(longitude, latitude).unwrap()
}

/// Creates a set with Palermo (1), Catania (2) and Agrigento (3).
pub(crate) async fn sicily(id: u64) -> Key<Keys, Geo<u64>> {
    let places = Keys::places(id);
    places.del().await.unwrap();
    let members =
        [(1, at(13.361389, 38.115556)), (2, at(15.087269, 37.502669)), (3, at(13.583333, 37.316667))];
    assert_eq!(places.geo_add_many(members).await.unwrap(), 3);
    places
}

/// South of Catania.
pub(crate) fn from_south() -> From<'static, u64> {
    From::position(at(15.0, 37.0))
}

pub(crate) fn within(kilometers: f64) -> By {
    By::radius(Distance::km(kilometers))
}

pub(crate) fn is_close(one: Position, other: Position) -> bool {
    (one.longitude() - other.longitude()).abs() < 0.000_01
        && (one.latitude() - other.latitude()).abs() < 0.000_01
}

checks! {
    geo_add: async {
        let places = Keys::places(1);
        assert!(places.geo_add(&1, at(13.0, 38.0)).await.unwrap());
        assert!(!places.geo_add(&1, at(14.0, 38.0)).await.unwrap());
        assert!(places.geo_add(&1, at(15.0, 38.0)).counting_changed().await.unwrap());
        assert!(!places.geo_add(&1, at(16.0, 38.0)).only_if_absent().await.unwrap());
        assert!(!places.geo_add(&2, at(16.0, 38.0)).only_if_present().await.unwrap());
        let positions = places.geo_pos([1, 2]).await.unwrap();
        assert!(is_close(positions[0].unwrap(), at(15.0, 38.0)));
        assert_eq!(positions[1], None);
        // The ends of the projection.
        let most = at(Position::MAX_LONGITUDE, -Position::MAX_LATITUDE);
        assert!(places.geo_add(&3, most).await.unwrap());
        let read = places.geo_pos([3]).await.unwrap()[0].unwrap();
        assert!(places.geo_add(&4, Position::new(read.longitude(), read.latitude()).unwrap()).await.unwrap());
    },
    geo_add_many: async {
        let places = sicily(2).await;
        assert_eq!(places.geo_add_many([(1, at(1.0, 1.0)), (4, at(1.0, 1.0))]).await.unwrap(), 1);
        let moved = places.geo_add_many([(1, at(2.0, 2.0)), (5, at(1.0, 1.0))]).counting_changed();
        assert_eq!(moved.await.unwrap(), 2);
        assert_eq!(places.geo_add_many([(1, at(3.0, 3.0)), (6, at(1.0, 1.0))]).only_if_absent().await.unwrap(), 1);
        assert_eq!(places.geo_add_many(Vec::<(u64, Position)>::new()).await.unwrap(), 0);
        assert!(is_close(places.geo_pos([1]).await.unwrap()[0].unwrap(), at(2.0, 2.0)));
    },
    geo_remove: async {
        let places = sicily(3).await;
        assert!(places.geo_remove(&1).await.unwrap());
        assert!(!places.geo_remove(&1).await.unwrap());
    },
    geo_remove_many: async {
        let places = sicily(4).await;
        assert_eq!(places.geo_remove_many([1, 2, 9]).await.unwrap(), 2);
        assert_eq!(places.geo_remove_many([0_u64; 0]).await.unwrap(), 0);
        assert_eq!(places.geo_remove_many([3].iter()).await.unwrap(), 1);
        assert!(!places.exists().await.unwrap());
    },
    geo_len: async {
        assert_eq!(sicily(5).await.geo_len().await.unwrap(), 3);
        assert_eq!(Keys::places(500).geo_len().await.unwrap(), 0);
    },
    geo_dist: async {
        let places = sicily(6).await;
        let distance = places.geo_dist(&1, &2).await.unwrap().unwrap();
        assert!((distance.as_m() - 166_274.15).abs() < 0.01, "{distance}");
        assert!((distance.as_km() - 166.2741516).abs() < 0.001 && (distance.as_mi() - 103.3179).abs() < 0.001);
        assert_eq!(places.geo_dist(&1, &1).await.unwrap(), Some(Distance::m(0.0)));
        assert_eq!(places.geo_dist(&1, &9).await.unwrap(), None);
        assert_eq!(Keys::places(600).geo_dist(&1, &2).await.unwrap(), None);
    },
    geo_pos: async {
        let places = sicily(7).await;
        let positions = places.geo_pos([2, 9, 1]).await.unwrap();
        assert!(is_close(positions[0].unwrap(), at(15.087269, 37.502669)));
        assert_eq!(positions[1], None);
        assert!(is_close(positions[2].unwrap(), at(13.361389, 38.115556)));
        assert_eq!(places.geo_pos([0_u64; 0]).await.unwrap(), []);
        assert_eq!(Keys::places(700).geo_pos([1, 2]).await.unwrap(), [None, None]);
    },
    geo_hash: async {
        let places = sicily(8).await;
        let hashes = places.geo_hash([1, 9, 2]).await.unwrap();
        assert_eq!(hashes, [Some("sqc8b49rny0".to_owned()), None, Some("sqdtr74hyu0".to_owned())]);
        assert!(places.geo_hash([0_u64; 0]).await.unwrap().is_empty());
        assert_eq!(Keys::places(800).geo_hash([1]).await.unwrap(), [None]);
    },
    geo_search: async {
        let places = sicily(9).await;
        let mut near = places.geo_search(from_south(), within(200.0)).await.unwrap();
        near.sort_unstable();
        assert_eq!(near, [1, 2, 3]);
        assert_eq!(places.geo_search(from_south(), within(200.0)).nearest_first().await.unwrap(), [2, 3, 1]);
        assert_eq!(places.geo_search(from_south(), within(200.0)).farthest_first().await.unwrap(), [1, 3, 2]);
        assert_eq!(places.geo_search(from_south(), within(100.0)).await.unwrap(), [2]);
        assert_eq!(places.geo_search(from_south(), within(0.0)).await.unwrap(), [0_u64; 0]);
        assert_eq!(places.geo_search(from_south(), within(200.0)).count(2).await.unwrap(), [2, 3]);
        assert_eq!(places.geo_search(from_south(), within(200.0)).count(0).await.unwrap(), [0_u64; 0]);
        let any = places.geo_search(from_south(), within(200.0)).count(2).any().await.unwrap();
        assert_eq!(any.len(), 2);
        let error = places.geo_search(from_south(), within(200.0)).any().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        // Around a member.
        let around = places.geo_search(From::member(&1), within(100.0)).nearest_first().await.unwrap();
        assert_eq!(around, [1, 3]);
        let (wide, high) = (Distance::km(400.0), Distance::km(60.0));
        assert_eq!(places.geo_search(From::member(&2), By::rect(wide, high)).await.unwrap().len(), 2);
        assert_eq!(places.geo_search(From::member(&2), By::rect(high, wide)).await.unwrap(), [2]);
        assert_eq!(places.geo_search(From::member(&9), within(100.0)).await.unwrap(), [0_u64; 0]);
        assert_eq!(Keys::places(900).geo_search(From::member(&9), within(100.0)).await.unwrap(), [0_u64; 0]);
        // With details.
        let search = || places.geo_search(from_south(), within(100.0));
        let [(member, distance)] = search().with_distance().await.unwrap()[..] else { panic!("one") };
        assert_eq!(member, 2);
        assert!((distance.as_km() - 56.4413).abs() < 0.001, "{distance}");
        let [(member, position)] = search().with_position().await.unwrap()[..] else { panic!("one") };
        assert!(member == 2 && is_close(position, at(15.087269, 37.502669)));
        for both in [
            search().with_distance().with_position().await.unwrap(),
            search().with_position().with_distance().await.unwrap(),
            search().with_position().with_distance().with_position().await.unwrap(),
        ] {
            let [(member, found, position)] = both[..] else { panic!("one") };
            assert!(member == 2 && found == distance && is_close(position, at(15.087269, 37.502669)));
        }
        assert_eq!(Keys::places(900).geo_search(from_south(), within(1.0)).with_distance().await.unwrap(), []);
        // What is not a length.
        for by in [
            within(-1.0),
            within(f64::NAN),
            within(f64::INFINITY),
            By::rect(Distance::m(-1.0), Distance::m(1.0)),
            By::rect(Distance::m(1.0), Distance::m(f64::NAN)),
        ] {
            let error = places.geo_search(from_south(), by).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        }
    },
    geo_search_polygon: async {
        let places = sicily(10).await;
        for corners in [&[][..], &[at(1.0, 1.0), at(2.0, 2.0)]] {
            let error = places.geo_search_polygon(corners.iter().copied()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        }
        // A triangle around Catania.
        let corners = [at(14.8, 37.3), at(15.4, 37.3), at(15.1, 37.8)];
        let found = places.geo_search_polygon(corners).count(5).with_distance().await;
        let wire = Redis::current().unwrap().wire_key(&places).unwrap();
        let probe = ["GEOSEARCH", &wire, "BYPOLYGON", "3", "1", "1", "2", "2", "1", "2"];
        if !is_available(&found, &probe).await {
            let error = found.unwrap_err();
            assert!(error.to_string().contains("BYPOLYGON needs Valkey 9.0"), "{error}");
            return;
        }
        let found = found.unwrap();
        let [(member, distance)] = found[..] else { panic!("one is within: {found:?}") };
        assert!(member == 2 && distance < Distance::km(20.0), "{distance}");
    },
}
