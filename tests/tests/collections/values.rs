//! The operations of single values, and those of many keys.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use redis_keyspace::command::Ttl;
use redis_keyspace::update::Change;
use redis_keyspace::{ErrorKind, Json, Key, Keyspace, Text};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Without hash tags, so that the keys of one operation are in several slots of a cluster.
#[derive(Keyspace)]
#[keyspace(prefix = "values", ttl = "1h")]
pub(crate) struct ValueKeys {
    text: fn(id: u64) -> Text,
    numbers: fn(id: u64) -> Json<Vec<u32>>,
    count: fn(id: u64) -> i64,
}

/// Whether the rest of a lifetime is that of one that began within this test.
pub(crate) fn is_new(ttl: Ttl, lifetime: Duration) -> bool {
    // A time is rounded up to milliseconds.
    let most = lifetime + Duration::from_millis(2);
    ttl.remaining().is_some_and(|left| left <= most && left > lifetime / 2)
}

async fn text(id: u64, value: &str) -> Key<ValueKeys, Text> {
    let key = ValueKeys::text(id);
    key.set(value).await.unwrap();
    key
}

checks! {
    get: async {
        assert_eq!(text(1, "a\r\nb").await.get().await.unwrap().as_deref(), Some("a\r\nb"));
        assert_eq!(ValueKeys::text(100).get().await.unwrap(), None);
        let error = ValueKeys::count(1);
        error.raw("SET").arg("seven").writes().query::<()>().await.unwrap();
        assert_eq!(error.get().await.unwrap_err().kind(), ErrorKind::Decode);
    },
    set: async {
        let key = ValueKeys::count(2);
        key.set(&-7).await.unwrap();
        assert!(is_new(key.ttl().await.unwrap(), HOUR));
        key.set(&8).ttl(MINUTE).await.unwrap();
        assert!(!key.set(&9).only_if_absent().await.unwrap());
        assert!(key.set(&10).only_if_present().keep_ttl().await.unwrap());
        assert!(is_new(key.ttl().await.unwrap(), MINUTE));
        assert_eq!(key.set(&11).returning_old().await.unwrap(), Some(10));
        assert!(!ValueKeys::count(200).set(&1).only_if_present().await.unwrap());
        assert_eq!(key.get().await.unwrap(), Some(11));
    },
    get_set: async {
        let key = text(3, "a").await;
        assert_eq!(key.get_set("b").await.unwrap().as_deref(), Some("a"));
        assert_eq!(key.get().await.unwrap().as_deref(), Some("b"));
        assert_eq!(ValueKeys::text(300).get_set("c").await.unwrap(), None);
    },
    get_del: async {
        let key = text(4, "a").await;
        assert_eq!(key.get_del().await.unwrap().as_deref(), Some("a"));
        assert_eq!(key.get_del().await.unwrap(), None);
    },
    get_ex: async {
        let key = text(5, "a").await;
        assert_eq!(key.get_ex().ttl(MINUTE).await.unwrap().as_deref(), Some("a"));
        assert!(is_new(key.ttl().await.unwrap(), MINUTE));
        key.get_ex().persist().await.unwrap();
        assert_eq!(key.ttl().await.unwrap(), Ttl::NoExpiry);
        key.get_ex().expire_at(SystemTime::now() + MINUTE).await.unwrap();
        assert!(is_new(key.ttl().await.unwrap(), MINUTE));
        key.get_ex().await.unwrap();
        assert!(is_new(key.ttl().await.unwrap(), HOUR), "without an option, that of the template");
        assert_eq!(ValueKeys::text(500).get_ex().await.unwrap(), None);
    },
    strlen: async {
        assert_eq!(text(6, "größe").await.strlen().await.unwrap(), 7);
        assert_eq!(ValueKeys::text(600).strlen().await.unwrap(), 0);
    },
    update: async {
        let key = text(7, "a").await;
        key.expire(MINUTE).await.unwrap();
        assert_eq!(key.update(|text| text.push('b')).await.unwrap().as_deref(), Some("ab"));
        assert_eq!(key.get().await.unwrap().as_deref(), Some("ab"));
        assert!(is_new(key.ttl().await.unwrap(), MINUTE), "an update keeps the lifetime");
        assert_eq!(ValueKeys::text(700).update(|text| text.push('b')).await.unwrap(), None);
        assert!(!ValueKeys::text(700).exists().await.unwrap());
    },
    update_or_insert: async {
        let key = ValueKeys::numbers(8);
        assert_eq!(key.update_or_insert(Vec::new, |numbers| numbers.push(1)).await.unwrap(), [1]);
        assert_eq!(key.update_or_insert(Vec::new, |numbers| numbers.push(2)).await.unwrap(), [1, 2]);
        assert_eq!(key.get().await.unwrap(), Some(vec![1, 2]));
        assert!(is_new(key.ttl().await.unwrap(), HOUR));
    },
    update_with: async {
        let key = text(9, "a").await;
        assert_eq!(key.update_with(|_| Change::Keep).await.unwrap().as_deref(), Some("a"));
        let doubled = key.update_with(|text| Change::Set(text.unwrap().repeat(2))).await.unwrap();
        assert_eq!(doubled.as_deref(), Some("aa"));
        assert_eq!(key.get().await.unwrap(), doubled);
        assert_eq!(key.update_with(|_| Change::Delete).await.unwrap(), None);
        assert!(!key.exists().await.unwrap());
    },
    get_json of Json: async {
        let key = ValueKeys::numbers(10);
        assert_eq!(key.get_json().await.unwrap(), None);
        key.set(&vec![1, 2]).await.unwrap();
        assert_eq!(key.get_json().await.unwrap(), Some(vec![1, 2]));
    },
    set_json of Json: async {
        let key = ValueKeys::numbers(11);
        key.set_json(&vec![1]).ttl(MINUTE).await.unwrap();
        assert_eq!(key.get().await.unwrap(), Some(vec![1]));
        assert!(is_new(key.ttl().await.unwrap(), MINUTE));
    },
    get_or_set_json of Json: async {
        let key = ValueKeys::numbers(12);
        assert_eq!(key.get_or_set_json(|| async { vec![1] }).await.unwrap(), [1]);
        assert_eq!(key.get_or_set_json(|| async { unreachable!() }).await.unwrap(), [1]);
        assert_eq!(key.get().await.unwrap(), Some(vec![1]));
    },
    get_many of Readable: async {
        ValueKeys::text(13).set("a").await.unwrap();
        ValueKeys::text(14).set("").await.unwrap();
        let read = Key::get_many([13, 130, 14, 13].map(ValueKeys::text)).await.unwrap();
        assert_eq!(read, [Some("a".to_owned()), None, Some(String::new()), Some("a".to_owned())]);
        let each = Key::get_many([13, 130, 14, 13].map(ValueKeys::text)).each().await.unwrap();
        assert_eq!(each.into_iter().map(Result::unwrap).collect::<Vec<_>>(), read);
    },
    del_many of Kind: async {
        ValueKeys::text(15).set("a").await.unwrap();
        ValueKeys::text(16).set("b").await.unwrap();
        assert_eq!(Key::del_many([15, 16, 150].map(ValueKeys::text)).await.unwrap(), 2);
        assert_eq!(Key::get_many([15, 16].map(ValueKeys::text)).await.unwrap(), [None, None]);
        ValueKeys::text(15).set("a").await.unwrap();
        let each = Key::del_many([15, 16, 15].map(ValueKeys::text)).each().await.unwrap();
        assert!(matches!(each[..], [Ok(true), Ok(false), Ok(false)]), "{each:?}");
    },
    get_or_set_many: async {
        ValueKeys::text(17).set("there").await.unwrap();
        let load = |ids: Vec<u64>| async move {
            assert_eq!(ids, [18, 19]);
            HashMap::from([(18, "loaded".to_owned())])
        };
        let read = Key::get_or_set_many([18, 17, 19], ValueKeys::text, load).await.unwrap();
        assert_eq!(read, [Some("loaded".to_owned()), Some("there".to_owned()), None]);
        assert_eq!(ValueKeys::text(18).get().await.unwrap().as_deref(), Some("loaded"));
    },
    try_get_or_set_many: async {
        let fails = |_: Vec<u64>| async { Err::<HashMap<u64, String>, _>("no") };
        Key::try_get_or_set_many([20], ValueKeys::text, fails).await.unwrap_err();
        assert!(!ValueKeys::text(20).exists().await.unwrap());
        let load = |_: Vec<u64>| async { Ok::<_, String>(HashMap::from([(20, "a".to_owned())])) };
        let read = Key::try_get_or_set_many([20], ValueKeys::text, load).await.unwrap();
        assert_eq!(read, [Some("a".to_owned())]);
        assert_eq!(ValueKeys::text(20).get().await.unwrap().as_deref(), Some("a"));
    },
    raw of Kind: async {
        let key = text(21, "a").await;
        let length: u64 = key.raw("APPEND").arg("bc").writes().query().await.unwrap();
        assert_eq!(length, 3);
        let read: Option<String> = key.raw("GETRANGE").arg(1).arg(2).read_only().query().await.unwrap();
        assert_eq!(read.as_deref(), Some("bc"));
        let encoding: Option<String> = key.raw("OBJECT").arg("ENCODING").key().query().await.unwrap();
        assert!(encoding.is_some());
    },
}
