//! Any bytes, sent to the embedded server.

use std::time::Duration;

use redis_keyspace_embedded::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Builder;
use tokio::time::timeout;

/// The server answers or closes, and goes on serving others.
pub fn requests(data: &[u8]) {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime starts").block_on(async {
        let server = Server::new();
        let mut connection = server.connect().expect("the server takes connections");
        let talk = async {
            let (mut reader, mut writer) = tokio::io::split(&mut connection);
            let send = async {
                // A connection that is closed early takes no more.
                let _ = writer.write_all(data).await;
                let _ = writer.shutdown().await;
            };
            let mut replies = Vec::new();
            let (_, read) = tokio::join!(send, reader.read_to_end(&mut replies));
            read
        };
        // The time is tokio's: what waits for ever, a BLPOP for example, takes no time of ours.
        let _ = timeout(Duration::from_secs(1), talk).await;
        drop(connection);
        let mut other = server.connect().expect("the server takes connections");
        // Unless it was told to ask for a password, to be silent, or to sleep.
        let mut pong = [0; 7];
        other.write_all(b"PING\r\n").await.expect("it reads");
        timeout(Duration::from_secs(3600), other.read_exact(&mut pong))
            .await
            .expect("it answers")
            .expect("whole");
        assert_eq!(&pong, b"+PONG\r\n");
    });
}
