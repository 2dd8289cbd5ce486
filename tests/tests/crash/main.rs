//! The host killed with SIGKILL at random moments under load, and started again: what was acknowledged is there, nothing is half
//! there, and clients go on where they stopped.

mod client;
mod ledger;

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use keepsake_client::{ClientError, Fate, Importer, NoProgress};
use keepsake_tests::{audit::audit, command::Served, connect};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::{
    runtime::Handle,
    task::{JoinSet, spawn_blocking},
};

use crate::client::{Client, PHOTOS, Work};

/// Times the host is killed while clients work.
const ROUNDS: usize = 24;

/// Times it is killed while it starts, the first of them in an empty folder.
const STARTS: usize = 6;

/// How long the clients may take to get on by what a round waits for.
const DEADLINE: Duration = Duration::from_secs(120);

/// A seed from the clock, or the one of a run to be repeated.
fn seed() -> u64 {
    match std::env::var("KEEPSAKE_CRASH_SEED") {
        Ok(seed) => seed.parse().expect("KEEPSAKE_CRASH_SEED is a number"),
        Err(_) => rand::random::<u32>().into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_sigkill_and_nothing_is_half_there() {
    let seed = seed();
    println!("KEEPSAKE_CRASH_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    for _ in 0..STARTS {
        let after = Duration::from_millis(random.random_range(0..1_500));
        println!("killed {after:?} after its start");
        Served::start_and_kill(&state, after);
    }
    let mut clients: Vec<Client> = [
        Work::Files,
        Work::Files,
        Work::Files,
        Work::Notes,
        Work::Photos,
    ]
    .into_iter()
    .zip(1..)
    .map(|(work, n)| Client::new(n, work, folder.path()))
    .collect();
    let acknowledged = Arc::new(AtomicUsize::new(0));
    for round in 1..=ROUNDS {
        let served = Served::start(&state);
        let mut working = JoinSet::new();
        for mut client in clients.drain(..) {
            let vault = connect(served.url(), client.n).await;
            let (acknowledged, stop) = (acknowledged.clone(), Arc::default());
            // A thread of its own for each.
            let runtime = Handle::current();
            working.spawn_blocking(move || {
                let result = runtime.block_on(client.run(vault, acknowledged, stop));
                (client, result)
            });
        }
        let more = random.random_range(0..120);
        let pause = Duration::from_micros(random.random_range(0..20_000));
        wait_for(&acknowledged, more).await;
        tokio::time::sleep(pause).await;
        let killed = served.kill();
        assert_eq!(killed.code(), None, "it ended by itself: {killed:#?}");
        while let Some(ended) = working.join_next().await {
            let (client, result) = ended.unwrap();
            let error = result.expect_err("nobody told it to stop");
            let told = error.is_transient() || matches!(error, ClientError::NotTried);
            assert!(told, "client {}: {error}", client.n);
            clients.push(client);
        }
        keepsake_tests::state::recount(&state);
        let served = Served::start(&state);
        assert_eq!(served.announced["vault"], "unchanged");
        for client in &mut clients {
            client.check(served.url()).await;
        }
        let total = acknowledged.load(Ordering::Relaxed);
        println!(
            "round {round}: killed after {more} more calls and {pause:?}; {total} acknowledged so far"
        );
        // Every other time it is killed idle as well, right after it was looked at.
        if random.random() {
            served.kill();
        } else {
            served.interrupt().ok();
        }
    }
    all_goes_on(&state, clients, acknowledged).await;
}

/// Waits until `more` calls are acknowledged from now on.
async fn wait_for(acknowledged: &AtomicUsize, more: usize) {
    let target = acknowledged.load(Ordering::Relaxed) + more;
    let reached = async {
        while acknowledged.load(Ordering::Relaxed) < target {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(DEADLINE, reached)
        .await
        .expect("the clients get on");
}

/// After all of that every client finishes what it was about, and finds exactly what it made, once.
async fn all_goes_on(state: &Path, clients: Vec<Client>, acknowledged: Arc<AtomicUsize>) {
    let resumed = clients
        .iter()
        .map(|client| client.ledger.lock().unwrap().resumed);
    let resumed: usize = resumed.sum();
    println!("{resumed} uploads went on where they stopped");
    assert!(resumed > 0, "no kill came in the middle of an upload");
    let served = Served::start(state);
    for mut client in clients {
        let vault = connect(served.url(), client.n).await;
        let stop = Arc::new(AtomicBool::new(true));
        let result = client.run(vault.clone(), acknowledged.clone(), stop).await;
        result.unwrap_or_else(|error| panic!("client {}: {error}", client.n));
        client.check(served.url()).await;
        let found = audit(&vault).await;
        let made: Vec<String> = client
            .ledger
            .lock()
            .unwrap()
            .memories
            .keys()
            .cloned()
            .collect();
        let there: Vec<String> = found.memories.keys().cloned().collect();
        assert_eq!(there, made, "client {}", client.n);
        if let Work::Photos = client.work {
            assert_eq!(there.len(), PHOTOS as usize);
            let importer = Importer::open(vault.clone(), client.capsule())
                .await
                .unwrap();
            for photo in fs::read_dir(&client.folder).unwrap() {
                let kept = importer
                    .keep(&photo.unwrap().path(), &NoProgress)
                    .await
                    .unwrap();
                assert_eq!(kept.fate, Fate::AlreadyThere);
                assert!(kept.is_whole());
            }
            assert!(
                audit(&vault).await == found,
                "a run too many changed something"
            );
        }
    }
    served.interrupt().ok();
    keepsake_tests::state::recount(state);
}

/// The checks above are worth something: with a state from before the last acknowledgements they fail.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (state, older) = (folder.path().join("state"), folder.path().join("older"));
    let mut client = Client::new(1, Work::Files, folder.path());
    for _ in 0..2 {
        let served = Served::start(&state);
        client.check(served.url()).await;
        served.interrupt().ok();
        let _ = fs::remove_dir_all(&older);
        copy_folder(&state, &older);
        let served = Served::start(&state);
        let vault = connect(served.url(), client.n).await;
        let stop = Arc::new(AtomicBool::new(true));
        client.run(vault, Arc::default(), stop).await.unwrap();
        served.kill();
    }
    fs::remove_dir_all(&state).unwrap();
    copy_folder(&older, &state);
    let served = Served::start(&state);
    let url = served.url().to_owned();
    let runtime = Handle::current();
    let checked = spawn_blocking(move || runtime.block_on(client.check(&url)));
    assert!(checked.await.unwrap_err().is_panic());
    keepsake_tests::state::recount(&older);
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
