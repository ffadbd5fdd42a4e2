//! Uses hostile arguments in patterns, on a server.

use std::collections::BTreeSet;

use redis_keyspace::{Raw, Redis};
use tokio::runtime::Builder;

use crate::input::Input;
use crate::keyspace::{Keys, ParsedKeys};

/// Checks that a pattern with a bound argument matches exactly the keys with that argument.
pub fn patterns(data: &[u8]) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("start a runtime");
    let outcome = runtime.block_on(Redis::embedded().scope(reach(data)));
    outcome.expect("all commands succeed on the embedded server");
}

async fn reach(data: &[u8]) -> redis_keyspace::Result<()> {
    let mut input = Input::new(data);
    let pairs: BTreeSet<(String, String)> =
        (0..4).map(|_| (input.text().into(), input.text().into())).collect();
    let path = input.text();
    for (first, second) in &pairs {
        Keys::pair(first, second).set(second).await?;
        Keys::tagged(7, first).set(second).await?;
    }
    Keys::raw(Raw(&*path)).set("x").await?;
    let (bound, other) = pairs.first().cloned().unwrap_or_default();

    let mut found = BTreeSet::new();
    let mut scan = Keys::pair_keys().first(&bound).page_size(2).values();
    while let Some((key, value)) = scan.next().await.transpose()? {
        let ParsedKeys::Pair { first, second } = key.arguments() else { panic!("{key:?} is not a pair") };
        assert_eq!((first.as_str(), second.as_str()), (bound.as_str(), value.as_str()));
        assert!(found.insert(second), "the scan returned {key:?} twice");
    }
    let of_bound = pairs.iter().filter(|(first, _)| *first == bound).map(|(_, second)| second.clone());
    assert_eq!(found, of_bound.collect(), "of {bound:?} in {pairs:?}");
    assert_eq!(Keys::pair_keys().first(&bound).second(&other).count().await?, 1);

    let firsts: BTreeSet<&String> = pairs.iter().map(|(first, _)| first).collect();
    assert_eq!(Keys::tagged_keys().id(&bound).delete().await?.affected, 1, "of {bound:?} in {firsts:?}");
    assert_eq!(
        Keys::pair_keys().first(&bound).delete().await?.affected,
        u64::try_from(found.len()).unwrap_or(0)
    );
    assert_eq!(Keys::pair_keys().count().await?, u64::try_from(pairs.len() - found.len()).unwrap_or(0));
    assert_eq!(Keys::tagged_keys().count().await?, u64::try_from(firsts.len() - 1).unwrap_or(0));
    // A verbatim argument can be any string, including glob characters.
    assert_eq!(Keys::raw_keys().path(Raw(&*path)).delete().await?.affected, 1, "{path:?}");
    Ok(())
}
