//! Tests that need several processes: shared loads, workers, attacks, the examples, and
//! `docker-compose.yml`.

mod chaos;
mod compose;
mod examples;
mod frozen;
mod readme;
mod shared_loads;
mod workers;
