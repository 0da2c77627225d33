//! A trip is booked as a saga: hotel, car and flight, or nothing. What was booked is cancelled in reverse order when a
//! later step fails, when the traveller does not confirm in time, and when the workflow is cancelled.

use serde::{Deserialize, Serialize};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tenure_sdk::prelude::*;

const STEPS: [&str; 3] = ["hotel", "car", "flight"];
const TIME_TO_CONFIRM: Duration = Duration::from_secs(24 * 3600);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Booking {
    pub what: String,
    pub destination: String,
    /// Chosen by the workflow, so that booking or cancelling it a second time changes nothing.
    pub reference: String,
}

#[derive(Default)]
pub struct Trip {
    booked: usize,
    confirmed: bool,
}

#[handlers]
impl Trip {
    #[signal]
    fn confirm(&mut self) {
        self.confirmed = true;
    }

    /// How many bookings stand.
    #[query]
    fn booked(&self) -> usize {
        self.booked
    }
}

#[workflow]
pub async fn trip(cx: WorkflowContext<Trip>, destination: String) -> Result<Vec<Booking>> {
    let mut begun = Vec::new();
    let booked = book(&cx, destination, &mut begun).await;
    if let Err(failure) = booked {
        // A cancellation of the workflow does not reach into here.
        cx.shielded(async { undo(&cx, begun).await }).await?;
        return Err(failure);
    }
    Ok(begun)
}

async fn book(cx: &WorkflowContext<Trip>, destination: String, begun: &mut Vec<Booking>) -> Result<()> {
    for what in STEPS {
        let reference = cx.uuid().to_string();
        let booking = Booking { what: what.to_owned(), destination: destination.clone(), reference };
        // Noted before it is tried: a booking that failed, or whose answer was lost, may have been made.
        begun.push(booking.clone());
        cx.activity(Agency::BOOK, booking).start_to_close(Duration::from_secs(10)).await?;
        cx.state_mut().booked += 1;
    }
    if !cx.wait_until(|it| it.confirmed).timeout(TIME_TO_CONFIRM).await? {
        return Err(Failure::application("NotConfirmed", "the traveller did not confirm in time"));
    }
    Ok(())
}

/// Last booked, first cancelled; the server's retry policy tries each until it is done.
async fn undo(cx: &WorkflowContext<Trip>, begun: Vec<Booking>) -> Result<()> {
    for booking in begun.into_iter().rev() {
        cx.activity(Agency::CANCEL, booking).start_to_close(Duration::from_secs(10)).await?;
    }
    cx.state_mut().booked = 0;
    Ok(())
}

/// A travel agency with a journal.
#[derive(Clone, Default)]
pub struct Agency {
    journal: Arc<Mutex<Vec<String>>>,
}

#[activities]
impl Agency {
    /// Nobody flies to Atlantis.
    #[activity]
    async fn book(&self, booking: Booking) -> Result<()> {
        if (booking.what.as_str(), booking.destination.as_str()) == ("flight", "Atlantis") {
            return Err(Failure::application("NoFlights", "no flights to Atlantis").non_retryable());
        }
        self.note("booked", &booking);
        Ok(())
    }

    #[activity]
    async fn cancel(&self, booking: Booking) {
        self.note("cancelled", &booking);
    }
}

impl Agency {
    fn note(&self, event: &str, booking: &Booking) {
        let line = format!("{event} {}", booking.what);
        self.journal.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    /// What happened, in its order.
    pub fn journal(&self) -> Vec<String> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

pub fn worker(client: Client, task_queue: &str, agency: Agency) -> Worker {
    Worker::new(client, task_queue).workflow(trip).activities(agency)
}
