//! The only code that touches upload sessions in stable memory.

use ic_stable_structures::{BTreeMap, Memory};

use super::record::SessionRecord;
use crate::access::PersonKey;
use crate::ids::{CapsuleId, SessionId};
use crate::regions::{self, RegionId};
use crate::stable::{Key, Record, Region, RegionManager};

pub struct SessionStore<M: Memory> {
    sessions: BTreeMap<Key<8>, Record<SessionRecord>, Region<M>>,
    by_idem: BTreeMap<Key<16>, Key<8>, Region<M>>,
    open: BTreeMap<Key<16>, Key<4>, Region<M>>,
    deadlines: BTreeMap<Key<16>, Key<0>, Region<M>>,
    by_creator: BTreeMap<Key<24>, Key<0>, Region<M>>,
    by_capsule: BTreeMap<Key<16>, Key<0>, Region<M>>,
}

fn session_key(session: SessionId) -> Key<8> {
    Key(session.0.to_be_bytes())
}

fn creator_key(creator: PersonKey, session: SessionId) -> Key<24> {
    Key::of(&[&creator.0, &session.0.to_be_bytes()])
}

fn of_capsule_key(capsule: CapsuleId, session: SessionId) -> Key<16> {
    Key::of(&[&capsule.0.to_be_bytes(), &session.0.to_be_bytes()])
}

fn deadline_key(at: u64, session: SessionId) -> Key<16> {
    Key::of(&[&at.to_be_bytes(), &session.0.to_be_bytes()])
}

/// A bound on the length of a stored [`SessionRecord`], in bytes.
const RECORD_BOUND: usize = 320;

impl<M: Memory> SessionStore<M> {
    pub fn open(manager: &RegionManager<M>) -> Self {
        Self {
            sessions: BTreeMap::init(manager.tree_region(regions::SESSIONS)),
            by_idem: BTreeMap::init(manager.tree_region(regions::SESSION_BY_IDEM)),
            open: BTreeMap::init(manager.tree_region(regions::OPEN_SESSIONS)),
            deadlines: BTreeMap::init(manager.tree_region(regions::SESSION_DEADLINES)),
            by_creator: BTreeMap::init(manager.tree_region(regions::SESSIONS_BY_CREATOR)),
            by_capsule: BTreeMap::init(manager.tree_region(regions::SESSIONS_BY_CAPSULE)),
        }
    }

    /// What one change of a session needs.
    pub fn needs() -> Vec<(RegionId, u64)> {
        vec![
            (regions::SESSIONS, crate::tree_need(1, RECORD_BOUND)),
            (regions::SESSION_BY_IDEM, crate::tree_need(1, 0)),
            (regions::OPEN_SESSIONS, crate::tree_need(1, 0)),
            (regions::SESSION_DEADLINES, crate::tree_need(2, 0)),
            (regions::SESSIONS_BY_CREATOR, crate::tree_need(1, 0)),
            (regions::SESSIONS_BY_CAPSULE, crate::tree_need(1, 0)),
        ]
    }

    pub fn is_free(&self, number: u64) -> bool {
        !self.sessions.contains_key(&session_key(SessionId(number)))
    }

    pub fn get(&self, session: SessionId) -> Option<SessionRecord> {
        self.sessions
            .get(&session_key(session))
            .map(|record| record.decode())
    }

    pub fn set(&mut self, session: SessionId, record: &SessionRecord) {
        self.sessions
            .insert(session_key(session), Record::encode(record));
    }

    /// The open session that the idempotency key names.
    pub fn by_idem(&self, key: [u8; 16]) -> Option<SessionId> {
        self.by_idem
            .get(&Key(key))
            .map(|session| SessionId(session.number(0)))
    }

    /// How many sessions the owner (a caller in a capsule) has open.
    pub fn open_count(&self, owner: [u8; 16]) -> u32 {
        self.open
            .get(&Key(owner))
            .map_or(0, |count| u32::from_be_bytes(count.0))
    }

