//! Decides who is let in, and who is believed to be the node that was called.

use crate::{
    JoinKey, JoinToken,
    identity::{CLUSTER_ID, Callee, Caller, Local},
};
use parking_lot::RwLock;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tenure_limits::CANDIDATES;
use tokio::sync::watch;
use tonic::{Status, metadata::MetadataMap};
use uuid::Uuid;

/// A node that waits to become a member says so many times in this time.
const WAITING: Duration = Duration::from_secs(5);

/// What a refusal carries whose caller was removed: it is for good.
const REMOVED: &str = "tenure-removed";

/// Whether a refusal is for good: the node that called was removed from the cluster.
pub fn says_removed(refusal: &Status) -> bool {
    refusal.metadata().contains_key(REMOVED)
}

fn removed(node: u64) -> Status {
    let mut refusal = Status::permission_denied(format!(
        "node {node} was removed from this cluster, and its id is never used again: an empty data directory under a new id \
         can join"
    ));
    refusal.metadata_mut().insert(REMOVED, node.into());
    refusal
}

/// The nodes that may take part, and those that never may again.
#[derive(Debug)]
pub struct Gate {
    local_node: u64,
    book: watch::Sender<Book>,
    /// What join tokens are checked with; `None` while that is not known here.
    join_key: RwLock<Option<JoinKey>>,
}

#[derive(Debug, Default)]
struct Book {
    /// Members, with the identities that the cluster recorded; `None` before it is founded.
    members: BTreeMap<u64, Option<Uuid>>,
    removed: BTreeSet<u64>,
    candidates: BTreeMap<u64, Candidate>,
    /// Counts the changes of the members.
    revision: u64,
}

/// A node that is no member, and waits to become one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub node_id: u64,
    pub identity: Uuid,
    pub peer_address: String,
    pub known_level: u32,
    /// It has a join token of this cluster that is good.
    pub(crate) invited: bool,
    /// Why it is not let in yet; empty if that is not known.
    pub(crate) waits_for: String,
    heard: Instant,
}

impl Candidate {
    pub fn new(node_id: u64, identity: Uuid, peer_address: String, known_level: u32) -> Candidate {
        let (invited, waits_for, heard) = (false, String::new(), Instant::now());
        Candidate { node_id, identity, peer_address, known_level, invited, waits_for, heard }
    }
}

impl Candidate {
    /// The same one, with a join token that is good, or without.
    pub(crate) fn invited(self, invited: bool) -> Candidate {
        Candidate { invited, ..self }
    }
}

impl Gate {
    /// Lets in the nodes that the configuration lists.
    pub fn new(local_node: u64, listed: impl IntoIterator<Item = u64>) -> Gate {
        let members = listed.into_iter().map(|id| (id, None)).collect();
        let book = watch::Sender::new(Book { members, ..Book::default() });
        Gate { local_node, book, join_key: RwLock::default() }
    }

    /// These are the members, with the identities that they must have, and nobody else is; those that were removed never come
    /// back. An earlier revision than the one that is known changes nothing.
    pub fn set(
        &self,
        revision: u64,
        members: impl IntoIterator<Item = (u64, Uuid)>,
        removed: impl IntoIterator<Item = u64>,
    ) -> bool {
        self.book.send_if_modified(|book| {
            if revision < book.revision {
                return false;
            }
            book.revision = revision;
            book.members = members.into_iter().map(|(id, identity)| (id, Some(identity))).collect();
            book.removed.extend(removed);
            let Book { members, removed, candidates, .. } = book;
            candidates.retain(|id, _| !members.contains_key(id) && !removed.contains(id));
            true
        })
    }

    /// The revision of the members that are let in.
    pub fn revision(&self) -> u64 {
        self.book.borrow().revision
    }

    /// The members, with the identities that are recorded.
    pub(crate) fn members(&self) -> Vec<(u64, Option<Uuid>)> {
        self.book.borrow().members.iter().map(|(id, identity)| (*id, *identity)).collect()
    }

    /// Is this caller who it should be? It may belong to no cluster yet.
    pub fn check(&self, caller: &Caller, cluster_id: Option<Uuid>) -> Result<(), Status> {
        let node = caller.node_id;
        if let (Some(theirs), Some(ours)) = (caller.cluster_id, cluster_id)
            && theirs != ours
        {
            return Err(Status::permission_denied(format!("node {node} belongs to cluster {theirs}, this is {ours}")));
        }
        if node == self.local_node {
            return Err(Status::permission_denied(format!("two processes use node id {node}")));
        }
        let book = self.book.borrow();
        match book.members.get(&node) {
            None if book.removed.contains(&node) => Err(removed(node)),
            None => Err(Status::permission_denied(format!("node {node} is not a member of this cluster"))),
            // The identity that is recorded is not told: whoever has it may vote.
            Some(Some(recorded)) if *recorded != caller.identity => Err(Status::permission_denied(format!(
                "node {node} is known with another data directory than that of {}: a node that lost its data directory \
                 cannot come back under its old id",
                caller.identity
            ))),
            Some(_) => Ok(()),
        }
    }

