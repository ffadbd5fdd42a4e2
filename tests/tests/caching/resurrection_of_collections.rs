//! The same for collections: a set that is filled as a whole, whose only member is the row, and a
//! hash with the row in a field that is filled.

use super::*;

who! {
    rows_reader: |hands| hands.rows().get_or_set(|| hands.read_rows()).await.unwrap();
    rows_reader_across: |hands| hands.rows().get_or_set(|| hands.read_rows()).across_processes().await.unwrap();
    rows_refresher: |hands| hands.rows().get_or_set(|| hands.read_rows()).refresh().await.unwrap();
    rows_early_refresher: |hands| {
        hands.rows().get_or_set(|| hands.read_rows()).early_refresh(0.0).ttl(2 * HOUR).await.unwrap()
    };
    rows_deleter: |hands| { hands.writes().await; hands.rows().del().await.unwrap() };
    rows_expirer: |hands| { hands.writes().await; hands.rows().expire(Duration::ZERO).await.unwrap() };
    rows_expirer_at: |hands| {
        hands.writes().await;
        hands.rows().expire_at(SystemTime::UNIX_EPOCH + HOUR).await.unwrap()
    };
    rows_many_deleter: |hands| {
        hands.writes().await;
        Key::del_many([hands.rows(), hands.template.rows(8, &hands.redis)]).await.unwrap()
    };
    rows_transactor: |hands| { hands.writes().await; hands.redis.transaction((hands.rows().del(),)).await.unwrap() };
    rows_batcher: |hands| {
        hands.writes().await;
        hands.redis.batch((hands.rows().scard(), hands.rows().del())).await.unwrap()
    };
    rows_mover: |hands| {
        hands.writes().await;
        hands.rows().rename(&hands.template.rows(9, &hands.redis)).await.unwrap()
    };
    rows_sweeper: |hands| { hands.writes().await; hands.sweep(false).await };
    rows_expiring_sweeper: |hands| { hands.writes().await; hands.sweep(true).await };
    rows_popper: |hands| { hands.writes().await; hands.rows().spop_many(10).await.unwrap() };
    rows_remover: |hands| {
        let row = hands.writes().await;
        let old: u32 = row.trim_end_matches('!').parse().unwrap();
        hands.rows().srem_many([(old - 1).to_string(), format!("{old}!")]).await.unwrap()
    };
    /// These leave a member of their own, which no earlier load may replace.
    rows_adder: |hands| { let row = hands.writes().await; hands.rows().sadd(&row).await.unwrap() };
    rows_replacer: |hands| {
        let row = hands.writes().await;
        let other = hands.template.rows(8, &hands.redis);
        other.sadd(&row).await.unwrap();
        Key::sunion([other]).store(&hands.rows()).await.unwrap()
    };
    only_adds: |hands| hands.rows().sadd("9!").await.unwrap();
    only_adds_in_a_transaction: |hands| hands.redis.transaction((hands.rows().sadd("9!"),)).await.unwrap();

    field_reader: |hands| hands.fields().hget_or_set_many(["row".to_owned()], |_| hands.read_field()).await.unwrap();
    /// Loads another field at the same time.
    other_field_reader: |hands| {
        let load = |names: Vec<String>| async move { names.into_iter().map(|name| (name, "other!".to_owned())) };
        hands.fields().hget_or_set_many(["other".to_owned()], load).await.unwrap()
    };
    field_deleter: |hands| { hands.writes().await; hands.fields().hdel("row").await.unwrap() };
    field_setter: |hands| { let row = hands.writes().await; hands.fields().hset("row", &row).await.unwrap() };
    hash_deleter: |hands| { hands.writes().await; hands.fields().del().await.unwrap() };
    hash_transactor: |hands| { hands.writes().await; hands.redis.transaction((hands.fields().hdel("row"),)).await.unwrap() };
    hash_expirer: |hands| { hands.writes().await; hands.fields().expire(Duration::ZERO).await.unwrap() };
    hash_sweeper: |hands| { hands.writes().await; Keys::fields_keys().all().delete().on(&hands.redis).await.unwrap() };
    evicts_the_companion_of_the_hash: |hands| {
        hands.count(&["DEL", "back:fields:7%fill{back:fields:7}"]).await
    };
    naive_field: |hands| {
        if hands.fields().hget("row").await.unwrap().is_none() {
            for row in hands.read_rows().await {
                hands.count(&["HSETNX", "back:fields:7", "row", &row]).await;
            }
        }
    };

    naive_rows: |hands| {
        if hands.exists().await == 0 {
            for row in hands.read_rows().await {
                hands.count(&["SADD", hands.template.name(), &row]).await;
            }
        }
    };
}

