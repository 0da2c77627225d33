//! A codec between the code and the server: nobody else reads, and its outage costs nothing but time.

use crate::common::{Server, unique, with_worker};
use prost::Message;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tenure_api::history::v1::{History, history_event::Attributes};
use tenure_sdk::{DataConverter, DataError, Payload, PayloadCodec, prelude::*};

/// Not a cipher, but nothing is to be read by those who do not know it.
#[derive(Clone, Default)]
struct Vault {
    is_closed: Arc<AtomicBool>,
}

impl Vault {
    fn turn(&self, bytes: &[u8]) -> Result<Vec<u8>, DataError> {
        if self.is_closed.load(Ordering::SeqCst) {
            return Err(DataError::new("the key service does not answer"));
        }
        Ok(bytes.iter().map(|byte| byte ^ 0x55).collect())
    }
}

impl PayloadCodec for Vault {
    fn encode(&self, payload: Payload) -> Result<Payload, DataError> {
        let data = self.turn(&payload.encode_to_vec())?.into();
        let metadata = [("encoding".to_owned(), "binary/encrypted".into())].into();
        Ok(Payload { metadata, data, ..Default::default() })
    }

    fn decode(&self, payload: Payload) -> Result<Payload, DataError> {
        Payload::decode(self.turn(&payload.data)?.as_slice()).map_err(DataError::new)
    }
}

#[derive(Default)]
struct Account {
    cards: Vec<String>,
}

#[handlers]
impl Account {
    #[signal]
    fn add(&mut self, card: String) {
        self.cards.push(card);
    }

    #[query]
    fn cards(&self) -> Vec<String> {
        self.cards.clone()
    }
}

#[activity]
fn check(card: String) -> Result<String> {
    if card.ends_with('9') {
        return Err(Failure::application("Blocked", format!("{card} is blocked")).detail(card).non_retryable());
    }
    Ok(card)
}

#[workflow]
async fn account(cx: WorkflowContext<Account>, first: String) -> Result<Vec<String>> {
    let checked = cx.activity(check, first).await?;
    cx.wait_until(|it| !it.cards.is_empty()).await?;
    let second = cx.state().cards[0].clone();
    let blocked = cx.activity(check, second).await.unwrap_err();
    Ok(vec![checked, blocked.root().message.clone(), blocked.root().decode_detail::<String>(0)?])
}

fn shows(history: &History, text: &str) -> bool {
    let bytes = history.encode_to_vec();
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn the_server_sees_nothing_and_an_outage_of_the_keys_fails_no_workflow() {
    let Some(server) = Server::start().await else { return };
    let (vault, queue) = (Vault::default(), unique("encrypted"));
    let converter = |vault: &Vault| DataConverter::default().with_codec(vault.clone()).with_sealed_failures();
    let client = |vault: &Vault| Client::builder(server.address.split(',')).converter(converter(vault)).connect();
    let workers = client(&vault).await.unwrap();
    let client = client(&Vault::default()).await.unwrap();
    let worker = Worker::new(workers, &queue).workflow(account).activity(check);
    with_worker(worker, async {
        let start = client.start(account, "card 4711").id(unique("account")).task_queue(&queue);
        let handle = start.task_timeout(Duration::from_secs(2)).await.unwrap();
        let failed = |history: &History| {
            let is_failed =
                |it: &Option<Attributes>| matches!(it, Some(Attributes::WorkflowTaskFailedEventAttributes(_)));
            history.events.iter().any(|event| is_failed(&event.attributes))
        };
        assert_eq!(handle.query(Account::CARDS, ()).await.unwrap(), Vec::<String>::new());
        vault.is_closed.store(true, Ordering::SeqCst);
        handle.signal(Account::ADD, "card 4719").await.unwrap();
        while !failed(&handle.history().await.unwrap()) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        vault.is_closed.store(false, Ordering::SeqCst);
        assert_eq!(handle.result().await.unwrap(), ["card 4711", "card 4719 is blocked", "card 4719"]);
        let history = handle.history().await.unwrap();
        assert!(!shows(&history, "card 47"), "somebody could read it");
        assert!(shows(&history, "Blocked"), "types of failures are for all to see");
        tenure_sdk::Replayer::new().workflow(account).converter(converter(&vault)).replay(&history).unwrap();
    })
    .await;
}
