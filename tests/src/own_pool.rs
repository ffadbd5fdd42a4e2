//! Pools as an application creates them, independent of the library.

use std::pin::Pin;

use bb8_redis::{RedisConnectionManager, bb8};
use redis::aio::MultiplexedConnection;
use redis::{RedisError, RedisResult};

use crate::PATIENCE;

/// Returns the manager of a bb8 pool for this URL.
pub fn manager(url: &str) -> RedisConnectionManager {
    RedisConnectionManager::new(url).expect("the harness returns valid URLs")
}

/// Returns a pool builder with a long timeout. The driver's default for a reply is half a second,
/// which a busy machine exceeds.
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
