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
    cx.saga(async |saga| {
        let mut bookings = Vec::new();
        for what in STEPS {
            let reference = cx.uuid().to_string();
            let booking = Booking { what: what.to_owned(), destination: destination.clone(), reference };
            bookings.push(booking.clone());
            let begun = booking.clone();
            saga.compensate_with(|cx| undo(cx, begun));
            cx.activity(Agency::BOOK, booking).start_to_close(Duration::from_secs(10)).await?;
            cx.state_mut().booked = bookings.len();
        }
        if !cx.wait_until(|it| it.confirmed).timeout(TIME_TO_CONFIRM).await? {
            return Err(Failure::application("NotConfirmed", "the traveller did not confirm in time"));
        }
        Ok(bookings)
    })
    .await
}

/// The server's retry policy tries until it is done.
async fn undo(cx: WorkflowContext<Trip>, begun: Booking) -> Result<()> {
    cx.activity(Agency::CANCEL, begun).start_to_close(Duration::from_secs(10)).await?;
    let mut trip = cx.state_mut();
    trip.booked = trip.booked.saturating_sub(1);
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
