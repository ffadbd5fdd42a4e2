//! The operations of records.

use redis_keyspace::ErrorKind;
use redis_keyspace::update::Change;

use crate::{Keys, Prefs, Profile, Sparse};

pub(crate) fn ann() -> Profile {
    Profile {
        name: "Ann".to_owned(),
        visits: 3,
        score: 0.1,
        email: Some("ann@example.com".to_owned()),
        prefs: Prefs { dark: true },
        age: 30,
        guest: Some(Prefs { dark: false }),
    }
}

checks! {
    load: async {
        let profile = Keys::profile(1);
        assert_eq!(profile.load().await.unwrap(), None);
        profile.save(&ann()).await.unwrap();
        assert_eq!(profile.load().await.unwrap(), Some(ann()));
        // A record that lacks a required field is no record of zeros.
        let partial = Keys::profile(2);
        partial.set(Profile::EMAIL, "x").await.unwrap();
        let error = partial.load().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{error}");
        assert!(error.to_string().contains("the field `name` is missing"), "{error}");
    },
    save: async {
        let profile = Keys::profile(3);
        profile.save(&ann()).await.unwrap();
        let bob = Profile { name: "Bob".to_owned(), email: None, guest: None, ..Profile::default() };
        profile.save(&bob).await.unwrap();
        let without_guest = Profile { guest: Some(Prefs { dark: true }), ..bob };
        assert_eq!(profile.load().await.unwrap(), Some(without_guest), "the default of a missing field");
        assert!(!profile.exists_field(Profile::EMAIL).await.unwrap());
        let sparse = Keys::sparse(3);
        let parts = Sparse { first_part: Some(1), second_part: Some("x".to_owned()) };
        sparse.save(&parts).await.unwrap();
        assert_eq!(sparse.load().await.unwrap(), Some(parts));
        sparse.save(&Sparse::default()).await.unwrap();
        // There is nothing that a TTL could apply to.
        sparse.save(&Sparse::default()).ttl(std::time::Duration::from_secs(60)).await.unwrap();
        assert!(!sparse.exists().await.unwrap());
        assert!(!sparse.exists().await.unwrap(), "nothing is left to store");
        let error = profile.save(&Profile { score: f64::NAN, ..ann() }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Encode, "{error}");
        assert!(error.to_string().contains("the field `score`"), "{error}");
    },
    get: async {
        let profile = Keys::profile(4);
        assert_eq!(profile.get(Profile::NAME).await.unwrap(), None);
        assert_eq!(profile.get((Profile::NAME, Profile::AGE)).await.unwrap(), (None, None));
        profile.save(&ann()).await.unwrap();
        assert_eq!(profile.get(Profile::NAME).await.unwrap().as_deref(), Some("Ann"));
        let (visits, prefs, age, score) =
            profile.get((Profile::VISITS, Profile::PREFS, Profile::AGE, Profile::SCORE)).await.unwrap();
        assert_eq!((visits, prefs, age, score), (Some(3), Some(Prefs { dark: true }), Some(30), Some(0.1)));
        let ((name,), email) = profile.get(((Profile::NAME,), Profile::EMAIL)).await.unwrap();
        assert_eq!(name.as_deref().zip(email.as_deref()), Some(("Ann", "ann@example.com")));
    },
    set: async {
        let profile = Keys::profile(5);
        profile.set(Profile::VISITS, &7).await.unwrap();
        profile.set(Profile::AGE, &8).await.unwrap();
        profile.set(Profile::GUEST, &Prefs { dark: true }).await.unwrap();
        let all = profile.get((Profile::VISITS, Profile::AGE, Profile::GUEST)).await.unwrap();
        assert_eq!(all, (Some(7), Some(8), Some(Prefs { dark: true })));
    },
    set_fields: async {
        let profile = Keys::profile(6);
        profile.set_fields((Profile::NAME.to("Ann"), Profile::SCORE.to(&1e300))).await.unwrap();
        profile.set_fields(Profile::AGE.to(&9)).await.unwrap();
        let all = profile.get((Profile::NAME, Profile::SCORE, Profile::AGE)).await.unwrap();
        assert_eq!(all, (Some("Ann".to_owned()), Some(1e300), Some(9)));
    },
    incr: async {
        let profile = Keys::profile(7);
        assert_eq!(profile.incr(Profile::VISITS, 1).only_if_present().await.unwrap(), None);
        assert!(!profile.exists().await.unwrap());
        assert_eq!(profile.incr(Profile::VISITS, 2).await.unwrap(), 2);
        assert_eq!(profile.incr(Profile::VISITS, -1).await.unwrap(), 1);
        assert_eq!(profile.incr(Profile::VISITS, 1).only_if_present().await.unwrap(), Some(2));
        // A number that the type can't hold is never stored.
        let error = profile.incr(Profile::VISITS, -3).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Server, "{error}");
        assert_eq!(profile.get(Profile::VISITS).await.unwrap(), Some(2));
        assert_eq!(profile.incr(Profile::AGE, 255).await.unwrap(), 255);
        assert!(profile.incr(Profile::AGE, 1).await.is_err());
        assert_eq!(profile.get(Profile::AGE).await.unwrap(), Some(255));
        let error = profile.incr(Profile::AGE, 256).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        let fresh = Keys::profile(8);
        assert!(fresh.incr(Profile::AGE, -1).await.is_err());
        assert!(!fresh.exists().await.unwrap(), "the field was not there before");
        assert_eq!(profile.incr(Profile::SCORE, 0.5).await.unwrap(), 0.5);
        assert_eq!(profile.incr(Profile::SCORE, -0.25).only_if_present().await.unwrap(), Some(0.25));
        let sparse = Keys::sparse(7);
        for exact in [(1_i64 << 53) + 1, i64::MAX] {
            sparse.set(Sparse::FIRST_PART, &(exact - 1)).await.unwrap();
            assert_eq!(sparse.incr(Sparse::FIRST_PART, 1).await.unwrap(), exact);
        }
        assert_eq!(sparse.incr(Sparse::FIRST_PART, -i64::MAX).only_if_present().await.unwrap(), Some(0));
    },
    remove: async {
        let profile = Keys::profile(9);
        assert!(!profile.remove(Profile::EMAIL).await.unwrap());
        profile.save(&ann()).await.unwrap();
        assert!(profile.remove(Profile::EMAIL).await.unwrap());
        assert_eq!(profile.load().await.unwrap(), Some(Profile { email: None, ..ann() }));
    },
    exists_field: async {
        let profile = Keys::profile(10);
        assert!(!profile.exists_field(Profile::NAME).await.unwrap());
        assert!(!profile.exists_field(Profile::AGE).await.unwrap());
        profile.save(&ann()).await.unwrap();
        assert!(profile.exists_field(Profile::NAME).await.unwrap());
        assert!(profile.exists_field(Profile::AGE).await.unwrap());
    },
    update: async {
        let profile = Keys::profile(11);
        assert_eq!(profile.update(|_| panic!("it does not exist")).await.unwrap(), None);
        profile.save(&ann()).await.unwrap();
        let expected = Profile { visits: 4, email: None, ..ann() };
        let updated = profile
            .update(|profile| {
                profile.visits += 1;
                profile.email = None;
            })
            .await
            .unwrap();
        assert_eq!(updated.as_ref(), Some(&expected));
        assert_eq!(profile.load().await.unwrap(), Some(expected));
    },
    update_or_insert: async {
        let profile = Keys::profile(12);
        for visits in 1..=3 {
            let updated = profile.update_or_insert(Profile::default, |profile| profile.visits += 1);
            assert_eq!(updated.await.unwrap().visits, visits);
        }
        assert_eq!(profile.get(Profile::VISITS).await.unwrap(), Some(3));
    },
    update_with: async {
        let profile = Keys::profile(13);
        assert_eq!(profile.update_with(|_| Change::Delete).await.unwrap(), None);
        assert_eq!(profile.update_with(|_| Change::Set(ann())).await.unwrap(), Some(ann()));
        assert_eq!(profile.update_with(|_| Change::Keep).await.unwrap(), Some(ann()));
        assert_eq!(profile.update_with(|_| Change::Delete).await.unwrap(), None);
        assert!(!profile.exists().await.unwrap());
    },
}
