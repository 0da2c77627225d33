//! What is going on, for whoever waits at a terminal: a line or a bar on standard error, after a second and gone when done.

use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// How long somebody waits without asking what is going on.
const SILENCE: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(120);

/// Waits for `work`, and says what for if it takes longer.
pub(crate) async fn waiting<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    tokio::select! {
        biased;
        done = &mut work => return done,
        () = tokio::time::sleep(SILENCE) => {}
    }
    let line =
        ProgressBar::new_spinner().with_style(style("{spinner} {msg} ({elapsed})")).with_message(what.to_owned());
    line.enable_steady_tick(TICK);
    let done = work.await;
    line.finish_and_clear();
    done
}

/// A bar for work that is done step by step somewhere else.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    pub(crate) fn new(what: &str) -> Self {
        let bar = ProgressBar::no_length().with_message(what.to_owned());
        bar.set_style(style("{msg} {wide_bar} {human_pos} of {human_len} ({elapsed})"));
        Bar(bar)
    }

    pub(crate) fn at(&self, done: u64, all: u64) {
        self.0.set_length(all);
        self.0.set_position(done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates of this file are good")
}
