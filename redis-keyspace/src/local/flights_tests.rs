//! Flights, one step at a time. What happens at once is the subject of the suite `interleavings`.

use super::flights::{Flights, Follower, Leader, LoadRole, LoadStage};

fn leader(flights: &Flights) -> Leader {
    let LoadRole::Leader(leader) = flights.join("k", flights.now()) else {
        panic!("another task leads already")
    };
    leader
}

fn follower(flights: &Flights, came: u64) -> Follower {
    let LoadRole::Follower(follower) = flights.join("k", came) else { panic!("nobody leads") };
    follower
}

fn done(text: &str) -> LoadStage {
    LoadStage::Done { value: Some(text.as_bytes().into()), degraded: false }
}

fn text(stage: Option<LoadStage>) -> Option<String> {
    match stage? {
        LoadStage::Done { value, .. } | LoadStage::Found(value) => {
            Some(String::from_utf8(value?.to_vec()).unwrap())
        }
        LoadStage::Loading { stale, .. } => {
            Some(format!("stale {}", String::from_utf8(stale?.to_vec()).unwrap()))
        }
        LoadStage::Beginning | LoadStage::Failed(_) => None,
    }
}

#[tokio::test]
async fn a_value_reaches_all_who_wait_and_nobody_later() {
    let flights = Flights::default();
    let came = flights.now();
    let first = leader(&flights);
    let (mut one, mut other) = (follower(&flights, came), follower(&flights, came));
    first.finish(|| Some(done("v")));
    let second = leader(&flights);
    assert_eq!(text(one.wait(false).await).as_deref(), Some("v"));
    assert_eq!(text(other.wait(true).await).as_deref(), Some("v"));
    drop(second);
    assert!(flights.is_idle());
}

#[tokio::test]
async fn a_leader_that_is_gone_wakes_everybody() {
    let flights = Flights::default();
    let came = flights.now();
    let first = leader(&flights);
    let (mut one, mut other) = (follower(&flights, came), follower(&flights, came));
    drop(first);
    assert!(one.wait(false).await.is_none() && other.wait(true).await.is_none());
    // One that ended long ago does not take the place of the next.
    let second = leader(&flights);
    let mut third = follower(&flights, came);
    second.finish(|| None);
    assert!(third.wait(false).await.is_none());
    assert!(flights.is_idle());
}

#[tokio::test]
async fn who_comes_later_does_not_join_as_if_it_were_nothing() {
    let flights = Flights::default();
    let first = leader(&flights);
    let late = flights.now();
    let LoadRole::Latecomer(mut old) = flights.join("k", late) else { panic!("the load is older") };
    assert!(matches!(old.stage(), LoadStage::Beginning));
    first.loads(Some("token".into()), Some(b"old".as_slice().into()));
    assert!(matches!(old.stage(), LoadStage::Loading { token: Some(_), .. }));
    let LoadRole::Leader(second) = flights.supersede("k", &old) else { panic!("the old one is superseded") };
    let LoadRole::Follower(_) = flights.supersede("k", &old) else { panic!("once only") };
    // The old one ends, and leaves the place to the new one.
    first.finish(|| Some(done("old")));
    assert_eq!(text(old.wait(true).await).as_deref(), Some("old"));
    let mut joined = follower(&flights, late);
    second.loads(None, Some(b"older".as_slice().into()));
    assert_eq!(text(joined.wait(true).await).as_deref(), Some("stale older"));
    drop(second);
    assert!(flights.is_idle());
}

#[tokio::test]
async fn who_comes_while_it_begins_gets_nothing_of_before() {
    let flights = Flights::default();
    let came = flights.now();
    let first = leader(&flights);
    let mut early = follower(&flights, came);
    let late = |flights: &Flights| {
        let LoadRole::Latecomer(mut late) = flights.join("k", flights.now()) else { panic!("it is older") };
        late.is_late = true;
        late
    };
    let (mut one, mut other) = (late(&flights), late(&flights));
    first.loads(Some("token".into()), Some(b"old".as_slice().into()));
    assert!(one.wait(true).await.is_none(), "the stale copy may be gone");
    first.tell(LoadStage::Found(Some(b"old".as_slice().into())));
    assert_eq!(text(early.wait(false).await).as_deref(), Some("old"));
    assert!(other.wait(false).await.is_none(), "it may have been deleted since");
    drop(first);
    // What is loaded is loaded after they came.
    let second = leader(&flights);
    let mut joined = late(&flights);
    second.finish(|| Some(done("new")));
    assert_eq!(text(joined.wait(false).await).as_deref(), Some("new"));
    assert!(flights.is_idle());
}

#[test]
fn nobody_waits_and_nothing_is_encoded() {
    let flights = Flights::default();
    // The map's own receiver does not count.
    leader(&flights).finish(|| panic!("for nobody"));
}

#[test]
fn a_circle_of_loads_that_wait_is_found() {
    let flights = Flights::default();
    let came = flights.now();
    let lead = |key: &str| {
        let LoadRole::Leader(leader) = flights.join(key, came) else { panic!("{key} is led already") };
        leader
    };
    let follow = |key: &str| {
        let LoadRole::Follower(follower) = flights.join(key, came) else { panic!("nobody leads {key}") };
        follower
    };
    let waits = |leading: &[&str], key: &str, follower: &mut Follower| {
        flights.wait_for(leading.iter().map(ToString::to_string).collect(), key, follower)
    };
    let leaders = ["a", "b", "c"].map(lead);
    let (mut for_b, mut for_c, mut for_a, mut outside) = (follow("b"), follow("c"), follow("a"), follow("a"));
    assert!(waits(&["a"], "b", &mut for_b));
    assert!(waits(&["b"], "c", &mut for_c));
    assert!(!waits(&["c"], "a", &mut for_a));
    assert!(!waits(&["x", "c"], "b", &mut follow("b")), "through what c's own load waits for");
    assert!(waits(&[], "a", &mut outside), "who loads nothing can wait for anything");
    assert!(waits(&["x"], "a", &mut outside), "its load is not shared");
    // The first of them waits no more.
    drop(for_b);
    assert!(waits(&["c"], "a", &mut for_a));
    assert!(!waits(&["a"], "b", &mut follow("b")));
    drop(leaders);
    drop((for_a, for_c, outside));
    assert!(flights.is_idle());
}
