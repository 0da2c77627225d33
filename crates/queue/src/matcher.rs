//! The matcher: tasks wait for polls or polls wait for tasks, never both.

use crate::limit::{Allowed, RateLimit};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// Names a waiting poll. Ids grow, and the poll with the least id is served first, so a poll that comes back keeps
/// its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PollId(pub u64);

/// Tasks `T` in the order of their keys `K` (priority first, then age), polls `P` in the order of their ids.
///
/// Every task that was offered is in one of three places: waiting here, matched (until [`Matcher::finished`] or
/// [`Matcher::put_back`]), or gone. A key that waits or is matched is not taken a second time, so an owner may
/// offer as often as it likes.
#[derive(Debug)]
pub struct Matcher<K, T, P> {
    tasks: BTreeMap<K, (T, Instant)>,
    matched: BTreeSet<K>,
    polls: BTreeMap<PollId, P>,
    next_poll: u64,
    /// How fast tasks are handed out.
    pub limit: RateLimit,
}

/// What there is to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<K, T, P> {
    Match(Match<K, T, P>),
    /// A task and a poll wait for the queue's limit until then.
    Wait(Instant),
    /// Nothing, until something changes.
    Nothing,
}

/// A task and the poll that gets it.
#[derive(Debug, PartialEq, Eq)]
pub struct Match<K, T, P> {
    pub key: K,
    pub task: T,
    pub poll_id: PollId,
    pub poll: P,
    /// How long the task waited here; zero when a poll was waiting for it.
    pub waited: Duration,
}

impl<K: Ord + Clone, T, P> Matcher<K, T, P> {
    pub fn new(limit: RateLimit) -> Self {
        Matcher { tasks: BTreeMap::new(), matched: BTreeSet::new(), polls: BTreeMap::new(), next_poll: 0, limit }
    }

    /// A task may be handed out. False if it is here or matched already.
    pub fn offer(&mut self, key: K, task: T, now: Instant) -> bool {
        if self.holds(&key) {
            return false;
        }
        self.tasks.insert(key, (task, now));
        true
    }

    /// The task waits here, or is matched.
    pub fn holds(&self, key: &K) -> bool {
        self.matched.contains(key) || self.tasks.contains_key(key)
    }

    /// The owner wants a task back. `None` if it does not wait here.
    pub fn revoke(&mut self, key: &K) -> Option<T> {
        self.tasks.remove(key).map(|(task, _)| task)
    }

    /// Takes back all tasks that wait here and meet the condition.
    pub fn revoke_where(&mut self, mut condition: impl FnMut(&T) -> bool) -> Vec<(K, T)> {
        let keys: Vec<K> = self.tasks.iter().filter(|(_, (task, _))| condition(task)).map(|(k, _)| k.clone()).collect();
        keys.into_iter().filter_map(|key| self.revoke(&key).map(|task| (key, task))).collect()
    }

    /// The id for a new poll.
    pub fn poll_id(&mut self) -> PollId {
        self.next_poll += 1;
        PollId(self.next_poll)
    }

    /// A poll waits, newly or again after a match that came to nothing.
    pub fn poll(&mut self, id: PollId, poll: P) {
        debug_assert!(id.0 <= self.next_poll, "poll ids come from poll_id");
        self.polls.insert(id, poll);
    }

    /// A poll that waits here.
    pub fn waiting_poll(&self, id: PollId) -> Option<&P> {
        self.polls.get(&id)
    }

    /// A poll was given up. `None` if it does not wait here: it is matched, or gone.
    pub fn cancel(&mut self, id: PollId) -> Option<P> {
        self.polls.remove(&id)
    }

    /// Takes back all polls.
    pub fn cancel_all(&mut self) -> Vec<P> {
        std::mem::take(&mut self.polls).into_values().collect()
    }

    /// The next match, if any; to be called until there is none after each offer and poll, and at the time that it
    /// names.
    pub fn next(&mut self, now: Instant) -> Next<K, T, P> {
        let (Some(task), Some(poll)) = (self.tasks.first_entry(), self.polls.first_entry()) else {
            return Next::Nothing;
        };
        match self.limit.allows(now) {
            Allowed::Now => self.limit.take(now),
            Allowed::At(then) => return Next::Wait(then),
            Allowed::Never => return Next::Nothing,
        }
        let (key, (task, since)) = task.remove_entry();
        let (poll_id, poll) = poll.remove_entry();
        self.matched.insert(key.clone());
        Next::Match(Match { key, task, poll_id, poll, waited: now.saturating_duration_since(since) })
    }

    /// Takes the first poll for a task that does not come here to wait: where none waits, and the limit allows one.
    pub fn take_poll(&mut self, now: Instant) -> Option<(PollId, P)> {
        if !self.tasks.is_empty() || self.polls.is_empty() || self.limit.allows(now) != Allowed::Now {
            return None;
        }
        self.limit.take(now);
        self.polls.pop_first()
    }

    /// A matched task was started, or may have been.
    pub fn finished(&mut self, key: &K) {
        self.matched.remove(key);
    }