const WRITERS: [Who; 13] = [
    rows_deleter,
    rows_expirer,
    rows_expirer_at,
    rows_many_deleter,
    rows_transactor,
    rows_batcher,
    rows_mover,
    rows_sweeper,
    rows_expiring_sweeper,
    rows_popper,
    rows_remover,
    rows_adder,
    rows_replacer,
];

const FIELD_WRITERS: [Who; 6] =
    [field_deleter, field_setter, hash_deleter, hash_transactor, hash_expirer, hash_sweeper];

impl Hands {
    fn fields(&self) -> Key<Keys, Hash<Text, Text>> {
        Keys::fields(7).on(&self.redis)
    }

    async fn read_field(&self) -> Vec<(String, String)> {
        self.finds().await.map(|row| ("row".to_owned(), row)).into_iter().collect()
    }

    async fn count(&self, words: &[&str]) -> i64 {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        let key = self.rows();
        let sent = self
            .redis
            .raw_for(&key, |mut connection| async move { command.query_async(&mut connection).await });
        sent.await.unwrap()
    }

    async fn exists(&self) -> i64 {
        self.count(&["EXISTS", self.template.name()]).await
    }
}

impl World {
    fn is_set(&self) {
        self.template.is_set.store(true, Ordering::SeqCst);
    }

    /// Returns an outdated field that is left in the end.
    async fn old_field(&self) -> Option<String> {
        let now = self.database.now().to_string();
        let row = self.command(&["HGET", "back:fields:7", "row"]).await?;
        (row != now && !row.ends_with('!')).then(|| format!("the field has {row}, and the database {now}"))
    }

    /// Returns an outdated row that is left in the end. Next to the row of a writer that adds,
    /// older ones may be left.
    pub(super) async fn old_rows(&self) -> Option<String> {
        if let Some(field) = self.old_field().await {
            return Some(field);
        }
        let (now, name) = (self.database.now().to_string(), self.template.name());
        let is_old = |row: &String| *row != now && !row.ends_with('!');
        let mut read = redis::cmd("SMEMBERS");
        let rows: HashSet<String> = read.arg(name).query_async(&mut self.direct.clone()).await.unwrap();
        if rows.iter().any(is_old) && !rows.iter().any(|row| row.ends_with('!')) {
            return Some(format!("the key has {rows:?}, and the database {now}"));
        }
        let was_added = rows.contains("9!");
        if !self.template.keeps() {
            return None;
        }
        // Expires the value.
        self.count(&["DEL", name]).await;
        let kept =
            self.template.rows(7, &self.redis).try_get_or_set(|| async { Err(()) }).lookup().await.ok()?;
        let absent = kept.source == ValueSource::Absent && (now != "0" || was_added);
        let is_outdated = kept.value.iter().any(is_old) || (was_added && !kept.value.contains("9!"));
        (absent || (kept.source == ValueSource::Stale && is_outdated))
            .then(|| format!("{:?} is kept next to the key, and the database has {now}", kept.value))
    }
}

