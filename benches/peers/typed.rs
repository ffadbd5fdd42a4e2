//! This library.

use redis_keyspace::bytes::Bytes;
use redis_keyspace::{Json, Key, Keyspace, Redis, RedisBuilder};
use redis_keyspace_benches::{Cart, Error, LARGE_ID, Server};

use crate::measure::{Named, Op, Peer, Runner};
use crate::peer::missing;
use crate::typed_writes;
use crate::write::{ALL_OPS, Write};

/// Declares keyspaces that differ only in their options at run time, and their peers.
macro_rules! keyspaces {
    ($($name:literal $peer:ident: $keys:ident, $lanes:expr;)+) => {
        $(
            #[derive(Keyspace)]
            #[keyspace(prefix = "cart", ttl = 3600)]
            struct $keys {
                #[key("user:{id}")]
                user: fn(id: u64) -> Json<Cart>,
                #[key("picture:{id}")]
                picture: fn(id: u64) -> redis_keyspace::Bytes,
            }

            #[derive(Clone)]
            struct $peer(Redis);

            impl Peer for $peer {
                const OPS: &'static [Op] = &ALL_OPS;

                async fn get(&mut self, user: u64) -> Result<Cart, Error> {
                    $keys::user(user).get_json().await?.ok_or_else(missing)
                }

                async fn set(&mut self, cart: &Cart) -> Result<(), Error> {
                    Ok($keys::user(cart.user).set_json(cart).await?)
                }

                async fn fill(&mut self, user: u64) -> Result<Cart, Error> {
                    Ok($keys::user(user).get_or_set_json(|| async { Cart::of(user) }).await?)
                }

                async fn del(&mut self, user: u64) -> Result<(), Error> {
                    $keys::user(user).del().await?;
                    Ok(())
                }

                async fn mget(&mut self, users: &[u64]) -> Result<Vec<Cart>, Error> {
                    let carts = Key::get_many(users.iter().map(|user| $keys::user(*user))).await?;
                    carts.into_iter().collect::<Option<_>>().ok_or_else(missing)
                }

                async fn batch(&mut self, users: &[u64]) -> Result<Vec<Cart>, Error> {
                    let gets: Vec<_> = users.iter().map(|user| $keys::user(*user).get()).collect();
                    let carts = self.0.batch(gets).await?;
                    carts.into_iter().collect::<Option<_>>().ok_or_else(missing)
                }

                async fn large_get(&mut self) -> Result<usize, Error> {
                    Ok($keys::picture(LARGE_ID).get().await?.ok_or_else(missing)?.len())
                }

                async fn large_set(&mut self, value: &Bytes) -> Result<(), Error> {
                    Ok($keys::picture(LARGE_ID).set(value).await?)
                }

                async fn write(&mut self, write: Write, user: u64, element: u64) -> Result<(), Error> {
                    typed_writes::write(&self.0, write, user, element).await
                }
            }
        )+

        fn with_options(builder: RedisBuilder) -> RedisBuilder {
            builder$(.keyspace::<$keys>(|options| match $lanes {
                0 => options,
                lanes => options.shared_connections(lanes),
            }))+
        }

        fn peer(name: &'static str, redis: &Redis) -> Option<Box<dyn Runner>> {
            match name {
                $($name => Some(Box::new(Named(name, $peer(redis.clone())))),)+
                _ => None,
            }
        }
    };
}

// 0 is the default number of shared connections.
keyspaces! {
    "keyspace" Default: CartKeys, 0;
    "keyspace-1" One: OneKeys, 1;
    "keyspace-2" Two: TwoKeys, 2;
    "keyspace-4" Four: FourKeys, 4;
    "keyspace-tls" OverTls: TlsKeys, 0;
}

/// A plain GET in place of a fill: what a hit should cost.
#[derive(Clone)]
struct PlainGet;

impl Peer for PlainGet {
    const OPS: &'static [Op] = &[Op::Fill];

    async fn get(&mut self, user: u64) -> Result<Cart, Error> {
        CartKeys::user(user).get_json().await?.ok_or_else(missing)
    }

    async fn set(&mut self, cart: &Cart) -> Result<(), Error> {
        Ok(CartKeys::user(cart.user).set_json(cart).await?)
    }
}

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = 3600, fills = false)]
struct UnfilledKeys {
    #[key("user:{id}")]
    user: fn(id: u64) -> Json<Cart>,
}

/// A keyspace that is never filled: a write is one command.
#[derive(Clone)]
struct Unfilled;

impl Peer for Unfilled {
    const OPS: &'static [Op] = &[Op::Get, Op::Set, Op::Del];

    async fn get(&mut self, user: u64) -> Result<Cart, Error> {
        UnfilledKeys::user(user).get_json().await?.ok_or_else(missing)
    }

    async fn set(&mut self, cart: &Cart) -> Result<(), Error> {
        Ok(UnfilledKeys::user(cart.user).set_json(cart).await?)
    }

    async fn del(&mut self, user: u64) -> Result<(), Error> {
        UnfilledKeys::user(user).del().await?;
        Ok(())
    }
}

pub struct Typed(Redis);

impl Typed {
    #[cfg_attr(not(feature = "tls"), allow(unused_variables, reason = "for TLS only"))]
    pub async fn connect(url: &str, server: &Server) -> Result<Self, Error> {
        // The keyspaces have the same keys on purpose.
        let builder = Redis::builder().url(url)?.allow_overlapping_keyspaces();
        let builder = with_options(builder);
        #[cfg(feature = "tls")]
        let builder = builder.keyspace::<TlsKeys>(|options| {
            let tls = redis_keyspace::config::Tls::new().ca_pem(server.ca());
            options.host("127.0.0.1").port(server.tls_port()).tls(tls)
        });
        let redis = builder.build()?.install();
        redis.connect().await?;
        Ok(Self(redis))
    }

    pub fn peer(&self, name: &'static str) -> Option<Box<dyn Runner>> {
        match name {
            "keyspace-get" => Some(Box::new(Named(name, PlainGet))),
            "keyspace-no-fills" => Some(Box::new(Named(name, Unfilled))),
            _ => peer(name, &self.0),
        }
    }
}
