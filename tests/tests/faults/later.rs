//! Work of several messages, ended in any of them: what the messages before did stays, nothing is half done, and who sends the call
//! again, or starts the canister again, gets the whole.

use std::collections::BTreeSet;

use keepsake_client::api::{Error, Memory, PersonRef};
use keepsake_vault::{Vault, limits};

use crate::failing::{Failing, PAGE};
use crate::home::{Home, answer};
use crate::scenarios::entry;
use crate::world::{
    Builder, Effect, FRIEND, NativeVault, OWNER, Scenario, World, finish, inline, internal, person,
};

/// Memories that a call acts on, and inline assets of each besides a blob: several messages' work, however a message's share is measured.
const MEMORIES: usize = 60;
const ASSETS: usize = 2 * limits::FREED_PER_MESSAGE as usize / MEMORIES + 10;

/// Points at which a call of several messages is ended.
const POINTS: u64 = 9;

/// A capsule with [`MEMORIES`] memories; and one that nobody touches, with one memory.
struct Crowd {
    capsule: String,
    memories: Vec<String>,
    untouched: String,
}

fn crowd(b: &mut Builder) -> Crowd {
    let capsule = b.capsule(OWNER, None);
    let mut memories = Vec::with_capacity(MEMORIES);
    for n in 0..MEMORIES {
        let blob = b.fresh_blob(&capsule, 200);
        let small = (0..ASSETS).map(|asset| inline(&[n as u8, asset as u8]));
        let (small, by, key) = (small.collect(), b.by(OWNER), format!("crowd {n}"));
        let memory = b.vault.memories_create_with_assets(
            by,
            &capsule,
            keepsake_tests::content::memory("one of many"),
            vec![internal(&blob)],
            small,
            &key,
        );
        let memory = memory.expect("create");
        if n % 10 == 0 {
            let by = b.by(OWNER);
            let entry = entry("shared", Some(person(FRIEND)));
            b.vault.access_grant(by, &memory, entry).expect("a grant");
        }
        memories.push(memory);
    }
    let other = b.capsule(OWNER, Some(PersonRef::Opaque("somebody".into())));
    let untouched = b.note(&other, 1_000);
    Crowd {
        capsule,
        memories,
        untouched,
    }
}

/// The memory as its owner reads it; `None` where it is not there.
fn read(b: &Builder, vault: &NativeVault, memory: &str) -> Option<Memory> {
    match vault.memories_read(b.by(OWNER), memory) {
        Ok(memory) => Some(memory),
        Err(error) => {
            assert_eq!(Error::from(error), Error::NotFound);
            None
        }
    }
}

/// Ends the call at points over all its messages, each time in a vault of its own. `done` says whether a memory is as the call leaves
/// it, and that it is nothing in between.
async fn end_in_any_message(
    b: &Builder,
    crowd: &Crowd,
    scenario: &Scenario,
    done: impl Fn(Option<&Memory>) -> bool,
) {
    let name = scenario.name();
    let image = b.image();
    let over = || Home::over(&image, |_| {});
    let twin = over().await;
    let whole = twin.run(scenario).await;
    assert_eq!(answer(scenario, &whole), Ok(()));

    let mut seen = BTreeSet::new();
    for point in 1..POINTS {
        let limit = whole.instructions * point / POINTS;
        let home = over().await;
        let cut = home.within(scenario, limit).await;
        let reject = cut.result.expect_err("it has no room to end");
        assert_eq!(reject.error_code.as_deref(), Some("IC0522"), "{name}");
        let vault = home.recounted(&name);
        let mut count = 0;
        for memory in &crowd.memories {
            count += usize::from(done(read(b, &vault, memory).as_ref()));
        }
        seen.insert(count);
        assert!(read(b, &vault, &crowd.untouched).is_some());

        let again = home.run(scenario).await;
        assert_eq!(answer(scenario, &again), Ok(()), "{name}");
        let vault = home.recounted(&name);
        for memory in &crowd.memories {
            assert!(done(read(b, &vault, memory).as_ref()), "{name}: {memory}");
        }
        assert!(read(b, &vault, &crowd.untouched).is_some());
    }
    println!("{name}: {seen:?} of {MEMORIES} done when it was ended");
    assert!(
        seen.len() >= 2,
        "{name}: ended in too few of its messages: {seen:?}"
    );
}

/// Whether the memory is gone; else it is whole.
fn gone(memory: Option<&Memory>) -> bool {
    memory.is_none_or(|memory| {
        assert_eq!(memory.metadata.asset_count as usize, ASSETS + 1);
        false
    })
}

