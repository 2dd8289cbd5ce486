//! A vault in which every call has something to do, made natively: its stable memory can be put under the canister, or under
//! the vault itself.

use std::time::{SystemTime, UNIX_EPOCH};

use candid::{Principal, utils::ArgumentEncoder};
use keepsake_client::api::{
    AssetType, ByteBuf, Error, InitArgs, InlineAssetInput, InternalBlobAssetInput, PersonRef,
};
use keepsake_tests::content::{asset, sha256};
use keepsake_vault::{Call, FinishStep, NewMemory, Result, Vault};

use crate::failing::{Failing, PAGE, Refused};

pub type NativeVault = Vault<Failing>;

/// Who owns what there is.
pub const OWNER: &str = "owner";
/// Somebody whom things are shared with.
pub const FRIEND: &str = "friend";
/// Somebody who has nothing yet.
pub const NEWCOMER: &str = "newcomer";

/// Who controls the canister.
pub const OPERATOR: &str = "operator";
/// Somebody whose upload is about to expire: what this person is answered changes by the clock alone.
pub const LATE: &str = "late";

pub fn principal(name: &str) -> Principal {
    Principal::self_authenticating(name)
}

pub fn person(name: &str) -> PersonRef {
    PersonRef::Principal(principal(name))
}

type Native = Box<dyn Fn(&mut NativeVault, Call) -> std::result::Result<(), Error> + Send + Sync>;

/// What a call does where something fails in the middle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// All or nothing.
    Whole,
    /// It acts on several things, each for itself: what was done before a failure stays done.
    Each,
    /// It succeeds; what it has no memory for is done by a later sweep.
    PutOff,
}

/// One call of an update method: as a client sends it, and as the canister passes it on.
pub struct Scenario {
    pub method: &'static str,
    /// What is particular about it.
    pub what: &'static str,
    pub who: &'static str,
    pub arg: Vec<u8>,
    pub effect: Effect,
    native: Native,
}

impl Scenario {
    pub fn run(&self, vault: &mut NativeVault, now: u64) -> std::result::Result<(), Error> {
        let call = Call {
            caller: principal(self.who),
            now,
        };
        (self.native)(vault, call)
    }

    pub fn name(&self) -> String {
        format!("{} ({})", self.method, self.what)
    }
}

/// A query that shows some of what there is.
pub struct Probe {
    pub method: &'static str,
    pub who: &'static str,
    pub arg: Vec<u8>,
}

/// A vault, the calls that have something to do in it, and the queries that show all of it.
pub struct World {
    /// Its stable memory, in whole pages.
    pub image: Vec<u8>,
    /// When every session that is to expire has expired, nanoseconds since 1970 UTC by the machine's clock; 0 where none is.
    pub expired_at: u64,
    pub scenarios: Vec<Scenario>,
    pub probes: Vec<Probe>,
}

/// Makes a world.
pub struct Builder {
    pub vault: NativeVault,
    memory: Failing,
    pub now: u64,
    pub scenarios: Vec<Scenario>,
    pub probes: Vec<Probe>,
    serial: u64,
}

/// Room for inline content: enough that nothing here meets its end by it.
const INLINE_BUDGET: u32 = 8 << 20;

/// Room for all content of a capsule, so much that nothing meets its end: where there is a bound, chunks change a counter more.
const CAPSULE_BYTES: u64 = 1 << 40;

