//! Floating-point numbers have the value and the spelling of a real server, to the last digit.

use proptest::prelude::*;
use redis_keyspace_embedded::Server;
use redis_keyspace_harness::{RealServer, eventually};

use crate::raw::{Raw, Running, encode};

fn digits(most: usize) -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::collection::vec(prop::sample::select(b"0123456789".to_vec()), 0..most),
        1 => (0..most).prop_map(|count| vec![b'9'; count]),
        1 => (0..most).prop_map(|count| vec![b'0'; count]),
    ]
    .prop_map(|digits| String::from_utf8(digits).expect("digits"))
}

fn decimal() -> impl Strategy<Value = String> {
    let exponent = prop_oneof![
        3 => Just(String::new()),
        2 => (-30..40_i32).prop_map(|exponent| format!("e{exponent}")),
        1 => (-5100..5100_i32).prop_map(|exponent| format!("E{exponent:+}")),
        1 => (4920..4935_i32).prop_map(|exponent| format!("e{exponent}")),
        1 => (-4970..-4930_i32).prop_map(|exponent| format!("e{exponent}")),
        1 => (-330..-300_i32).prop_map(|exponent| format!("e{exponent}")),
        1 => (300..320_i32).prop_map(|exponent| format!("e{exponent}")),
    ];
    (prop::sample::select(vec!["", "-", "+"]), digits(40), prop::option::of(digits(40)), exponent).prop_map(
        |(sign, whole, fraction, exponent)| {
            let fraction = fraction.map(|fraction| format!(".{fraction}")).unwrap_or_default();
            format!("{sign}{whole}{fraction}{exponent}")
        },
    )
}

fn number() -> impl Strategy<Value = String> {
    let hexadecimal = (any::<u64>(), prop::option::of(any::<u64>()), prop::option::of(-1100..1100_i32))
        .prop_map(|(whole, fraction, exponent)| {
            let fraction = fraction.map(|fraction| format!(".{fraction:x}")).unwrap_or_default();
            let exponent = exponent.map(|exponent| format!("p{exponent}")).unwrap_or_default();
            format!("0x{whole:X}{fraction}{exponent}")
        });
    let odd = prop::sample::select(vec![
        "inf",
        "-Infinity",
        "nan",
        "infin",
        "0x",
        "1e",
        "1e+",
        ".",
        "-",
        "",
        "1_0",
        "1e5000",
        "1e-5000",
        "0e9999999999",
        "1e99999999999999999999",
        "18446744073709551615",
        "18446744073709551616",
        "9007199254740993",
        "0x.p1",
        "1.e1",
        "0x1p16384",
        "0x1p-16445",
        "0x1p-16447",
        "1 ",
        " 1",
        "1\0",
        "--1",
        "+-1",
        "0x1p-1075",
        "0x1.8p-1074",
    ])
    .prop_map(str::to_owned);
    // Numbers of few digits, which meet in their last bits.
    let short = (-1000..1000_i32, 0..4_u32)
        .prop_map(|(number, places)| format!("{}", f64::from(number) / f64::from(10_i32.pow(places))));
    prop_oneof![6 => decimal(), 2 => hexadecimal, 1 => odd, 3 => short]
}

/// A timeout is rounded up to whole milliseconds. Without any, it is no timeout.
#[tokio::test]
async fn timeouts_are_rounded_up() {
    for server in Running::both() {
        let (mut blocked, mut other) = (server.connect().await, server.connect().await);
        for short in ["1e-400", "4e-4951", "0x1p-60"] {
            assert_eq!(blocked.line(&format!("BLPOP q {short}")).await, "*-1\r\n", "{short}");
        }
        for endless in ["-0.0001", "-1e-400", "-0"] {
            blocked.send(&["BLPOP", "q", endless]).await;
            eventually("it waits", async || other.line("CLIENT LIST").await.contains("cmd=blpop")).await;
            assert_eq!(other.line("RPUSH q element").await, ":1\r\n");
            let reply = blocked.receive().await.unwrap();
            assert_eq!(reply, b"*2\r\n$1\r\nq\r\n$7\r\nelement\r\n", "{endless}");
            blocked.line("PING").await;
        }
    }
}

#[test]
fn sums_and_scores_are_those_of_a_real_server() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (real, embedded) = (RealServer::builder().start(), Server::new());
    let connections = runtime.block_on(async { [Raw::embedded(&embedded), Raw::real(&real).await] });
    let connections = tokio::sync::Mutex::new(connections);
    // A fixed seed: a failure is the same on every machine.
    let rng = proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha);
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(3_000);
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new_with_rng(config, rng);
    runner
        .run(&(number(), number()), |(left, right)| {
            let commands = [
                vec!["SET", "f", &left],
                vec!["INCRBYFLOAT", "f", &right],
                vec!["GET", "f"],
                vec!["DEL", "z"],
                vec!["ZADD", "z", &left, "m"],
                vec!["ZSCORE", "z", "m"],
                // In a transaction, which never waits.
                vec!["MULTI"],
                vec!["BLPOP", "q", &left],
                vec!["EXEC"],
            ];
            let request: Vec<u8> = commands.iter().flat_map(|command| encode(command)).collect();
            let replies = runtime.block_on(async {
                let mut connections = connections.lock().await;
                for connection in connections.iter_mut() {
                    connection.send_bytes(&request).await;
                }
                let mut replies = Vec::new();
                for _ in &commands {
                    for connection in connections.iter_mut() {
                        let reply = connection.receive().await.expect("a reply");
                        replies.push(reply.escape_ascii().to_string());
                    }
                }
                replies
            });
            for (pair, command) in replies.chunks(2).zip(&commands) {
                prop_assert_eq!(&pair[0], &pair[1], "{:?} after SET f {:?}", command, left);
            }
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}
