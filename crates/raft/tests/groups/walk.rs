//! Changes of the members, and at each place that one passes the node that is there dies.

use crate::{
    common::{Cluster, DEADLINE, eventually},
    members::{assert_voters, end, idle, joining, replace},
};
use futures::{FutureExt, future::join_all};
use parking_lot::Mutex;
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tenure_peer::{
    Cut,
    admin::{ChangeMembersRequest, admin_client::AdminClient},
};
use tenure_raft::Steps;
use tokio::sync::{mpsc, oneshot};

/// Holds the first founder that comes to a certain place.
#[derive(Clone)]
struct Trap(Arc<Mutex<State>>);

struct State {
    /// The places that founders have passed, each once.
    passed: Vec<String>,
    armed: Option<String>,
    caught: mpsc::UnboundedSender<(u64, oneshot::Sender<()>)>,
}

impl Trap {
    fn new() -> (Trap, mpsc::UnboundedReceiver<(u64, oneshot::Sender<()>)>) {
        let (caught, catches) = mpsc::unbounded_channel();
        (Trap(Arc::new(Mutex::new(State { passed: Vec::new(), armed: None, caught }))), catches)
    }

    fn steps(&self) -> Steps {
        let trap = self.clone();
        Steps::new(move |node, place| {
            let mut state = trap.0.lock();
            if node > 3 {
                return std::future::ready(()).boxed();
            }
            if !state.passed.contains(&place) {
                state.passed.push(place.clone());
            }
            if state.armed.take_if(|armed| *armed == place).is_none() {
                return std::future::ready(()).boxed();
            }
            let (release, released) = oneshot::channel();
            // The test listens as long as it runs.
            let _ = state.caught.send((node, release));
            released.map(drop).boxed()
        })
    }

    fn arm(&self, place: Option<&String>) {
        let mut state = self.0.lock();
        state.passed.clear();
        state.armed = place.cloned();
    }

    /// The same places in the same order, however the shards were interleaved.
    fn passed(&self) -> Vec<String> {
        let mut passed = self.0.lock().passed.clone();
        passed.sort();
        passed
    }
}

/// Asks until somebody takes it, whoever dies meanwhile.
fn asking(cluster: &Cluster, request: ChangeMembersRequest) -> tokio::task::JoinHandle<()> {
    let addresses: Vec<String> = (1..=3).map(|id| cluster.address(id)).collect();
    tokio::spawn(async move {
        for address in addresses.iter().cycle() {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let Ok(mut client) = AdminClient::connect(format!("http://{address}")).await else { continue };
            if client.change_members(request.clone()).await.is_ok() {
                return;
            }
        }
    })
}

/// What a change is, and how it has to end.
struct Change {
    request: ChangeMembersRequest,
    ends_as: ChangeMembersRequest,
    undone: bool,
}

type Catches = mpsc::UnboundedReceiver<(u64, oneshot::Sender<()>)>;

/// Makes a change, in which whoever comes to the place first dies there and starts again later.
async fn change(
    cluster: &mut Cluster,
    (trap, catches): (&Trap, &mut Catches),
    change: &Change,
    place: Option<&String>,
) {
    trap.arm(place);
    let asked = asking(cluster, change.request.clone());
    if let Some(place) = place {
        let caught = tokio::time::timeout(DEADLINE, catches.recv()).await;
        let (node, release) = caught.unwrap_or_else(|_| panic!("nobody came to {place:?}")).expect("the trap is there");
        // Nobody hears of anything that it does from here on.
        let others: BTreeSet<u64> = cluster.nodes.keys().copied().filter(|id| *id != node).collect();
        let dying = cluster.nodes[&node].clone();
        assert!(dying.peers().faults().cut_off(Cut::BothWays(others)));
        println!("{place}: node {node} dies");
        let _ = release.send(());
        cluster.kill(node).await;
        // What waits for the others at the cut still has a part of the node.
        assert!(dying.peers().faults().cut_off(Cut::Nothing));
        drop(dying);
        eventually("another node leads the system shard", || async {
            let known = cluster.nodes.values().map(|node| node.group(0).unwrap().leadership().borrow().leader);
            known.flatten().any(|now| now != node).then_some(())
        })
        .await;
        cluster.restart(node).await;
    }
    assert_eq!(end(cluster, &change.ends_as).await, change.undone, "{place:?}");
    asked.abort();
}