impl Builder {
    /// An empty vault with a seed, as after installation.
    pub fn new() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = since.expect("the clock is set").as_nanos() as u64;
        let memory = Failing::over(Vec::new());
        let mut vault = Vault::open(memory.clone()).expect("an empty memory");
        vault.set_seed([7; 32]);
        vault.configure(&InitArgs {
            inline_budget_per_capsule: Some(INLINE_BUDGET),
            bytes_per_capsule: Some(CAPSULE_BYTES),
            ..InitArgs::default()
        });
        Self {
            vault,
            memory,
            now,
            scenarios: Vec::new(),
            probes: Vec::new(),
            serial: 0,
        }
    }

    pub fn by(&self, who: &str) -> Call {
        Call {
            caller: principal(who),
            now: self.now,
        }
    }

    /// Content of `len` bytes that nothing else has.
    pub fn content(&mut self, len: usize) -> Vec<u8> {
        self.serial += 1;
        keepsake_tests::content::noise(self.serial, len)
    }

    fn key(&mut self) -> String {
        self.serial += 1;
        format!("key {}", self.serial)
    }

    pub fn capsule(&mut self, owner: &str, subject: Option<PersonRef>) -> String {
        let created = self.vault.capsules_create(self.by(owner), subject);
        created.expect("anybody may have a capsule").id
    }

    /// An open session of as many chunks; these of them are there.
    pub fn session(&mut self, capsule: &str, chunks: u32, there: &[(u32, &[u8])]) -> u64 {
        self.session_of(OWNER, capsule, chunks, there)
    }

    pub fn session_of(
        &mut self,
        who: &str,
        capsule: &str,
        chunks: u32,
        there: &[(u32, &[u8])],
    ) -> u64 {
        let key = self.key();
        let by = self.by(who);
        let session = self.vault.uploads_begin(by, capsule, chunks, &key);
        let session = session.expect("begin");
        for (index, bytes) in there {
            let put = self.vault.uploads_put_chunk(by, session, *index, bytes);
            put.expect("put");
        }
        session
    }

    /// A finished upload of two chunks: the blob's id.
    pub fn blob(&mut self, capsule: &str, bytes: &[u8]) -> String {
        let (first, second) = bytes.split_at(bytes.len() / 2);
        let session = self.session(capsule, 2, &[(1, second), (0, first)]);
        finish(&mut self.vault, self.now, session, bytes).expect("finish")
    }

    pub fn fresh_blob(&mut self, capsule: &str, len: usize) -> String {
        let bytes = self.content(len);
        self.blob(capsule, &bytes)
    }

    pub fn create(&mut self, new: NewMemory) -> String {
        let created = self.vault.memories_create(self.by(OWNER), new);
        created.expect("create")
    }

    /// A memory of fresh inline content.
    pub fn note(&mut self, capsule: &str, len: usize) -> String {
        let bytes = self.content(len);
        let key = self.key();
        self.create(NewMemory {
            inline: Some(bytes.into()),
            ..nothing(capsule, &key)
        })
    }

    /// A memory of external content.
    pub fn elsewhere(&mut self, capsule: &str, storage_key: &str) -> String {
        let key = self.key();
        self.create(external(capsule, storage_key, &key))
    }

    pub fn add_blob(&mut self, memory: &str, blob: &str) -> String {
        let key = self.key();
        let by = self.by(OWNER);
        let added = self
            .vault
            .memories_add_asset(by, memory, internal(blob), &key);
        added.expect("add")
    }

    pub fn add_inline(&mut self, memory: &str, len: usize) -> String {
        let input = inline(&self.content(len));
        let key = self.key();
        let by = self.by(OWNER);
        let added = self
            .vault
            .memories_add_inline_asset(by, memory, input, &key);
        added.expect("add")
    }

    /// Adds a call, with its arguments as the wire has them and as the vault takes them.
    pub fn scenario<A, T>(
        &mut self,
        who: &'static str,
        method: &'static str,
        what: &'static str,
        args: A,
        native: impl Fn(&mut NativeVault, Call, A) -> Result<T> + Send + Sync + 'static,
    ) where
        A: ArgumentEncoder + Clone + Send + Sync + 'static,
    {
        let arg = candid::encode_args(args.clone()).expect("it is Candid");
        let native: Native = Box::new(move |vault, call| {
            let answer = native(vault, call, args.clone());
            answer.map(drop).map_err(Error::from)
        });
        self.scenarios.push(Scenario {
            method,
            what,
            who,
            arg,
            effect: Effect::Whole,
            native,
        });
    }

    /// What the call added last cannot do at once is done later.
    pub fn which_is_put_off(&mut self) {
        let last = self.scenarios.last_mut();
        last.expect("one was added").effect = Effect::PutOff;
    }

    /// Adds a call that acts on several things, each for itself; `failed` is what became of the first that failed.
    pub fn bulk_scenario<A, T>(
        &mut self,
        method: &'static str,
        what: &'static str,
        args: A,
        native: impl Fn(&mut NativeVault, Call, A) -> Result<T> + Send + Sync + 'static,
        failed: impl Fn(T) -> Option<Error> + Send + Sync + 'static,
    ) where
        A: ArgumentEncoder + Clone + Send + Sync + 'static,
    {
        let arg = candid::encode_args(args.clone()).expect("it is Candid");
        let native: Native = Box::new(move |vault, call| {
            let done = native(vault, call, args.clone()).map_err(Error::from)?;
            failed(done).map_or(Ok(()), Err)
        });
        self.scenarios.push(Scenario {
            method,
            what,
            who: OWNER,
            arg,
            effect: Effect::Each,
            native,
        });
    }

    pub fn probe(&mut self, who: &'static str, method: &'static str, args: impl ArgumentEncoder) {
        let arg = candid::encode_args(args).expect("it is Candid");
        self.probes.push(Probe { method, who, arg });
    }

    /// Adds one of most kinds of things.
    pub fn fuller(&mut self, capsule: &str, n: usize) {
        let memory = self.note(capsule, 300);
        let blob = self.fresh_blob(capsule, 400);
        self.add_blob(&memory, &blob);
        self.fresh_blob(capsule, 200);
        self.elsewhere(capsule, &format!("filler/{n}"));
        let some = self.content(50);
        self.session(capsule, 2, &[(1, &some)]);
        let other = PersonRef::Opaque(format!("subject {n}"));
        self.capsule(OWNER, Some(other.clone()));
        let by = self.by(OWNER);
        let (id, members) = (format!("group {n}"), vec![other.clone()]);
        let put = self
            .vault
            .connection_group_put(by, capsule, &id, "Name", None, members);
        put.expect("a group");
        let entry = crate::scenarios::entry("filler", Some(other));
        self.vault
            .access_grant(by, &memory, entry)
            .expect("a grant");
        let event = keepsake_client::api::AccessEvent::Custom(id);
        self.vault
            .capsule_event_record(by, capsule, &event)
            .expect("an event");
    }

    /// What is in stable memory, without what is reserved and not used yet.
    pub fn image(&self) -> Vec<u8> {
        let mut image = self.memory.content();
        let used = self.vault.stable_bytes_used() as usize;
        let (_, beyond) = image.split_at(used);
        assert!(beyond.iter().all(|byte| *byte == 0));
        image.truncate(used.next_multiple_of(PAGE));
        image
    }

    /// Refuses the vault any more memory and fills what it has, with content and then with records, until nothing goes in.
    pub fn fill(&mut self) {
        self.memory.refuse(Refused::From(1));
        let capsule = self.capsule(OWNER, Some(PersonRef::Opaque("what fills it".into())));
        for len in [30_000, 3_000, 300, 3] {
            loop {
                let bytes = self.content(len);
                let key = self.key();
                let new = NewMemory {
                    inline: Some(bytes.into()),
                    ..nothing(&capsule, &key)
                };
                match self.vault.memories_create(self.by(OWNER), new) {
                    Ok(_) => {}
                    Err(error) => {
                        assert_eq!(Error::from(error), Error::ResourceExhausted);
                        break;
                    }
                }
            }
        }
    }

    pub fn world(self, expired_at: u64) -> World {
        self.vault.recount().expect("counters");
        World {
            // Nothing trimmed: what was refused stays refused.
            image: self.memory.content(),
            expired_at,
            scenarios: self.scenarios,
            probes: self.probes,
        }
    }
}