    /// Notes that a session was opened.
    pub fn opened(&mut self, session: SessionId, idem_key: [u8; 16], owner: [u8; 16]) {
        self.by_idem.insert(Key(idem_key), session_key(session));
        let count = self.open_count(owner) + 1;
        self.open.insert(Key(owner), Key(count.to_be_bytes()));
    }

    /// Notes that an open session is open no longer.
    pub fn closed(&mut self, idem_key: [u8; 16], owner: [u8; 16]) {
        self.by_idem.remove(&Key(idem_key));
        match self.open_count(owner) {
            0 | 1 => {
                self.open.remove(&Key(owner));
            }
            count => {
                self.open.insert(Key(owner), Key((count - 1).to_be_bytes()));
            }
        }
    }

    /// Sets when to look at the session, `at` in nanoseconds.
    pub fn set_deadline(&mut self, session: SessionId, at: u64) {
        self.deadlines.insert(deadline_key(at, session), Key([]));
    }

    pub fn remove_deadline(&mut self, session: SessionId, at: u64) {
        self.deadlines.remove(&deadline_key(at, session));
    }

    /// The sessions to look at by `now`, earliest first, each with its deadline.
    pub fn due(&self, now: u64) -> impl Iterator<Item = (u64, SessionId)> + '_ {
        self.deadlines
            .keys_range(..=deadline_key(now, SessionId(u64::MAX)))
            .map(|key| (key.number(0), SessionId(key.number(8))))
    }

    /// Adds a session with its creator and deadline.
    pub fn insert(&mut self, session: SessionId, record: &SessionRecord) {
        self.set(session, record);
        self.set_deadline(session, record.deadline);
        self.by_creator
            .insert(creator_key(record.creator_key(), session), Key([]));
        self.by_capsule
            .insert(of_capsule_key(record.capsule(), session), Key([]));
    }

    /// Removes a session with its creator and deadline.
    pub fn remove(&mut self, session: SessionId, record: &SessionRecord) {
        self.sessions.remove(&session_key(session));
        self.remove_deadline(session, record.deadline);
        self.by_creator
            .remove(&creator_key(record.creator_key(), session));
        self.by_capsule
            .remove(&of_capsule_key(record.capsule(), session));
    }

    /// The capsule's sessions, by number.
    pub fn of_capsule(&self, capsule: CapsuleId) -> impl Iterator<Item = SessionId> + '_ {
        self.by_capsule
            .keys_range(
                of_capsule_key(capsule, SessionId(0))
                    ..=of_capsule_key(capsule, SessionId(u64::MAX)),
            )
            .map(|key| SessionId(key.number(8)))
    }

    /// The sessions that the person opened, by number.
    pub fn of_creator(&self, person: PersonKey) -> impl Iterator<Item = SessionId> + '_ {
        self.by_creator
            .keys_range(
                creator_key(person, SessionId(0))..=creator_key(person, SessionId(u64::MAX)),
            )
            .map(|key| SessionId(key.number(16)))
    }

    /// How many sessions there are, ended ones too.
    pub fn len(&self) -> u64 {
        self.sessions.len()
    }

    /// How many sessions are open.
    pub fn open_len(&self) -> u64 {
        self.by_idem.len()
    }

    /// How many sessions have a deadline, a creator, and a capsule, for recounting in tests.
    #[cfg(any(test, feature = "recount"))]
    pub fn index_lengths(&self) -> [u64; 3] {
        [
            self.deadlines.len(),
            self.by_creator.len(),
            self.by_capsule.len(),
        ]
    }

    /// Every session, for recounting in tests.
    #[cfg(any(test, feature = "recount"))]
    pub fn all(&self) -> Vec<(SessionId, SessionRecord)> {
        self.sessions
            .iter()
            .map(|entry| (SessionId(entry.key().number(0)), entry.value().decode()))
            .collect()
    }

    /// Entries of the idempotency index and the sum of the counts of open sessions, for recounting in tests.
    #[cfg(any(test, feature = "recount"))]
    pub fn open_totals(&self) -> (u64, u64) {
        let counted = self
            .open
            .iter()
            .map(|entry| u64::from(u32::from_be_bytes(entry.value().0)))
            .sum();
        (self.by_idem.len(), counted)
    }
}
