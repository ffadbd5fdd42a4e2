use redis_keyspace::{Group, Keyspace, Lock, RateLimit};

#[derive(Keyspace)]
#[keyspace(prefix = "job", ttl = none)]
struct JobKeys {
    #[key("lock:{job}")]
    lock: fn(job: &str) -> Lock,
    #[key("ok:{job}", ttl = "30s")]
    ok: fn(job: &str) -> Lock,
    calls: fn(job: &str) -> RateLimit,
    all: Group,
}

fn main() {}