fn of(places: &[String], nth: usize) -> Option<&String> {
    nth.checked_sub(1).and_then(|nth| places.get(nth))
}

/// Clusters that share the places, and walk at the same time: they mostly wait for elections.
const CLUSTERS: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_at_a_place_dies_there_and_the_change_is_done_or_undone() {
    join_all((0..CLUSTERS).map(|first| tokio::spawn(walk(first))))
        .await
        .into_iter()
        .for_each(|walked| walked.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic())));
}

/// In the first round nobody dies, and the places are written down; then whoever is at one of them dies, one place a round.
async fn walk(first: usize) {
    let (trap, mut catches) = Trap::new();
    let steps = trap.steps();
    let mut cluster = Cluster::start(3, |options| {
        options.balance_after = Duration::from_secs(600);
        options.shards = 1;
        options.steps = steps;
    })
    .await;
    let (mut coming, mut going, mut undoing) = (Vec::new(), Vec::new(), Vec::new());
    for round in std::iter::once(0).chain((first + 1..).step_by(CLUSTERS)) {
        let new = 10 + 2 * round as u64;
        cluster.write(1, 10 * new..10 * new + 5).await;
        let add = Change { request: replace(0, new), ends_as: replace(0, new), undone: false };
        let started = joining(&mut cluster, new).await;
        change(&mut cluster, (&trap, &mut catches), &add, of(&coming, round)).await;
        if round == 0 {
            coming = trap.passed();
        }
        let node = tokio::time::timeout(DEADLINE, started).await.unwrap().unwrap();
        cluster.nodes.insert(new, node);
        assert_voters(&cluster, &[1, 2, 3, new]).await;

        // It leads when it has to go.
        eventually("the new node leads", || async {
            let (leader, _) = cluster.leader(1).await;
            leader.transfer_leader(new).await.ok()
        })
        .await;
        let remove = Change { request: replace(new, 0), ends_as: replace(new, 0), undone: false };
        change(&mut cluster, (&trap, &mut catches), &remove, of(&going, round)).await;
        if round == 0 {
            going = trap.passed();
        }
        cluster.nodes.remove(&new).unwrap().kill().await;
        assert_voters(&cluster, &[1, 2, 3]).await;

        let never = new + 1;
        let candidate = Some(idle(never).await);
        let add = ChangeMembersRequest { candidate, ..replace(0, never) };
        let asked = asking(&cluster, add);
        tokio::time::timeout(DEADLINE, asked).await.unwrap().unwrap();
        for shard in [0, 1] {
            eventually("there is something to take back", || async {
                let (leader, _) = cluster.leader(shard).await;
                leader.status().lag.iter().any(|(node, _)| *node == never).then_some(())
            })
            .await;
        }
        let undo = ChangeMembersRequest { undo: true, ..Default::default() };
        let undo = Change { request: undo, ends_as: replace(0, never), undone: true };
        change(&mut cluster, (&trap, &mut catches), &undo, of(&undoing, round)).await;
        if round == 0 {
            // The rest of its coming is none of this.
            let of_undoing =
                |place: &String| ["asked for", "remove", "Undoing"].iter().any(|part| place.contains(part));
            undoing = trap.passed().into_iter().filter(of_undoing).collect();
        }
        assert_voters(&cluster, &[1, 2, 3]).await;
        cluster.assert_same().await;
        if round == 0 {
            println!("coming {coming:#?}\ngoing {going:#?}\nundoing {undoing:#?}");
            for place in
                ["Learning is over, and not written", "shard 1: add a learner begins", "shard 1: 2 sets of voters"]
            {
                assert!(coming.iter().any(|passed| passed == place), "{place}: {coming:?}");
            }
        }
        if round + CLUSTERS > coming.len().max(going.len()).max(undoing.len()) {
            break;
        }
    }
    cluster.write(1, 0..10).await;
    cluster.assert_same().await;
    cluster.stop().await;
}
