//! Elements and values of the types of the program.

use std::collections::{HashMap, HashSet};

use redis_keyspace::{
    ErrorKind, Geo, Hash, HyperLogLog, KeyArgument, Keyspace, List, Redis, Set, SingleValue, SortedSet, Uuid,
};
use redis_keyspace_tests::{both_servers, raw, wire};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, SingleValue, KeyArgument)]
struct UserId(u64);

#[derive(Debug, Clone, PartialEq, Eq, Hash, SingleValue)]
struct Slug {
    text: String,
}

/// A newtype of a newtype.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, SingleValue)]
struct Owner(UserId);

#[derive(Debug, Clone, PartialEq, Eq, SingleValue)]
struct Digest(Vec<u8>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, SingleValue)]
struct Session(Uuid);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, SingleValue)]
enum Plan {
    Free,
    #[single_value(rename = "pro: 2")]
    Professional,
    SmartTV,
}

#[derive(Keyspace)]
#[keyspace(prefix = "elements", ttl = "1h")]
struct Keys {
    members: fn(id: UserId) -> Set<UserId>,
    flags: fn(id: u64) -> Hash<Slug, bool>,
    ranks: fn(id: u64) -> SortedSet<Uuid>,
    plans: fn(id: u64) -> List<Plan>,
    owners: fn(id: u64) -> Hash<Uuid, Owner>,
    digests: fn(id: u64) -> Set<Digest>,
    visitors: fn(id: u64) -> HyperLogLog<Session>,
    places: fn(id: u64) -> Geo<UserId>,
    plan: fn(id: u64) -> Plan,
    owner: fn(id: u64) -> Owner,
    slug: fn(id: u64) -> Slug,
    session: fn(id: u64) -> Uuid,
}

const SESSION: Uuid = Uuid::from_u128(0x67e5_5044_10b1_426f_9247_bb68_0e5f_e0c8);

both_servers! {
    async fn newtypes_and_enums_are_elements(redis: Redis) {
        let members = Keys::members(UserId(1));
        assert_eq!(members.sadd_many([UserId(7), UserId(8)]).await.unwrap(), 2);
        assert!(members.sismember(&UserId(7)).await.unwrap());
        assert_eq!(members.smembers().await.unwrap(), HashSet::from([UserId(7), UserId(8)]));
        let stored: HashSet<String> = raw(&redis, &["SMEMBERS", &wire(&members)]).await;
        assert_eq!(stored, HashSet::from(["7".to_owned(), "8".to_owned()]));

        let (beta, alpha) = (Slug { text: "beta".into() }, Slug { text: "alpha".into() });
        let flags = Keys::flags(1);
        flags.hset(&beta, &true).await.unwrap();
        assert_eq!((flags.hget(&beta).await.unwrap(), flags.hget(&alpha).await.unwrap()), (Some(true), None));
        assert_eq!(flags.hget_all().await.unwrap(), HashMap::from([(beta, true)]));

        let ranks = Keys::ranks(1);
        ranks.zadd(&SESSION, 1.0).await.unwrap();
        assert_eq!(ranks.zrange(..).await.unwrap(), [SESSION]);
        let stored: Vec<String> = raw(&redis, &["ZRANGE", &wire(&ranks), "0", "-1"]).await;
        assert_eq!(stored, ["67e55044-10b1-426f-9247-bb680e5fe0c8"]);

        let plans = Keys::plans(1);
        plans.rpush_many([Plan::Free, Plan::Professional, Plan::SmartTV]).await.unwrap();
        assert_eq!(plans.lrange(..).await.unwrap(), [Plan::Free, Plan::Professional, Plan::SmartTV]);
        let stored: Vec<String> = raw(&redis, &["LRANGE", &wire(&plans), "0", "-1"]).await;
        assert_eq!(stored, ["free", "pro: 2", "smart_tv"]);

        let owners = Keys::owners(1);
        owners.hset(&SESSION, &Owner(UserId(7))).await.unwrap();
        assert_eq!(owners.hget(&SESSION).await.unwrap(), Some(Owner(UserId(7))));
        let digest = Digest(vec![0, 255, b'%']);
        Keys::digests(1).sadd(&digest).await.unwrap();
        assert_eq!(Keys::digests(1).spop().await.unwrap(), Some(digest));
        assert!(Keys::visitors(1).pf_add([Session(SESSION)]).await.unwrap());
        let position = redis_keyspace::geo::Position::new(13.4, 52.5).unwrap();
        Keys::places(1).geo_add(&UserId(7), position).await.unwrap();
        assert!(Keys::places(1).geo_remove(&UserId(7)).await.unwrap());
    }

    async fn newtypes_and_enums_are_values(redis: Redis) {
        let plan = Keys::plan(2);
        plan.set(&Plan::Professional).await.unwrap();
        assert_eq!(plan.get().await.unwrap(), Some(Plan::Professional));
        assert_eq!(plan.get_or_set(|| async { Plan::Free }).await.unwrap(), Plan::Professional);
        plan.update(|plan| *plan = Plan::SmartTV).await.unwrap();
        let stored: String = raw(&redis, &["GET", &wire(&plan)]).await;
        assert_eq!(stored, "smart_tv");
        for foreign in ["Free", "", "free "] {
            let () = raw(&redis, &["SET", &wire(&plan), foreign]).await;
            let error = plan.get().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Decode, "{error}");
            assert!(error.to_string().contains("not the text of a variant of Plan"), "{error}");
        }
        Keys::owner(2).set(&Owner(UserId(7))).await.unwrap();
        assert_eq!(Keys::owner(2).get().await.unwrap(), Some(Owner(UserId(7))));
        Keys::slug(2).set(&Slug { text: "größe".into() }).await.unwrap();
        assert_eq!(Keys::slug(2).get().await.unwrap().unwrap().text, "größe");
        Keys::session(2).set(&SESSION).await.unwrap();
        assert_eq!(Keys::session(2).get().await.unwrap(), Some(SESSION));
    }
}
