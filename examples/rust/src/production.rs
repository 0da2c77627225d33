//! A program as it runs in production: what its worker may take, and how its clients connect.

use std::time::Duration;
use tenure_sdk::{ClientBuilder, ClientCall, DataConverter, DataError, Payload, PayloadCodec, prelude::*};

pub struct Shop;

#[activities]
impl Shop {
    #[activity]
    async fn ship(&self, item: String) -> Result<String> {
        Ok(format!("{item} is on its way"))
    }
}

#[workflow]
pub async fn order(cx: WorkflowContext, item: String) -> Result<String> {
    cx.activity(Shop::SHIP, item).await
}

/// A worker with limits.
pub async fn work(client: Client, shop: Shop) -> Result<(), ClientError> {
    let options = WorkerOptions {
        activity_slots: 20,               // activities at the same time
        activities_per_second: Some(5.0), // what a payment service allows
        cached_workflows: 5_000,          // kept between their tasks; the others are replayed
        grace: Duration::from_secs(60),
        ..Default::default()
    };
    Worker::new(client, "orders").options(options).workflow(order).activities(shop).run().await?;
    Ok(())
}

/// Keys that change.
pub trait Keys: Send + Sync + 'static {
    fn current(&self) -> String;
}

/// Looks up the key for each call.
pub async fn with_changing_key(builder: ClientBuilder, keys: impl Keys) -> Result<Client, ClientError> {
    let builder = builder.intercept(move |call| call.insert("authorization", &format!("Bearer {}", keys.current())));
    builder.connect().await
}

/// Sends the tenant along with each call.
pub async fn of_tenant(addresses: Vec<String>) -> Result<Client, ClientError> {
    let tenant = |call: &mut ClientCall<'_>| Ok(call.headers.insert("tenant", "ann".to_owned())?);
    let client = Client::builder(addresses).interceptor(tenant).connect().await?;
    Ok(client)
}

/// Stands for whatever seals and opens.
pub struct Vault;

impl Vault {
    pub fn new(_key: [u8; 32]) -> Self {
        Vault
    }
}

impl PayloadCodec for Vault {
    fn encode(&self, payload: Payload) -> Result<Payload, DataError> {
        Ok(payload)
    }

    fn decode(&self, payload: Payload) -> Result<Payload, DataError> {
        Ok(payload)
    }
}

/// Encrypts what the server gets to see.
pub async fn sealed(addresses: Vec<String>, key: [u8; 32]) -> Result<Client, ClientError> {
    let converter = DataConverter::default().with_codec(Vault::new(key)).with_sealed_failures();
    let client = Client::builder(addresses).converter(converter).connect().await?;
    Ok(client)
}
