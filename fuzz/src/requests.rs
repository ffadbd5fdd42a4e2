//! Sends arbitrary bytes to the embedded server.

use std::time::Duration;

use redis_keyspace_embedded::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Builder;
use tokio::time::timeout;

/// Checks that the server replies or closes the connection, and keeps serving other connections.
pub fn requests(data: &[u8]) {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("start a runtime").block_on(async {
        let server = Server::new();
        let mut connection = server.connect().expect("open a connection");
        let talk = async {
            let (mut reader, mut writer) = tokio::io::split(&mut connection);
            let send = async {
                // Writes fail if the server closes the connection early.
                let _ = writer.write_all(data).await;
                let _ = writer.shutdown().await;
            };
            let mut replies = Vec::new();
            let (_, read) = tokio::join!(send, reader.read_to_end(&mut replies));
            read
        };
        // The clock is tokio's, so a command that waits forever, such as BLPOP, takes no real time.
        let _ = timeout(Duration::from_secs(1), talk).await;
        drop(connection);
        let mut other = server.connect().expect("open a second connection");
        let mut pong = [0; 7];
        other.write_all(b"PING\r\n").await.expect("send PING");
        timeout(Duration::from_secs(3600), other.read_exact(&mut pong))
            .await
            .expect("reply within an hour")
            .expect("complete reply");
        assert_eq!(&pong, b"+PONG\r\n");
    });
}
