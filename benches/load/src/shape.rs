//! What the workflows of a load do, as a function of what is in their history.

use crate::payload::payloads;
use clap::Args;
use std::time::{Duration, SystemTime};
use tenure_api::{
    command::v1::{
        Command, CompleteWorkflowExecutionCommandAttributes, RecordMarkerCommandAttributes,
        ScheduleActivityTaskCommandAttributes, StartTimerCommandAttributes, command::Attributes,
    },
    common::v1::ActivityType,
    enums::v1::CommandType,
    history::v1::{HistoryEvent, history_event::Attributes as Told},
    taskqueue::v1::TaskQueue,
};

/// How long a workflow that is to stay open sleeps.
const OPEN: Duration = Duration::from_secs(30 * 24 * 3600);

#[derive(Args, Clone)]
pub struct Shape {
    /// Activities of a workflow, one after the other
    #[arg(long, default_value_t = 1)]
    activities: u32,
    /// All of the activities at the same time
    #[arg(long)]
    parallel: bool,
    /// Instead of activities: so many local ones, which are markers in history
    #[arg(long, conflicts_with = "activities")]
    markers: Option<u32>,
    /// Seconds of the timer of `timer`
    #[arg(long, default_value_t = 1.0)]
    timer: f64,
    /// When the timer of `timer` is due, in seconds since 1970, whenever its workflow was started
    #[arg(long, conflicts_with = "timer")]
    due: Option<f64>,
    /// The first task comes with the answer to the start, and activities with that to their workflow task
    #[arg(long)]
    pub eager: bool,
    /// The worker keeps what it knows of a workflow, and has the next task on a queue of its own
    #[arg(long)]
    pub sticky: bool,
}

/// What a worker does with a task.
#[derive(Clone)]
pub enum Plan {
    Sequence(u32),
    Parallel(u32),
    Markers(u32),
    Timer(Wake),
    Open,
}

#[derive(Clone, Copy)]
pub enum Wake {
    After(Duration),
    At(SystemTime),
}

impl Shape {
    pub fn plan(&self) -> Plan {
        match self.markers {
            Some(markers) => Plan::Markers(markers),
            None if self.parallel => Plan::Parallel(self.activities),
            None => Plan::Sequence(self.activities),
        }
    }

    pub fn timer(&self) -> Plan {
        Plan::Timer(match self.due {
            Some(due) => Wake::At(SystemTime::UNIX_EPOCH + Duration::from_secs_f64(due)),
            None => Wake::After(Duration::from_secs_f64(self.timer)),
        })
    }
}

/// The answer to a workflow task.
pub struct Step {
    pub commands: Vec<Command>,
    /// Whether the unit of work ends with it.
    pub last: bool,
}

/// What commands are made of.
pub struct Making<'a> {
    pub queue: &'a str,
    pub eager: bool,
    pub payload: usize,
}

impl Plan {
    /// The answer to a task of a workflow of which so much is done; `first`: nothing was answered yet.
    pub fn step(&self, first: bool, done: u32, making: &Making<'_>) -> Step {
        let on_the_way = |commands| Step { commands, last: false };
        match self {
            Plan::Sequence(all) if done < *all => on_the_way(vec![making.activity(done)]),
            Plan::Parallel(all) if done < *all => {
                on_the_way(if first { (0..*all).map(|number| making.activity(number)).collect() } else { Vec::new() })
            }
            Plan::Timer(_) | Plan::Open if !first && done == 0 => on_the_way(Vec::new()),
            Plan::Timer(wake) if first => on_the_way(vec![timer(wake.from_now())]),
            Plan::Open => Step { commands: if first { vec![timer(OPEN)] } else { Vec::new() }, last: true },
            Plan::Markers(all) => {
                let markers = (0..*all).map(|number| making.marker(number));
                Step { commands: markers.chain([complete()]).collect(), last: true }
            }
            Plan::Sequence(_) | Plan::Parallel(_) | Plan::Timer(_) => Step { commands: vec![complete()], last: true },
        }
    }
}

impl Wake {
    fn from_now(self) -> Duration {
        match self {
            Wake::After(duration) => duration,
            // The API has no timer of nothing.
            Wake::At(time) => time.duration_since(SystemTime::now()).unwrap_or_default().max(Duration::from_millis(1)),
        }
    }
}

impl Making<'_> {
    fn activity(&self, number: u32) -> Command {
        let attributes = ScheduleActivityTaskCommandAttributes {
            activity_id: (number + 1).to_string(),
            activity_type: Some(ActivityType { name: "load".to_owned() }),
            task_queue: Some(TaskQueue { name: self.queue.to_owned(), ..Default::default() }),
            input: payloads(self.payload, number.into()),
            start_to_close_timeout: Some(prost_types::Duration { seconds: 60, nanos: 0 }),
            request_eager_execution: self.eager,
            ..Default::default()
        };
        command(CommandType::ScheduleActivityTask, Attributes::ScheduleActivityTaskCommandAttributes(attributes))
    }

    fn marker(&self, number: u32) -> Command {
        let details = payloads(self.payload, number.into()).map(|result| ("result".to_owned(), result));
        let attributes = RecordMarkerCommandAttributes {
            marker_name: "LocalActivity".to_owned(),
            details: details.into_iter().collect(),
            ..Default::default()
        };
        command(CommandType::RecordMarker, Attributes::RecordMarkerCommandAttributes(attributes))
    }
}

fn timer(duration: Duration) -> Command {
    let attributes = StartTimerCommandAttributes {
        timer_id: "1".to_owned(),
        start_to_fire_timeout: prost_types::Duration::try_from(duration).ok(),
    };
    command(CommandType::StartTimer, Attributes::StartTimerCommandAttributes(attributes))
}

fn complete() -> Command {
    let attributes = CompleteWorkflowExecutionCommandAttributes::default();
    command(CommandType::CompleteWorkflowExecution, Attributes::CompleteWorkflowExecutionCommandAttributes(attributes))
}

fn command(kind: CommandType, attributes: Attributes) -> Command {
    Command { command_type: kind as i32, attributes: Some(attributes), ..Default::default() }
}

/// How many activities and timers have come to their end in these events.
pub fn done(events: &[HistoryEvent]) -> u32 {
    let ended = |event: &&HistoryEvent| {
        matches!(
            event.attributes,
            Some(Told::ActivityTaskCompletedEventAttributes(_) | Told::TimerFiredEventAttributes(_))
        )
    };
    events.iter().filter(ended).count() as u32
}

/// How much later than due it is for the timer that has fired in these events.
pub fn lateness(events: &[HistoryEvent]) -> Option<Duration> {
    let due = events.iter().find_map(|event| {
        let Some(Told::TimerStartedEventAttributes(timer)) = &event.attributes else { return None };
        let after = Duration::try_from(timer.start_to_fire_timeout?).ok()?;
        Some(SystemTime::try_from(event.event_time?).ok()? + after)
    })?;
    Some(SystemTime::now().duration_since(due).unwrap_or_default())
}