    /// Like [`Gate::check`], for calls that only members of one and the same cluster make.
    pub(crate) fn admit(&self, metadata: &MetadataMap, local: &Local) -> Result<Caller, Status> {
        let caller = Caller::read(metadata)?;
        self.check(&caller, local.cluster_id())?;
        if let Some(callee) = Callee::read(metadata)? {
            callee.check(local.node_id, Some(local.identity))?;
        }
        match (caller.cluster_id, local.cluster_id()) {
            (Some(_), Some(_)) => Ok(caller),
            (_, None) => Err(Status::unavailable("this node belongs to no cluster yet")),
            (None, _) => Err(Status::unauthenticated(format!("{CLUSTER_ID} is missing"))),
        }
    }

    /// Returns once this caller, which was let in, would be refused.
    pub(crate) async fn until_refused(&self, caller: &Caller) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let mut book = self.book.subscribe();
        while self.check(caller, caller.cluster_id).is_ok() && book.changed().await.is_ok() {}
    }

    /// Whom a call to this node means.
    pub fn callee(&self, node_id: u64) -> Callee {
        Callee { node_id, identity: self.book.borrow().members.get(&node_id).copied().flatten() }
    }

    /// Remembers a node that waits to become a member. False for one that may not: its id was used before.
    pub(crate) fn wait(&self, mut candidate: Candidate) -> bool {
        self.book.send_if_modified(|book| {
            let id = candidate.node_id;
            if id == self.local_node || book.members.contains_key(&id) || book.removed.contains(&id) {
                return false;
            }
            book.candidates.retain(|_, other| other.heard.elapsed() < WAITING);
            if book.candidates.len() >= CANDIDATES && !book.candidates.contains_key(&id) {
                return false;
            }
            if let Some(before) = book.candidates.remove(&id) {
                candidate.waits_for = before.waits_for;
            }
            book.candidates.insert(id, candidate);
            true
        })
    }

    /// The node of that id, if it waits to become a member.
    pub fn candidate(&self, node_id: u64) -> Option<Candidate> {
        self.book.borrow().candidates.get(&node_id).filter(|candidate| candidate.heard.elapsed() < WAITING).cloned()
    }
}

impl Gate {
    /// What join tokens are checked with from now on.
    pub fn set_join_key(&self, key: JoinKey) {
        *self.join_key.write() = Some(key);
    }

    pub fn join_key(&self) -> Option<JoinKey> {
        self.join_key.read().clone()
    }

