#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| redis_keyspace_fuzz::parse(data));

/// Replays the files given on the command line, in builds without the fuzzer.
#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    redis_keyspace_fuzz::replay(redis_keyspace_fuzz::parse)
}
