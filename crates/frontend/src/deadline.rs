//! Until when a request may take, from what its caller says.

use std::time::Duration;
use tokio::time::Instant;
use tonic::metadata::MetadataMap;

const HEADER: &str = "grpc-timeout";

/// An answer must have left before the caller gives up.
const MARGIN: Duration = Duration::from_millis(50);

/// How long the caller waits; `None` if it did not say, or not in the form of the gRPC specification.
pub(crate) fn timeout(metadata: &MetadataMap) -> Option<Duration> {
    parse(metadata.get(HEADER)?.to_str().ok()?)
}

/// Until when a request is to be answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    pub(crate) at: Instant,
    /// When the request came from its caller.
    pub(crate) arrived: Instant,
    /// The caller waits no longer. Otherwise the deadline is ours, and the caller may try again.
    pub(crate) caller_set_it: bool,
}

impl Deadline {
    /// The deadline of a request that arrived then, and whose caller waits so long, if it said so: `usual` if not, and
    /// never more than `longest`.
    pub(crate) fn of(arrived: Instant, caller: Option<Duration>, usual: Duration, longest: Duration) -> Deadline {
        let own = caller.map(less_margin).filter(|own| *own <= longest);
        let timeout = own.unwrap_or(if caller.is_some() { longest } else { usual });
        Deadline { at: arrived + timeout, arrived, caller_set_it: own.is_some() }
    }
}

/// What remains of it for us.
pub(crate) fn less_margin(timeout: Duration) -> Duration {
    timeout - MARGIN.min(timeout / 10)
}

fn parse(value: &str) -> Option<Duration> {
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(amount * 3600),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_the_specification_has_them() {
        let cases = [
            ("10S", Some(Duration::from_secs(10))),
            ("1500m", Some(Duration::from_millis(1500))),
            ("99999999u", Some(Duration::from_micros(99_999_999))),
            ("2M", Some(Duration::from_secs(120))),
            ("1H", Some(Duration::from_secs(3600))),
            ("7n", Some(Duration::from_nanos(7))),
            ("123456789S", None),
            ("", None),
            ("S", None),
            ("-1S", None),
            ("10", None),
            ("1ü", None),
        ];
        for (header, expected) in cases {
            assert_eq!(parse(header), expected, "{header}");
        }
    }

    #[test]
    fn no_caller_makes_a_node_wait_for_long() {
        const USUAL: Duration = Duration::from_secs(10);
        const LONGEST: Duration = Duration::from_secs(30);
        let of = |caller: Option<u64>| {
            let now = Instant::now();
            let deadline = Deadline::of(now, caller.map(Duration::from_secs), USUAL, LONGEST);
            (deadline.at - now, deadline.caller_set_it)
        };
        assert_eq!(of(None), (USUAL, false));
        assert_eq!(of(Some(20)), (Duration::from_millis(19_950), true));
        assert_eq!(of(Some(31)), (LONGEST, false));
        // The most that the header can say: 99,999,999 hours.
        assert_eq!(of(Some(99_999_999 * 3600)), (LONGEST, false));
    }

    #[test]
    fn the_margin_never_eats_a_short_timeout() {
        assert_eq!(less_margin(Duration::from_secs(10)), Duration::from_millis(9950));
        assert_eq!(less_margin(Duration::from_millis(100)), Duration::from_millis(90));
    }
}
