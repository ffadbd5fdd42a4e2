//! Tests of flights, one step at a time. The suite `interleavings` tests concurrent steps.

use super::flights::{Flights, Follower, Leader, LoadRole, LoadStage};

fn leader(flights: &Flights) -> Leader {
    let LoadRole::Leader(leader) = flights.join("k", flights.now()) else {
        panic!("another task leads already")
    };
    leader
}

fn follower(flights: &Flights, arrived: u64) -> Follower {
    let LoadRole::Follower(follower) = flights.join("k", arrived) else { panic!("no task leads") };
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
async fn a_value_reaches_all_followers_and_no_later_caller() {
    let flights = Flights::default();
    let arrived = flights.now();
    let first = leader(&flights);
    let (mut one, mut other) = (follower(&flights, arrived), follower(&flights, arrived));
    first.finish(|| Some(done("v")));
    let second = leader(&flights);
    assert_eq!(text(one.wait(false).await).as_deref(), Some("v"));
    assert_eq!(text(other.wait(true).await).as_deref(), Some("v"));
    drop(second);
    assert!(flights.is_idle());
}

#[tokio::test]
async fn a_dropped_leader_wakes_all_followers() {
    let flights = Flights::default();
    let arrived = flights.now();
    let first = leader(&flights);
    let (mut one, mut other) = (follower(&flights, arrived), follower(&flights, arrived));
    drop(first);
    assert!(one.wait(false).await.is_none() && other.wait(true).await.is_none());
    // A load that ended long ago does not affect the next one.
    let second = leader(&flights);
    let mut third = follower(&flights, arrived);
    second.finish(|| None);
    assert!(third.wait(false).await.is_none());
    assert!(flights.is_idle());
}

#[tokio::test]
async fn a_caller_that_arrives_later_is_a_latecomer() {
    let flights = Flights::default();
    let first = leader(&flights);
    let late = flights.now();
    let LoadRole::Latecomer(mut old) = flights.join("k", late) else { panic!("the load is older") };
    assert!(matches!(old.stage(), LoadStage::Beginning));
    first.loads(Some("token".into()), Some(b"old".as_slice().into()));
    assert!(matches!(old.stage(), LoadStage::Loading { token: Some(_), .. }));
    let LoadRole::Leader(second) = flights.supersede("k", &old) else { panic!("the old load is superseded") };
    let LoadRole::Follower(_) = flights.supersede("k", &old) else { panic!("superseded only once") };
    // The old load ends and does not remove the entry of the new one.
    first.finish(|| Some(done("old")));
    assert_eq!(text(old.wait(true).await).as_deref(), Some("old"));
    let mut joined = follower(&flights, late);
    second.loads(None, Some(b"older".as_slice().into()));
    assert_eq!(text(joined.wait(true).await).as_deref(), Some("stale older"));
    drop(second);
    assert!(flights.is_idle());
}

#[tokio::test]
async fn a_late_follower_gets_no_older_value() {
    let flights = Flights::default();
    let arrived = flights.now();
    let first = leader(&flights);
    let mut early = follower(&flights, arrived);
    let late = |flights: &Flights| {
        let LoadRole::Latecomer(mut late) = flights.join("k", flights.now()) else {
            panic!("the load is older")
        };
        late.is_late = true;
        late
    };
    let (mut one, mut other) = (late(&flights), late(&flights));
    first.loads(Some("token".into()), Some(b"old".as_slice().into()));
    assert!(one.wait(true).await.is_none(), "the stale copy may have been deleted");
    first.tell(LoadStage::Found(Some(b"old".as_slice().into())));
    assert_eq!(text(early.wait(false).await).as_deref(), Some("old"));
    assert!(other.wait(false).await.is_none(), "the value may have been deleted since");
    drop(first);
    // This load starts after they arrived.
    let second = leader(&flights);
    let mut joined = late(&flights);
    second.finish(|| Some(done("new")));
    assert_eq!(text(joined.wait(false).await).as_deref(), Some("new"));
    assert!(flights.is_idle());
}

#[test]
fn without_followers_nothing_is_encoded() {
    let flights = Flights::default();
    // The receiver in the table does not count as a follower.
    leader(&flights).finish(|| panic!("no caller waits"));
}

#[test]
fn a_cycle_of_waiting_loads_is_detected() {
    let flights = Flights::default();
    let arrived = flights.now();
    let lead = |key: &str| {
        let LoadRole::Leader(leader) = flights.join(key, arrived) else {
            panic!("{key} has a leader already")
        };
        leader
    };
    let follow = |key: &str| {
        let LoadRole::Follower(follower) = flights.join(key, arrived) else { panic!("{key} has no leader") };
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
    assert!(!waits(&["x", "c"], "b", &mut follow("b")), "through the loads that the load of c waits for");
    assert!(waits(&[], "a", &mut outside), "a caller without a load can wait for any load");
    assert!(waits(&["x"], "a", &mut outside), "its load is not shared");
    // The first of them no longer waits.
    drop(for_b);
    assert!(waits(&["c"], "a", &mut for_a));
    assert!(!waits(&["a"], "b", &mut follow("b")));
    drop(leaders);
    drop((for_a, for_c, outside));
    assert!(flights.is_idle());
}