    /// Whether a node with this token, or with none, is let in without an operator's command. One whose token is no good is
    /// told so.
    pub(crate) fn is_invited(&self, token: &str, ours: Uuid) -> Result<bool, Status> {
        if token.is_empty() {
            return Ok(false);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        let token = token.parse::<JoinToken>();
        let checked = token.and_then(|token| token.check(ours, self.join_key().as_ref(), now));
        checked.map_err(|error| Status::permission_denied(error.to_string()))
    }

    /// The nodes that wait with a token that is good.
    pub fn invited(&self) -> Vec<u64> {
        let book = self.book.borrow();
        let waiting = book.candidates.values().filter(|it| it.invited && it.heard.elapsed() < WAITING);
        waiting.map(|candidate| candidate.node_id).collect()
    }

    /// Notes why a node that waits is not let in yet.
    pub fn set_waits_for(&self, node_id: u64, waits_for: String) {
        self.book.send_if_modified(|book| {
            if let Some(candidate) = book.candidates.get_mut(&node_id) {
                candidate.waits_for = waits_for;
            }
            // Who is let in has not changed.
            false
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Uuid = Uuid::from_u128(1);
    const OTHER: Uuid = Uuid::from_u128(2);

    fn identity(node: u64) -> Uuid {
        Uuid::from_u128(11 * u128::from(node))
    }

    #[track_caller]
    fn is(got: Result<impl Sized, Status>, want: Result<(), &str>) {
        match (got.map(drop), want) {
            (Ok(()), Ok(())) => {}
            (Err(status), Err(part)) => assert!(status.message().contains(part), "{}", status.message()),
            (got, want) => panic!("{got:?}, not {want:?}"),
        }
    }

    #[track_caller]
    fn check(node_id: u64, brings: Uuid, cluster_id: Option<Uuid>, want: Result<(), &str>) {
        let gate = Gate::new(1, [1, 2, 3]);
        gate.set(0, [1, 2, 3].map(|id| (id, identity(id))), []);
        let refused = gate.check(&Caller { node_id, identity: OTHER, cluster_id }, Some(OURS)).err();
        let tells = |status: Status| (1..4).any(|id| status.message().contains(&identity(id).to_string()));
        assert!(!refused.is_some_and(tells), "a refusal tells no identity that is let in");
        is(gate.check(&Caller { node_id, identity: brings, cluster_id }, Some(OURS)), want);
    }

    #[test]
    fn callers() {
        let known = identity(2);
        check(2, known, Some(OURS), Ok(()));
        check(2, known, None, Ok(()));
        check(3, known, Some(OURS), Err("lost its data directory"));
        check(2, known, Some(OTHER), Err("belongs to cluster"));
        check(2, OTHER, Some(OURS), Err("lost its data directory"));
        check(7, known, Some(OURS), Err("not a member"));
        check(1, known, Some(OURS), Err("two processes"));
    }

    /// F63: whoever answers a call that is meant for another node, or for another data directory, does not take it.
    #[test]
    fn a_call_for_somebody_else_is_not_taken() {
        let gate = Gate::new(1, [1, 2]);
        let (caller, local) = (Local::new(2, identity(2), Some(OURS)), Local::new(1, identity(1), Some(OURS)));
        let call = |callee: Option<Callee>| {
            let mut metadata = MetadataMap::new();
            caller.sign(&mut metadata);
            if let Some(callee) = callee {
                callee.sign(&mut metadata);
            }
            gate.admit(&metadata, &local)
        };
        is(call(None), Ok(()));
        is(call(Some(Callee { node_id: 1, identity: None })), Ok(()));
        is(call(Some(Callee { node_id: 1, identity: Some(identity(1)) })), Ok(()));
        is(call(Some(Callee { node_id: 3, identity: None })), Err("the address of node 3 is node 1's"));
        is(
            call(Some(Callee { node_id: 1, identity: Some(OTHER) })),
            Err("another data directory than the one that answers"),
        );
    }

    #[tokio::test]
    async fn a_node_that_is_removed_is_refused_for_ever() {
        let gate = Gate::new(1, [1, 2, 3]);
        let caller = Caller { node_id: 2, identity: identity(2), cluster_id: Some(OURS) };
        gate.set(1, [1, 2].map(|id| (id, identity(id))), []);
        is(gate.check(&caller, Some(OURS)), Ok(()));
        let mut refused = Box::pin(gate.until_refused(&caller));
        assert!(futures::poll!(&mut refused).is_pending(), "what it has opened goes on");
        assert!(gate.set(3, [1, 4].map(|id| (id, identity(id))), [2]));
        refused.await;
        assert!(!gate.set(2, [1, 2].map(|id| (id, identity(id))), []), "that was before");
        is(gate.check(&caller, Some(OURS)), Err("node 2 was removed from this cluster"));
        let refused = |node_id| gate.check(&Caller { node_id, ..caller.clone() }, Some(OURS)).unwrap_err();
        assert!(says_removed(&refused(2)) && !says_removed(&refused(7)), "a stranger may come yet");
        assert!(!gate.wait(Candidate::new(2, OTHER, "there:1".into(), 11)), "not with a new directory either");
    }

    #[test]
    fn a_node_with_a_token_of_this_cluster_is_invited() {
        fn token(ours: Uuid, key: &JoinKey, expires_ms: u64) -> String {
            JoinToken::new(key, ours, expires_ms, BTreeMap::new()).to_string()
        }
        let gate = Gate::new(1, [1]);
        let key = JoinKey::of(&[7; 32]);
        let good = token(OURS, &key, u64::MAX);
        assert!(!gate.is_invited(&good, OURS).unwrap(), "the key is not known yet");
        gate.set_join_key(key.clone());
        assert!(gate.is_invited(&good, OURS).unwrap() && !gate.is_invited("", OURS).unwrap());
        is(gate.is_invited(&token(OTHER, &key, u64::MAX), OURS), Err("the join token is of cluster"));
        is(gate.is_invited(&token(OURS, &JoinKey::of(&[8; 32]), u64::MAX), OURS), Err("was not made by this cluster"));
        is(gate.is_invited(&token(OURS, &key, 0), OURS), Err("the join token has expired"));
        is(gate.is_invited("1234", OURS), Err("it is no join token"));
        let candidate = Candidate::new(2, identity(2), "host:2".into(), 11);
        assert!(gate.wait(candidate.clone()) && gate.invited().is_empty());
        assert!(gate.wait(Candidate { invited: true, ..candidate.clone() }));
        assert_eq!(gate.invited(), [2]);
        gate.set_waits_for(2, "another".into());
        assert!(gate.wait(candidate) && gate.candidate(2).is_some_and(|waiting| waiting.waits_for == "another"));
    }

    #[test]
    fn no_more_nodes_wait_than_there_is_room_for() {
        let gate = Gate::new(1, [1]);
        let candidate = |id| Candidate::new(id, identity(id), format!("host:{id}"), 11);
        for id in 2..2 + CANDIDATES as u64 {
            assert!(gate.wait(candidate(id)));
        }
        assert!(!gate.wait(candidate(1000)) && gate.candidate(1000).is_none());
        assert!(gate.wait(candidate(2)), "it waits already");
        gate.set(1, [1, 2].map(|id| (id, identity(id))), []);
        assert!(gate.candidate(2).is_none() && gate.wait(candidate(1000)));
        assert_eq!(gate.candidate(1000).map(|it| it.peer_address), Some("host:1000".into()));
    }
}