/// Whether the memory has no assets left; else it has all.
fn emptied(memory: Option<&Memory>) -> bool {
    let memory = memory.expect("the memory itself stays");
    let count = memory.metadata.asset_count as usize;
    assert!([0, ASSETS + 1].contains(&count), "{count} assets");
    count == 0
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_several_messages_end_whole_when_sent_again() {
    let mut b = Builder::new();
    let crowd = crowd(&mut b);
    let capsule = crowd.capsule.clone();
    let memories = crowd.memories.clone();
    b.scenario(
        OWNER,
        "memories_delete_all",
        "in several messages",
        (capsule.clone(), true),
        |vault, call, (capsule, with_content)| {
            vault.memories_delete_all_step(call, &capsule, with_content, call.now)
        },
    );
    b.scenario(
        OWNER,
        "memories_delete_bulk",
        "in several messages",
        (capsule, memories.clone(), true),
        |vault, call, (capsule, memories, with_content)| {
            vault.memories_delete_bulk(call, &capsule, &memories, with_content)
        },
    );
    b.scenario(
        OWNER,
        "memories_cleanup_assets_bulk",
        "in several messages",
        (memories,),
        |vault, call, (memories,)| vault.memories_cleanup_assets_bulk(call, memories),
    );
    let [all, bulk, cleanup] = &b.scenarios[..] else {
        panic!("three calls");
    };
    end_in_any_message(&b, &crowd, all, gone).await;
    end_in_any_message(&b, &crowd, bulk, gone).await;
    end_in_any_message(&b, &crowd, cleanup, emptied).await;
}

/// Expired uploads, blobs that nobody wanted, and capsules that were deleted: swept by messages that trap, at every length they may have;
/// the next start finishes the work.
#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_that_traps_is_taken_up_by_the_next_start() {
    let mut b = Builder::new();
    let now = b.now;
    let crowd = crowd(&mut b);
    let kept = b.capsule(OWNER, Some(PersonRef::Opaque("kept".into())));
    b.now = now - limits::SESSION_LIFETIME - 1;
    for _ in 0..limits::SWEPT_PER_MESSAGE + 10 {
        b.fresh_blob(&kept, 200);
        b.session(&kept, 2, &[(1, b"a chunk")]);
    }
    b.now = now;
    let by = b.by(OWNER);
    b.vault
        .capsules_delete(by, &crowd.capsule)
        .expect("the owner may");
    let image = b.image();

    let (mut cut_short, mut limit) = (0, 100_000);
    loop {
        let home = Home::over(&image, |config| config.max_update_instructions = limit).await;
        home.recounted("while the sweep traps");
        let finished = home.due().await == 0;
        cut_short += u32::from(!finished);
        let home = home.reopen(|_| {}).await;
        // It takes as many turns as it takes; that it ends, the test's own end says.
        while home.due().await > 0 {
            home.settle().await;
        }
        let vault = home.recounted("after the next start");
        assert!(read(&b, &vault, &crowd.untouched).is_some());
        let left = |memory: &String| read(&b, &vault, memory).is_some();
        assert!(!crowd.memories.iter().any(left));
        if finished {
            break;
        }
        limit *= 4;
    }
    assert!(
        cut_short >= 3,
        "a sweep was cut short {cut_short} times only"
    );
}

/// A finish that takes several messages is taken up where the last one ended, whoever opens the vault then.
#[test]
fn a_finish_goes_on_after_a_start_in_the_middle() {
    let mut b = Builder::new();
    let capsule = b.capsule(OWNER, None);
    // The first chunk comes last, so that hardly anything is hashed on the way.
    let chunk = b.content(limits::CHUNK_MAX as usize);
    let count = (limits::HASH_PER_FINISH / u64::from(limits::CHUNK_MAX)) as u32 + 5;
    let session = b.session(&capsule, count, &[]);
    for index in (0..count).rev() {
        let put = b
            .vault
            .uploads_put_chunk(b.by(OWNER), session, index, &chunk);
        put.expect("put");
    }
    let whole = chunk.repeat(count as usize);
    let hash = keepsake_tests::content::sha256(&whole);
    let by = b.by(OWNER);
    let step = b
        .vault
        .uploads_finish(by, session, &hash, whole.len() as u64);
    assert!(matches!(step, Ok(keepsake_vault::FinishStep::HashMore)));
    let mut vault = Vault::open(Failing::over(b.image())).expect("it is a vault");
    let blob = finish(&mut vault, b.now, session, &whole).expect("finish");
    vault.recount().expect("counters");
    let read = vault.blob_read_chunk(by, &blob, count - 1).expect("read");
    assert!(read == chunk);
}

/// What each call leaves where it is refused memory, in the canister: as natively, and the host is who refuses.
#[tokio::test(flavor = "multi_thread")]
async fn the_host_refuses_memory_and_the_canister_says_so() {
    let (b, _) = crate::scenarios::furnished(limits::SESSION_LIFETIME);
    let image = b.image();
    let pages = (image.len() / PAGE) as u64;
    let world = World {
        image,
        ..b.world(0)
    };
    let mut refused = BTreeSet::new();
    for more in 0.. {
        let home = Home::over(&world.image, |config| {
            config.max_stable_pages = pages + more
        })
        .await;
        let mut left = 0;
        for scenario in &world.scenarios {
            let before = home.stable();
            match answer(scenario, &home.run(scenario).await) {
                Ok(()) => {}
                Err(Error::ResourceExhausted) => {
                    refused.insert(scenario.method);
                    left += 1;
                    assert!(
                        scenario.effect != Effect::Whole || home.stable() == before,
                        "{}",
                        scenario.name()
                    );
                }
                Err(error) => panic!("{}: {error}", scenario.name()),
            }
        }
        home.recounted("with little room");
        if left == 0 {
            break;
        }
    }
    println!("refused memory: {refused:?}");
    assert!(refused.len() >= 10, "{refused:?}");
}
