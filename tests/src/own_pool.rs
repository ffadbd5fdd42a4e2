//! Pools as an application has them beside the library.

use std::pin::Pin;

use bb8_redis::{RedisConnectionManager, bb8};
use redis::aio::MultiplexedConnection;
use redis::{RedisError, RedisResult};

use crate::PATIENCE;

/// Makes the connections of a pool at this URL.
pub fn manager(url: &str) -> RedisConnectionManager {
    RedisConnectionManager::new(url).expect("the harness makes good URLs")
}

/// A pool whose connections wait for replies: the driver's own limit is half a second, which a busy machine exceeds.
pub fn pool_builder() -> bb8::Builder<RedisConnectionManager> {
    bb8::Pool::builder().connection_customizer(Box::new(Patient))
}

#[derive(Debug)]
struct Patient;

impl bb8::CustomizeConnection<MultiplexedConnection, RedisError> for Patient {
    fn on_acquire<'a>(
        &'a self,
        connection: &'a mut MultiplexedConnection,
    ) -> Pin<Box<dyn Future<Output = RedisResult<()>> + Send + 'a>> {
        connection.set_response_timeout(PATIENCE);
        Box::pin(std::future::ready(Ok(())))
    }
}
