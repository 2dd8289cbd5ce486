//! Plays an input: calls one after the other on a copy of the prepared vault, each checked.
//!
//! The first byte says how the rest is read. Even: one call, whose arguments are the rest as it stands. Odd: calls of typed arguments until
//! the bytes end, the last one's message cut, lengthened or changed in a byte where the input says so.

use std::cell::RefCell;

use arbitrary::{Result, Unstructured};
use ic_stable_structures::VectorMemory;
use keepsake_fuzz_heap::peak_of;
use keepsake_vault::{Call, Vault};

use crate::methods::METHODS;
use crate::values;
use crate::world::{DAY, NOW, OPERATOR, World};

/// The most calls of one input.
const MOST_CALLS: usize = 12;

/// What a call may take of the heap at once: so much for each byte of its message, and so much in any case, for what it reads of the vault
/// and replies (the vault's own cap on a list is 100 memories).
const HEAP_PER_BYTE: usize = 64;
const HEAP: usize = 2 << 20;

/// What stable memory is given room for, so that its growth is not taken for the call's own memory.
const ROOM: usize = 64 << 20;

struct Stage {
    world: World,
    memory: VectorMemory,
    texts: usize,
    numbers: usize,
}

thread_local! {
    static STAGE: RefCell<Option<Stage>> = const { RefCell::new(None) };
}

/// Plays one input. Panics where something is wrong.
pub fn play(data: &[u8]) {
    STAGE.with_borrow_mut(|stage| {
        let stage = stage.get_or_insert_with(Stage::new);
        stage.reset();
        // Where the bytes end, the input does.
        let _ = stage.play(data);
    });
}

impl Stage {
    fn new() -> Self {
        let world = World::new();
        let memory = VectorMemory::default();
        memory.borrow_mut().reserve(ROOM);
        let (texts, numbers) = (world.texts.len(), world.numbers.len());
        Self {
            world,
            memory,
            texts,
            numbers,
        }
    }

    fn reset(&mut self) {
        let mut memory = self.memory.borrow_mut();
        memory.clear();
        memory.extend_from_slice(&self.world.image);
        self.world.texts.truncate(self.texts);
        self.world.numbers.truncate(self.numbers);
    }

    fn play(&mut self, data: &[u8]) -> Result<()> {
        let mut u = Unstructured::new(data);
        let mut now = NOW;
        let mut vault = Vault::open(self.memory.clone()).expect("the prepared vault opens");
        let typed = u.arbitrary::<u8>()? & 1 == 1;
        for _ in 0..MOST_CALLS {
            if u.is_empty() {
                break;
            }
            // One more than there are: the timer's step.
            let method = u.arbitrary::<u8>()? as usize % (METHODS.len() + 1);
            let caller = self.world.people[u.arbitrary::<u8>()? as usize % self.world.people.len()];
            let Some(method) = METHODS.get(method) else {
                now += u64::from(u.arbitrary::<u8>()? % 40) * DAY;
                while vault.sweep(now) {}
                self.check(&vault);
                continue;
            };
            let message = if typed {
                let message = values::message(&mut u, &self.world, &(method.types)())?;
                mutated(&mut u, message)?
            } else {
                u.bytes(u.len())?.to_vec()
            };
            let call = Call { caller, now };
            now += 1_000_000_000;
            let before = self.memory.borrow().clone();
            let (answer, peak) = peak_of(|| (method.run)(&mut vault, call, &message));
            let most = HEAP + HEAP_PER_BYTE * message.len();
            assert!(
                peak <= most,
                "{}: {peak} bytes of heap for {} of arguments",
                method.name,
                message.len()
            );
            match answer {
                Some(answer) if answer.refusal.is_none() => {
                    self.check(&vault);
                    values::harvest(&mut self.world, &answer.bytes);
                }
                refused => {
                    let refusal = refused.and_then(|answer| answer.refusal);
                    assert!(
                        before == *self.memory.borrow(),
                        "{}: refused with {refusal:?}, and changed something",
                        method.name
                    );
                }
            }
        }
        Ok(())
    }

    /// What the vault keeps is what counting gives, also for one that opens the same memory.
    fn check(&self, vault: &Vault<VectorMemory>) {
        vault.recount().expect("the counters are right");
        let opened = Vault::open(self.memory.clone()).expect("the vault opens");
        opened
            .recount()
            .expect("the counters are right after an upgrade");
    }
}

/// The message, or nearly the message.
fn mutated(u: &mut Unstructured, mut message: Vec<u8>) -> Result<Vec<u8>> {
    match u.arbitrary::<u8>().unwrap_or(0) {
        255 => message.truncate(u.int_in_range(0..=message.len())?),
        254 => message.extend_from_slice(u.bytes(4.min(u.len()))?),
        250..=253 if !message.is_empty() => {
            let at = u.int_in_range(0..=message.len() - 1)?;
            message[at] = u.arbitrary()?;
        }
        _ => {}
    }
    Ok(message)
}

/// An input of one call that the method carries out, found by trying messages of its types and then `others`; `None` where none was carried
/// out. For the seeds.
pub fn carried_out(method: usize, tries: usize, others: Vec<Vec<u8>>) -> Option<Vec<u8>> {
    let mut stage = Stage::new();
    let types = (METHODS[method].types)();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(method as u64 + 1);
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for number in 0..tries + others.len() {
        let message = match number.checked_sub(tries) {
            Some(other) => others[other].clone(),
            None => {
                let bytes: Vec<u8> = (0..96).flat_map(|_| random().to_le_bytes()).collect();
                match values::message(&mut Unstructured::new(&bytes), &stage.world, &types) {
                    Ok(message) if message.len() < 4_000 => message,
                    _ => continue,
                }
            }
        };
        let caller = match METHODS[method].name {
            "http_token_key_rotate" => stage
                .world
                .people
                .iter()
                .position(|who| *who == *OPERATOR)?,
            _ if number >= tries => 0,
            _ => (random() % 4) as usize,
        };
        let call = Call {
            caller: stage.world.people[caller],
            now: NOW,
        };
        stage.reset();
        let mut vault = Vault::open(stage.memory.clone()).expect("the prepared vault opens");
        let answer = (METHODS[method].run)(&mut vault, call, &message);
        if answer.is_some_and(|answer| answer.refusal.is_none()) {
            return Some([&[0, method as u8, caller as u8], message.as_slice()].concat());
        }
    }
    None
}
