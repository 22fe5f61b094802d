//! The bare loop: consume, sign, POST, acknowledge, and nothing else.
//!
//! It sends the same bytes as the service does, both signatures included, and keeps as many
//! messages in flight. It parses nothing, matches nothing, bounds nothing, measures nothing, and
//! forgets what fails.

use anyhow::{Context, Result};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::join_all;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::Full;
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use sha2::Sha256;
use testbed::amqp;
use tokio::task::JoinSet;

/// The secret of every webhook of a measurement.
pub(crate) const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

#[derive(Clone)]
struct Loop {
    client: Client<HttpConnector, Full<Bytes>>,
    targets: Vec<String>,
    key: Vec<u8>,
}

/// Runs until it is killed: `bare AMQP_URL PREFETCH TARGET FAN_OUT`.
pub(crate) async fn run(arguments: &[&str]) -> Result<()> {
    let [amqp_url, prefetch, target, fan_out] = arguments else {
        anyhow::bail!("usage: bench bare AMQP_URL PREFETCH TARGET FAN_OUT")
    };
    let connection = amqp::connect(amqp_url).await?;
    let channel = connection.create_channel().await?;
    channel.basic_qos(prefetch.parse()?, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    let queue = "webhooks.events".into();
    let mut consumer =
        channel.basic_consume(queue, "bare".into(), options, FieldTable::default()).await?;

    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_max_idle_per_host(1_024)
        .build(connector);
    let targets = (0..fan_out.parse::<u32>()?).map(|n| format!("http://{target}/{n}")).collect();
    let key = SECRET.strip_prefix("whsec_").context("a secret")?;
    let bare = Loop { client, targets, key: BASE64_STANDARD.decode(key)? };
    println!("ready");

    let mut tasks = JoinSet::new();
    while let Some(message) = consumer.next().await {
        let (bare, message) = (bare.clone(), message?);
        tasks.spawn(async move { bare.take(message).await });
        while tasks.try_join_next().is_some() {}
    }
    Ok(())
}

impl Loop {
    async fn take(self, mut message: Delivery) -> Result<()> {
        let body = Bytes::from(std::mem::take(&mut message.data));
        match self.targets.as_slice() {
            [target] => self.post(target, body).await?,
            targets => {
                let posts = targets.iter().map(|target| self.post(target, body.clone()));
                join_all(posts).await.into_iter().collect::<Result<()>>()?;
            }
        }
        message.ack(BasicAckOptions::default()).await?;
        Ok(())
    }

    async fn post(&self, target: &str, body: Bytes) -> Result<()> {
        let mut ours = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())?;
        ours.update(&body);
        let mut standard = Hmac::<Sha256>::new_from_slice(&self.key)?;
        standard.update(b"dlv_0123456789abcdef0123456789abcdef.1700000000.");
        standard.update(&body);
        let request = Request::builder()
            .method(Method::POST)
            .uri(target)
            .header("content-type", "application/json")
            .header("user-agent", "boottify-webhooks/0.1.0")
            .header(
                "x-boottify-signature",
                format!("sha256={}", hex::encode(ours.finalize().into_bytes())),
            )
            .header("x-boottify-event", "deployment.succeeded")
            .header("x-boottify-delivery", "dlv_0123456789abcdef0123456789abcdef")
            .header("x-boottify-attempt", "1")
            .header("webhook-id", "dlv_0123456789abcdef0123456789abcdef")
            .header("webhook-timestamp", "1700000000")
            .header(
                "webhook-signature",
                format!("v1,{}", BASE64_STANDARD.encode(standard.finalize().into_bytes())),
            )
            .body(Full::new(body))?;
        let mut body = self.client.request(request).await?.into_body();
        while let Some(frame) = http_body_util::BodyExt::frame(&mut body).await {
            frame?;
        }
        Ok(())
    }
}
