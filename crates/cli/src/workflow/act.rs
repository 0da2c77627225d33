//! What is done to one workflow by its request, and to many by a batch operation.

use super::{
    batch::{self, Words},
    which::{Chosen, Which},
};
use crate::{
    api::{Api, Target},
    output,
    show::text::clean,
};
use serde_json::json;
use tenure_api::common::v1::WorkflowExecution;
use tenure_client::{Batch, StartBatch};

/// Which workflows, and where they are.
#[derive(clap::Args)]
pub(crate) struct Act {
    #[command(flatten)]
    which: Which,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

impl Act {
    /// Does it and says so: `one` is given the workflow and the reason, `many` says what a batch does.
    pub(crate) async fn run<O: Send + 'static>(
        self,
        words: &Words,
        one: impl AsyncFnOnce(&Api, WorkflowExecution, String) -> anyhow::Result<()>,
        many: impl FnOnce(Batch) -> StartBatch<O>,
    ) -> anyhow::Result<()> {
        let api = self.target.reach().await?;
        let execution = match self.which.chosen() {
            Chosen::One(execution) => execution,
            Chosen::Many(query) => {
                return batch::run(&api, &self.which, query, many, words, self.json).await;
            }
        };
        one(&api, execution.clone(), self.which.reason()).await?;
        if self.json {
            return output::document(&json!({ "workflowId": execution.workflow_id }));
        }
        output::line(format_args!("{} {}", words.done, clean(&execution.workflow_id)))
    }
}
