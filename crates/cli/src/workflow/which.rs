//! Which workflow a command is about, or which ones.

use tenure_api::common::v1::WorkflowExecution;

/// One workflow.
#[derive(clap::Args)]
pub(crate) struct One {
    /// The workflow id.
    #[arg(value_name = "WORKFLOW_ID", required_unless_present = "workflow_id")]
    id: Option<String>,
    /// The workflow id, for ids that begin with a dash.
    #[arg(long, short, value_name = "WORKFLOW_ID", conflicts_with = "id", allow_hyphen_values = true)]
    workflow_id: Option<String>,
    /// The run; without it, the latest one.
    #[arg(long, short)]
    run_id: Option<String>,
}

impl One {
    pub(crate) fn execution(&self) -> WorkflowExecution {
        execution(&self.id, &self.workflow_id, &self.run_id)
    }
}

/// One workflow, or all that a filter finds.
#[derive(clap::Args)]
pub(crate) struct Which {
    /// The workflow id.
    #[arg(value_name = "WORKFLOW_ID", required_unless_present_any = ["workflow_id", "query"])]
    id: Option<String>,
    /// The workflow id, for ids that begin with a dash.
    #[arg(long, short, value_name = "WORKFLOW_ID", conflicts_with = "id", allow_hyphen_values = true)]
    workflow_id: Option<String>,
    /// The run; without it, the latest one.
    #[arg(long, short)]
    run_id: Option<String>,
    /// Why; histories and batch operations keep it.
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    many: Many,
}

/// Many workflows, as a batch operation of the server.
#[derive(clap::Args)]
pub(crate) struct Many {
    /// All workflows that this list filter finds, as a batch operation, which goes on in the server.
    #[arg(help_heading = MANY, long, short, value_name = "FILTER", conflicts_with_all = ["id", "workflow_id", "run_id"])]
    pub(crate) query: Option<String>,
    /// Do not ask whether it shall be done.
    #[arg(help_heading = MANY, long, short, requires = "query")]
    pub(crate) yes: bool,
    /// Workflows a second, at most; by default what the server allows.
    #[arg(help_heading = MANY, long, value_name = "NUMBER", requires = "query")]
    pub(crate) rate: Option<f32>,
    /// Print the batch operation's id instead of waiting for its end.
    #[arg(help_heading = MANY, long, requires = "query")]
    pub(crate) no_wait: bool,
}

const MANY: &str = "Many workflows";

/// What the caller chose.
pub(crate) enum Chosen<'a> {
    One(WorkflowExecution),
    Many(&'a str),
}

impl Which {
    pub(crate) fn chosen(&self) -> Chosen<'_> {
        match &self.many.query {
            Some(query) => Chosen::Many(query),
            None => Chosen::One(execution(&self.id, &self.workflow_id, &self.run_id)),
        }
    }

    pub(crate) fn reason(&self) -> String {
        self.reason.clone().unwrap_or_else(|| "asked for with the tenure command".to_owned())
    }

    pub(crate) fn many(&self) -> &Many {
        &self.many
    }
}

fn execution(id: &Option<String>, option: &Option<String>, run_id: &Option<String>) -> WorkflowExecution {
    let workflow_id = id.as_ref().or(option.as_ref()).cloned().unwrap_or_default();
    WorkflowExecution { workflow_id, run_id: run_id.clone().unwrap_or_default() }
}