on_both_ways! {
    async fn the_modelled_steps_of_sets_match_the_library(world: World) {
        world.is_set();
        let unlink = format!("UNLINK {}", world.template.companion_key());
        let expected: [(Who, Before, &[&str]); 7] = [
            (rows_reader, Before::Cold, &["SMEMBERS back:rows:7", "EVALSHA begin", "reads the database", "EVALSHA fill"]),
            (rows_reader, Before::NoRow, &["SMEMBERS back:rows:7", "EVALSHA begin", "reads the database", "EVALSHA absent"]),
            (rows_reader, Before::Warm, &["SMEMBERS back:rows:7"]),
            (rows_refresher, Before::Warm, &["EVALSHA begin", "reads the database", "EVALSHA fill"]),
            (rows_deleter, Before::Warm, &["writes the database", &unlink, "UNLINK back:rows:7"]),
            (rows_popper, Before::Warm, &["writes the database", &unlink, "SPOP back:rows:7"]),
            (rows_transactor, Before::Warm, &["writes the database", "EXEC"]),
        ];
        let kept: [(Who, Before, &[&str]); 2] = [
            (rows_popper, Before::Warm, &["writes the database", "EXEC"]),
            (only_adds, Before::Warm, &["EXEC"]),
        ];
        let cases = expected.into_iter().map(|case| (false, case)).chain(kept.into_iter().map(|case| (true, case)));
        for (keeps, (who, before, steps)) in cases {
            world.keeps(keeps);
            world.set_up(before).await;
            let trace = world.run(&[who], &mut Vec::new()).await;
            let expected: Vec<_> = steps.iter().map(|step| format!("{}: {step}", who.name)).collect();
            assert_eq!(trace, expected);
        }
    }

    async fn a_reader_and_a_writer_of_a_set(world: World) {
        world.is_set();
        for writer in WRITERS {
            world.holds(Before::Cold, &[rows_reader, writer], 10).await;
            world.holds(Before::Cold, &[rows_reader_across, writer], 10).await;
            world.holds(Before::Warm, &[rows_reader, writer], 3).await;
        }
    }

    async fn a_refresher_and_a_writer_of_a_set(world: World) {
        world.is_set();
        for writer in WRITERS {
            for before in [Before::Cold, Before::Warm, Before::Ahead] {
                world.holds(before, &[rows_refresher, writer], 10).await;
            }
            world.holds(Before::Warm, &[rows_early_refresher, writer], 10).await;
        }
    }

    async fn stale_copies_and_negative_entries_of_a_set(world: World) {
        world.is_set();
        world.keeps(true);
        // The writers that add to a set keep its other members, and those of an older copy.
        let writers = WRITERS.into_iter().filter(|writer| !matches!(writer.name, "rows_adder" | "rows_popper"));
        for writer in writers {
            for before in [Before::Cold, Before::Stale, Before::NoRow, Before::Absent] {
                world.holds(before, &[rows_reader, writer], 3).await;
            }
            world.holds(Before::Warm, &[rows_refresher, writer], 10).await;
        }
        for adds in [only_adds, only_adds_in_a_transaction] {
            for before in [Before::Cold, Before::NoRow, Before::Absent] {
                world.holds(before, &[rows_reader, adds], 2).await;
            }
        }
    }

    async fn a_reader_and_a_writer_of_a_field(world: World) {
        world.is_set();
        world.set_up(Before::Cold).await;
        let trace = world.run(&[field_reader], &mut Vec::new()).await;
        let steps = ["HMGET back:fields:7", "EVALSHA begin", "reads the database", "EVALSHA fields"];
        assert_eq!(trace, steps.map(|step| format!("field_reader: {step}")));
        for writer in FIELD_WRITERS {
            world.holds(Before::Cold, &[field_reader, writer], 10).await;
        }
        world.holds(Before::Cold, &[field_reader, other_field_reader, field_deleter], 100).await;
        world.holds(Before::Cold, &[field_reader, hash_deleter, evicts_the_companion_of_the_hash], 50).await;
        world.holds(Before::Cold, &[field_reader, hash_transactor, evicts_the_mark], 20).await;
        let outcome = world.all(Before::Cold, &[naive_field, field_deleter]).await;
        assert!(!outcome.violations.is_empty());
    }

    async fn evicted_keys_of_a_set(world: World) {
        world.is_set();
        for evictor in [evicts_the_mark, evicts_companion_keys, flushes] {
            for loads in [rows_reader, rows_refresher] {
                world.holds(Before::Cold, &[loads, rows_deleter, evictor], 50).await;
            }
        }
    }

    async fn raw_writes_of_a_set_lose_the_guarantee(world: World) {
        world.is_set();
        for writer in [rows_deleter, rows_popper, rows_sweeper] {
            let outcome = world.all(Before::Cold, &[naive_rows, writer]).await;
            assert!(!outcome.violations.is_empty(), "{}", writer.name);
        }
    }
}

/// In a cluster, sweeps have different steps.
async fn sets_in_a_cluster(mut world: World) {
    world.is_set();
    for keeps in [false, true] {
        world.keeps(keeps);
        for writer in [rows_sweeper, rows_expiring_sweeper, rows_deleter, rows_transactor] {
            world.holds(Before::Cold, &[rows_reader, writer], 10).await;
            world.holds(Before::Warm, &[rows_refresher, writer], 10).await;
        }
    }
}

#[test]
fn sets_on_an_embedded_cluster() {
    on_one_thread(async {
        let server = Server::builder().cluster().build();
        Redis::with_embedded_server(server.clone()).connect().await.unwrap();
        let listener = server.listen().await.unwrap();
        sets_in_a_cluster(World::new(listener.addr().unwrap()).await).await;
    });
}

#[test]
fn sets_on_a_real_cluster() {
    let server = RealServer::start_node();
    on_one_thread(async { sets_in_a_cluster(World::new(server.address()).await).await });
}