    /// A matched task turned out to be obsolete: its poll got nothing, and the limit takes no notice of it.
    pub fn was_obsolete(&mut self, key: &K) {
        if self.matched.remove(key) {
            self.limit.give_back();
        }
    }

    /// A matched task was not started: it waits again, in its old place.
    pub fn put_back(&mut self, key: K, task: T, now: Instant) {
        self.was_obsolete(&key);
        self.offer(key, task, now);
    }

    pub fn waiting_tasks(&self) -> usize {
        self.tasks.len()
    }

    pub fn waiting_polls(&self) -> usize {
        self.polls.len()
    }

    /// How long the first task has waited here.
    pub fn oldest(&self, now: Instant) -> Option<Duration> {
        self.tasks.values().map(|(_, since)| now.saturating_duration_since(*since)).max()
    }

    /// Nothing waits and nothing is matched.
    pub fn is_idle(&self) -> bool {
        self.tasks.is_empty() && self.polls.is_empty() && self.matched.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{HashMap, HashSet};

    /// Steps of a table: offers (priority, place), polls, cancellations of the nth poll; then what was matched.
    enum Step {
        Offer(u8, u64),
        Revoke(u8, u64),
        Poll(&'static str),
        Cancel(usize),
    }
    use Step::*;

    fn check(steps: &[Step], expected: &[(u64, &str)]) {
        let now = Instant::now();
        let mut matcher = Matcher::new(RateLimit::new(now));
        let mut polls = Vec::new();
        let mut got = Vec::new();
        for step in steps {
            match step {
                Offer(priority, place) => _ = matcher.offer((*priority, *place), (), now),
                Revoke(priority, place) => _ = matcher.revoke(&(*priority, *place)),
                Poll(name) => {
                    let id = matcher.poll_id();
                    polls.push(id);
                    matcher.poll(id, *name);
                }
                Cancel(nth) => _ = matcher.cancel(polls[*nth]),
            }
            while let Next::Match(m) = matcher.next(now) {
                got.push((m.key.1, m.poll));
            }
        }
        assert_eq!(got, expected);
    }

    #[test]
    fn matching_order() {
        check(&[Offer(3, 1), Poll("a")], &[(1, "a")]);
        check(&[Poll("a"), Offer(3, 1)], &[(1, "a")]);
        check(&[Poll("a"), Poll("b"), Offer(3, 1), Offer(3, 2)], &[(1, "a"), (2, "b")]);
        check(&[Offer(3, 2), Offer(3, 1), Poll("a"), Poll("b")], &[(1, "a"), (2, "b")]);
        check(&[Offer(3, 1), Offer(1, 2), Poll("a"), Poll("b")], &[(2, "a"), (1, "b")]);
    }

    #[test]
    fn polls_that_were_given_up_get_nothing() {
        check(&[Poll("a"), Cancel(0), Offer(3, 1)], &[]);
        check(&[Poll("a"), Poll("b"), Cancel(0), Offer(3, 1)], &[(1, "b")]);
    }

    #[test]
    fn revoked_and_repeated_offers_are_not_matched() {
        check(&[Offer(3, 1), Revoke(3, 1), Poll("a")], &[]);
        check(&[Offer(3, 1), Offer(3, 1), Poll("a"), Poll("b")], &[(1, "a")]);
        check(&[Poll("a"), Poll("b"), Offer(3, 1), Offer(3, 1)], &[(1, "a")]);
    }

    fn matched<K, T, P>(next: Next<K, T, P>) -> Match<K, T, P> {
        match next {
            Next::Match(m) => m,
            Next::Wait(_) | Next::Nothing => panic!("no match"),
        }
    }

    /// F74.
    #[test]
    fn a_task_and_a_poll_wait_for_the_limit_and_keep_their_places() {
        let start = Instant::now();
        let later = start + Duration::from_secs(10);
        let mut matcher = Matcher::new(RateLimit::new(start));
        matcher.limit.set_by_worker(0.5);
        for task in ["one", "two"] {
            matcher.offer(task, (), later);
        }
        assert_eq!(matcher.next(later), Next::Nothing, "no poll waits");
        for poll in ["first", "second"] {
            let id = matcher.poll_id();
            matcher.poll(id, poll);
        }
        let m = matched(matcher.next(later));
        assert_eq!((m.key, m.poll), ("one", "first"));
        let then = later + Duration::from_secs(2);
        assert_eq!(matcher.next(later), Next::Wait(then));
        assert_eq!((matcher.waiting_tasks(), matcher.waiting_polls()), (1, 1));
        // The first came to nothing, and so the other need not wait.
        matcher.was_obsolete(&m.key);
        let m = matched(matcher.next(later));
        assert_eq!((m.key, m.poll), ("two", "second"));
        let id = matcher.poll_id();
        matcher.poll(id, "third");
        matcher.put_back(m.key, (), later);
        let m = matched(matcher.next(later));
        assert_eq!((m.key, m.poll), ("two", "third"));
        matcher.limit.set_by_api(Some(0.0));
        matcher.offer("three", (), later);
        let id = matcher.poll_id();
        matcher.poll(id, "fourth");
        assert_eq!(matcher.next(then), Next::Nothing, "nothing at a rate of zero");
        matcher.limit.set_by_api(None);
        assert_eq!(matched(matcher.next(then)).key, "three");
    }

    #[test]
    fn a_poll_is_taken_for_a_task_that_does_not_come_here_if_none_is_before_it() {
        let now = Instant::now();
        let mut matcher = Matcher::new(RateLimit::new(now));
        assert!(matcher.take_poll(now).is_none(), "no poll waits");
        for name in ["first", "second"] {
            let id = matcher.poll_id();
            matcher.poll(id, name);
        }
        let (id, first) = matcher.take_poll(now).unwrap();
        assert_eq!(first, "first");
        matcher.poll(id, first);
        matcher.offer("task", (), now);
        assert!(matcher.take_poll(now).is_none(), "a task is before it");
        let m = matched(matcher.next(now));
        assert_eq!((m.task, m.poll), ((), "first"));
        matcher.limit.set_by_api(Some(0.0));
        assert!(matcher.take_poll(now).is_none(), "the limit allows none");
    }

    #[test]
    fn a_task_put_back_and_a_poll_come_again_in_their_places() {
        let now = Instant::now();
        let mut matcher = Matcher::new(RateLimit::new(now));
        let (first, second) = (matcher.poll_id(), matcher.poll_id());
        matcher.poll(first, "first");
        matcher.offer(1, "one", now);
        let m = matched(matcher.next(now));
        matcher.poll(second, "second");
        matcher.finished(&m.key);
        matcher.poll(m.poll_id, m.poll);
        matcher.offer(2, "two", now);
        let m = matched(matcher.next(now));
        assert_eq!((m.task, m.poll), ("two", "first"));
        matcher.put_back(m.key, m.task, now);
        let m = matched(matcher.next(now));
        assert_eq!((m.task, m.poll), ("two", "second"));
    }

    #[derive(Clone, Debug)]
    enum Op {
        Offer(u8),
        Revoke(u8),
        Poll,
        Cancel(usize),
        Finish(usize),
        PutBack(usize),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            any::<u8>().prop_map(|key| Op::Offer(key % 32)),
            any::<u8>().prop_map(|key| Op::Revoke(key % 32)),
            Just(Op::Poll),
            any::<usize>().prop_map(Op::Cancel),
            any::<usize>().prop_map(Op::Finish),
            any::<usize>().prop_map(Op::PutBack),
        ]
    }

    fn place(nth: usize, len: usize) -> Option<usize> {
        (len > 0).then(|| nth % len)
    }

    proptest! {
        /// A task is in one place at a time, none is lost, and a poll that left is never matched.
        #[test]
        fn no_task_is_lost_or_matched_twice(ops in proptest::collection::vec(op(), 1..200)) {
            let now = Instant::now();
            let mut matcher: Matcher<u8, (), PollId> = Matcher::new(RateLimit::new(now));
            let mut waiting: HashSet<u8> = HashSet::new();
            let mut matched: Vec<u8> = Vec::new();
            let mut polls: Vec<PollId> = Vec::new();
            for op in ops {
                match op {
                    Op::Offer(key) => {
                        let fresh = !waiting.contains(&key) && !matched.contains(&key);
                        prop_assert_eq!(matcher.offer(key, (), now), fresh);
                        if fresh { waiting.insert(key); }
                    }
                    Op::Revoke(key) => prop_assert_eq!(matcher.revoke(&key).is_some(), waiting.remove(&key)),
                    Op::Poll => {
                        let id = matcher.poll_id();
                        matcher.poll(id, id);
                        polls.push(id);
                    }
                    Op::Cancel(nth) => if let Some(nth) = place(nth, polls.len()) {
                        prop_assert!(matcher.cancel(polls.remove(nth)).is_some());
                    },
                    Op::Finish(nth) => if let Some(nth) = place(nth, matched.len()) {
                        matcher.finished(&matched.remove(nth));
                    },
                    Op::PutBack(nth) => if let Some(nth) = place(nth, matched.len()) {
                        let key = matched.remove(nth);
                        matcher.put_back(key, (), now);
                        waiting.insert(key);
                    },
                }
                while let Next::Match(m) = matcher.next(now) {
                    prop_assert!(waiting.remove(&m.key), "{} was not waiting", m.key);
                    prop_assert!(waiting.iter().all(|other| *other > m.key), "{} was not the first", m.key);
                    matched.push(m.key);
                    let place = polls.iter().position(|id| *id == m.poll_id);
                    prop_assert_eq!(place, Some(0), "the oldest poll is served");
                    polls.remove(0);
                }
                prop_assert_eq!(matcher.waiting_tasks(), waiting.len());
                prop_assert_eq!(matcher.waiting_polls(), polls.len());
                prop_assert!(waiting.is_empty() || polls.is_empty());
                let distinct: HashMap<u8, ()> = matched.iter().map(|key| (*key, ())).collect();
                prop_assert_eq!(distinct.len(), matched.len());
            }
        }
    }
}
