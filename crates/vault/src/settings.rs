//! The vault's own record: layout version, secret seed, the counter behind new ids, and what the installer set (I8: an unknown
//! layout version is refused).

use ic_stable_structures::{Cell, Memory};
use keepsake_api::InitArgs;
use minicbor::{Decode, Encode};

use crate::error::{Error, Result};
use crate::hash::{Sha256Digest, sha256_of_fields};
use crate::limits;
use crate::maintenance::{BACKFILLED, Cursor};
use crate::stable::{Record, Region};
use crate::token::TokenKey;

/// Version of the stored records taken together. It rises only when an older build could not read them.
pub const LAYOUT_VERSION: u32 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Settings {
    #[n(0)]
    pub layout_version: u32,
    /// From `raw_rand`; every secret of the vault is derived from it.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub seed: Option<[u8; 32]>,
    /// How many numbers were drawn for ids.
    #[n(2)]
    pub drawn: u64,
    /// Bytes of inline content a capsule may hold.
    #[n(3)]
    pub inline_budget: u32,
    /// Bytes of blobs and inline assets a capsule may hold.
    #[n(4)]
    pub capsule_bytes: Option<u64>,
    #[n(5)]
    pub capsule_memories: Option<u64>,
    #[n(6)]
    pub open_sessions: Option<u32>,
    /// Number of the key that access tokens are made with; none was replaced yet where it is missing.
    #[n(7)]
    pub token_key: Option<u32>,
    #[n(8)]
    pub cycles_reserve_days: Option<u32>,
    /// How many of the indexes that came after the first build are full; missing: none.
    #[n(9)]
    pub backfilled: Option<u32>,
    /// How far the next one is filled.
    #[cbor(n(10), with = "minicbor::bytes")]
    pub backfill_at: Option<Cursor>,
}

impl Settings {
    /// Most sessions that a caller may have open in one capsule.
    pub fn open_sessions(&self) -> u32 {
        self.open_sessions.unwrap_or(limits::OPEN_SESSIONS_MAX)
    }

    /// Days at rest that must be paid for before new content is taken.
    pub fn cycles_reserve_days(&self) -> u32 {
        self.cycles_reserve_days
            .unwrap_or(limits::CYCLES_RESERVE_DAYS_DEFAULT)
    }

    /// Number of the key that access tokens are made with.
    pub fn token_key(&self) -> u32 {
        self.token_key.unwrap_or(0)
    }
}

pub struct SettingsStore<M: Memory> {
    cell: Cell<Record<Settings>, Region<M>>,
    current: Settings,
}

impl<M: Memory> SettingsStore<M> {
    /// Reads the record, or writes the first one.
    ///
    /// # Errors
    /// The version found, where this build does not know it.
    pub fn open(region: Region<M>) -> std::result::Result<Self, u32> {
        let first = Settings {
            layout_version: LAYOUT_VERSION,
            seed: None,
            drawn: 0,
            inline_budget: limits::INLINE_BUDGET_DEFAULT,
            capsule_bytes: None,
            capsule_memories: None,
            open_sessions: None,
            token_key: None,
            cycles_reserve_days: None,
            backfilled: Some(BACKFILLED),
            backfill_at: None,
        };
        let cell = Cell::init(region, Record::encode(&first));
        let current = cell.get().decode();
        if current.layout_version != LAYOUT_VERSION {
            return Err(current.layout_version);
        }
        Ok(Self { cell, current })
    }

    pub fn get(&self) -> &Settings {
        &self.current
    }

    fn set(&mut self, settings: Settings) {
        self.cell.set(Record::encode(&settings));
        self.current = settings;
    }

    pub fn configure(&mut self, args: &InitArgs) {
        let mut settings = self.current.clone();
        if let Some(budget) = args.inline_budget_per_capsule {
            settings.inline_budget = budget;
        }
        settings.capsule_bytes = args.bytes_per_capsule.or(settings.capsule_bytes);
        settings.capsule_memories = args.memories_per_capsule.or(settings.capsule_memories);
        settings.open_sessions = args.open_sessions.or(settings.open_sessions);
        settings.cycles_reserve_days = args.cycles_reserve_days.or(settings.cycles_reserve_days);
        self.set(settings);
    }

    pub fn set_seed(&mut self, seed: [u8; 32]) {
        self.set(Settings {
            seed: Some(seed),
            ..self.current.clone()
        });
    }

    /// How many of the indexes that came after the first build are full, and how far the next one is.
    pub fn backfill(&self) -> (u32, Option<Cursor>) {
        (
            self.current.backfilled.unwrap_or(0),
            self.current.backfill_at,
        )
    }

    pub fn set_backfill(&mut self, full: u32, at: Option<Cursor>) {
        self.set(Settings {
            backfilled: Some(full),
            backfill_at: at,
            ..self.current.clone()
        });
    }

    pub fn set_token_key(&mut self, number: u32) {
        self.set(Settings {
            token_key: Some(number),
            ..self.current.clone()
        });
    }

    /// A secret for one purpose, the same at every call.
    ///
    /// # Errors
    /// [`Error::NoSeed`] before the seed was set.
    pub fn secret(&self, purpose: &str) -> Result<Sha256Digest> {
        let seed = self.current.seed.ok_or(Error::NoSeed)?;
        Ok(sha256_of_fields("secret", &[&seed, purpose.as_bytes()]))
    }

    /// The key that access tokens are made with now: another one for each number.
    ///
    /// # Errors
    /// [`Error::NoSeed`] before the seed was set.
    pub fn token_maker(&self) -> Result<TokenKey> {
        let secret = match self.current.token_key() {
            0 => self.secret("http token"),
            number => self.secret(&format!("http token {number}")),
        };
        Ok(TokenKey::new(secret?))
    }

    /// Draws a number that cannot be told from a random one, and for which `is_free` holds.
    ///
    /// # Errors
    /// [`Error::NoSeed`] before the seed was set; nothing was drawn then.
    pub fn draw(&mut self, purpose: &str, is_free: impl Fn(u64) -> bool) -> Result<u64> {
        let secret = self.secret(purpose)?;
        let mut drawn = self.current.drawn;
        loop {
            drawn += 1;
            let digest = sha256_of_fields("number", &[&secret, &drawn.to_be_bytes()]);
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&digest[..8]);
            let number = u64::from_be_bytes(bytes);
            if is_free(number) {
                self.set(Settings {
                    drawn,
                    ..self.current.clone()
                });
                return Ok(number);
            }
        }
    }
}