/// Finishes an upload with the hash and length of this content; the blob's id.
pub fn finish(vault: &mut NativeVault, now: u64, session: u64, bytes: &[u8]) -> Result<String> {
    let call = Call {
        caller: principal(OWNER),
        now,
    };
    let (hash, len) = (sha256(bytes), bytes.len() as u64);
    loop {
        match vault.uploads_finish(call, session, &hash, len)? {
            FinishStep::Done(finished) => return Ok(finished.blob_id),
            FinishStep::HashMore => {}
        }
    }
}

pub fn nothing(capsule: &str, idem: &str) -> NewMemory {
    NewMemory {
        capsule: capsule.into(),
        inline: None,
        blob: None,
        location: None,
        storage_key: None,
        url: None,
        size: None,
        sha256: None,
        metadata: asset("asset", AssetType::Original),
        idem: idem.into(),
    }
}

pub fn external(capsule: &str, storage_key: &str, idem: &str) -> NewMemory {
    NewMemory {
        location: Some(keepsake_client::api::BlobHosting::S3),
        storage_key: Some(storage_key.into()),
        size: Some(10),
        ..nothing(capsule, idem)
    }
}

pub fn inline(bytes: &[u8]) -> InlineAssetInput {
    InlineAssetInput {
        bytes: ByteBuf::from(bytes),
        metadata: asset("inline", AssetType::Placeholder),
    }
}

pub fn internal(blob: &str) -> InternalBlobAssetInput {
    InternalBlobAssetInput {
        blob_id: blob.into(),
        metadata: asset("internal", AssetType::Display),
    }
}
