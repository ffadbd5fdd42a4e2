//! Users with rules for channels.

use redis_keyspace::{ErrorKind, Redis, catalog};
use redis_keyspace_tests::{PATIENCE, RealServer, unique_namespace, within};

use crate::{Chat, Note, Team, message};

catalog!(CATALOG = [Chat]);
catalog!(TEAMS = [Team]);

fn user(server: &RealServer, namespace: &str, rules: &str) -> Redis {
    let mut command = vec!["ACL", "SETUSER", "app", "reset", "on", ">pass"];
    command.extend(rules.split(' '));
    assert_eq!(server.redis_cli(&command), "OK");
    let builder = Redis::builder().host("127.0.0.1").port(server.port()).username("app").password("pass");
    builder.namespace(namespace).unwrap().timeout(PATIENCE).build().unwrap()
}

#[test]
fn the_rules_of_the_catalog_permit_all_channels() {
    let (server, namespace) = (RealServer::start(), unique_namespace());
    let rules = CATALOG.acl_rules().namespace(&namespace);
    let has_shards = server.supports("SSUBSCRIBE");
    // An older server rejects rules with commands that it does not know.
    let rules = if has_shards { rules } else { rules.redis_version(6, 2) }.to_string();
    assert!(rules.starts_with(&format!("resetkeys resetchannels &{namespace}:chat:note:*:* ")), "{rules}");
    let redis = user(&server, &namespace, &rules);
    within(
        PATIENCE,
        redis.scope(async {
            let mut room = Chat::room("a").subscribe().await.unwrap();
            let mut notes = Chat::note_keys().all().subscribe().await.unwrap();
            assert_eq!(Chat::room("a").publish("x").await.unwrap(), 1);
            assert_eq!(Chat::note(1, 2).publish(&Note { from: String::new(), number: 1 }).await.unwrap(), 1);
            assert_eq!(message(&mut room).await, "x");
            assert!(notes.next().await.unwrap().unwrap().message().is_some());
            assert_eq!(Chat::room("a").subscribers().await.unwrap(), 1);
            if has_shards {
                let mut shard = Chat::shard("a").subscribe().await.unwrap();
                assert_eq!(Chat::shard("a").publish("y").await.unwrap(), 1);
                assert_eq!(message(&mut shard).await, "y");
                assert_eq!(Chat::shard("a").subscribers().await.unwrap(), 1);
            }
            // The server compares the text of patterns.
            let error = Chat::note_keys().from(1).subscribe().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
            assert!(error.to_string().contains(&format!("&{namespace}:chat:note:1:*")), "{error}");
        }),
    );
}

#[test]
fn the_rules_of_a_tenant_permit_its_patterns() {
    let (server, namespace) = (RealServer::start(), unique_namespace());
    let rules = || TEAMS.acl_rules().namespace(&namespace);
    let of_tenant = rules().tenant("big co").unwrap().to_string();
    within(PATIENCE, async {
        let redis = user(&server, &namespace, &of_tenant);
        let (tenant, other) = (redis.for_tenant("big co").unwrap(), redis.for_tenant("other").unwrap());
        let mut rooms = Team::room_keys().all().on(&tenant).subscribe().await.unwrap();
        assert_eq!(Team::room("a").on(&tenant).publish("x").await.unwrap(), 1);
        assert_eq!(rooms.next().await.unwrap().unwrap().message().unwrap().1, "x");
        let error = Team::room("a").on(&other).publish("x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        redis.close().await;

        // The rules of all tenants permit each channel, but no pattern.
        let redis = user(&server, &namespace, &rules().to_string());
        let tenant = redis.for_tenant("big co").unwrap();
        let mut room = Team::room("a").on(&tenant).subscribe().await.unwrap();
        assert_eq!(Team::room("a").on(&tenant).publish("x").await.unwrap(), 1);
        assert_eq!(message(&mut room).await, "x");
        let error = Team::room_keys().all().on(&tenant).subscribe().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    });
}

#[test]
fn redis_6_0_has_no_rules_for_channels() {
    for rules in
        [CATALOG.acl_rules().redis_version(6, 0), TEAMS.acl_rules().redis_version(6, 0).valkey_version(9, 0)]
    {
        let rules = rules.notifications(0).to_string();
        assert!(!rules.contains('&') && !rules.contains("resetchannels"), "{rules}");
        assert!(rules.contains(" +psubscribe"), "{rules}");
    }
}

#[test]
fn a_channel_that_is_not_permitted_ends_no_other_subscription() {
    let (server, namespace) = (RealServer::start(), unique_namespace());
    let redis = user(&server, &namespace, &format!("resetchannels &{namespace}:chat:room:a +@all"));
    within(
        PATIENCE,
        redis.scope(async {
            let mut room = Chat::room("a").subscribe().await.unwrap();
            let error = Chat::room("b").subscribe().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
            let (allowed, denied) =
                (Chat::room("a").subscribe().into_future(), Chat::room("c").subscribe().into_future());
            let (allowed, denied) = tokio::join!(allowed, denied);
            assert_eq!(denied.unwrap_err().kind(), ErrorKind::PermissionDenied);
            let mut allowed = allowed.unwrap();
            Chat::room("a").publish("x").await.unwrap();
            assert_eq!(
                (message(&mut room).await, message(&mut allowed).await),
                ("x".to_owned(), "x".to_owned())
            );
        }),
    );
}

/// The server closes the connection of a user who loses a permission.
#[test]
fn a_permission_that_is_taken_away_is_reported_and_may_come_back() {
    let (server, namespace) = (RealServer::start(), unique_namespace());
    let all = format!("resetchannels &{namespace}:* +@all");
    let redis = user(&server, &namespace, &all);
    within(
        PATIENCE,
        redis.scope(async {
            let mut room = Chat::room("a").subscribe().await.unwrap();
            server.redis_cli(&["ACL", "SETUSER", "app", "resetchannels"]);
            let error = loop {
                if let Err(error) = room.next().await.unwrap() {
                    break error;
                }
            };
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
            server.redis_cli(&["ACL", "SETUSER", "app", &format!("&{namespace}:*")]);
            crate::resubscribed(&mut room).await;
            Chat::room("a").publish("x").await.unwrap();
            assert_eq!(message(&mut room).await, "x");
        }),
    );
}
