//! The wall clock.

use std::{
    path::PathBuf,
    sync::LazyLock,
    time::{SystemTime, UNIX_EPOCH},
};

/// What this machine's clock shows.
pub fn wall() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let shown = i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
    if cfg!(feature = "fault-injection") { shown.saturating_add(wrong_by()) } else { shown }
}

/// The file that says how many seconds the clock is wrong by, in builds for tests. A test may write it at any time.
static WRONG: LazyLock<Option<PathBuf>> = LazyLock::new(|| std::env::var_os("TENURE_WRONG_CLOCK").map(Into::into));

/// Nanoseconds that a test has moved the clock by.
fn wrong_by() -> i64 {
    let said = WRONG.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
    said.and_then(|seconds| seconds.trim().parse::<i64>().ok()).unwrap_or_default().saturating_mul(1_000_000_000)
}
