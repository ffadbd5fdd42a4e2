//! A web service with endpoints for operators: `/health`, `/stats` and `/metrics`.
//!
//! While Redis is unavailable, `/health` returns 503 and `/page/{id}` still works.
//!
//! `cargo run --example health` listens on `127.0.0.1:3000`; add `-- 127.0.0.1:0` for a free port.
//! It runs on the embedded server, or on the server that `REDIS_URL` names.

use std::time::Duration;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusBuilder;
use redis_keyspace::health::Health;
use redis_keyspace::stats::Stats;
use redis_keyspace::{Keyspace, Redis, Text};

/// Cached pages. Without Redis, each request renders its page again.
#[derive(Keyspace)]
#[keyspace(prefix = "page", ttl = "1h", on_unavailable = "miss")]
struct PageKeys {
    #[key("{id}")]
    page: fn(id: u64) -> Text,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let metrics = PrometheusBuilder::new().install_recorder()?;
    // Otherwise samples of durations would be kept until someone asks for `/metrics`.
    let upkept = metrics.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            upkept.run_upkeep();
        }
    });
    let redis = match std::env::var_os("REDIS_URL") {
        Some(_) => Redis::from_env()?,
        None => Redis::embedded(),
    };
    let redis = redis.install();

    let (for_health, for_stats) = (redis.clone(), redis.clone());
    let app = Router::new()
        .route("/health", get(move || health(for_health.clone())))
        .route("/stats", get(move || stats(for_stats.clone())))
        .route("/metrics", get(move || async move { metrics.render() }))
        .route("/page/{id}", get(page));

    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

async fn health(redis: Redis) -> (StatusCode, Json<Health>) {
    let health = redis.health().with_write_probe().await;
    let status = if health.healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(health))
}

async fn stats(redis: Redis) -> Json<Stats> {
    Json(redis.stats())
}

async fn page(Path(id): Path<u64>) -> Result<String, (StatusCode, String)> {
    let made = PageKeys::page(id).get_or_set(|| async move { format!("page {id}, expensive to render") });
    made.await.map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}
