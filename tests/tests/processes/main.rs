//! What takes several processes: loads that processes share, attacks, the examples, the composition file.

mod chaos;
mod compose;
mod examples;
mod frozen;
mod shared_loads;
