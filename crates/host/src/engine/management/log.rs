//! The canister's log: what it prints and how it traps, as `fetch_canister_logs` tells it (specification, "Canister logs").
//!
//! It is in memory and begins anew with every start of the host, whose own log has all of it too.

use super::super::wall_clock;
use crate::message::Reject;
use ic_management_canister_types::{
    CanisterLogFilter, CanisterLogRecord, FetchCanisterLogsArgs, FetchCanisterLogsResult,
};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Bytes kept; the oldest records go first.
const MAX_BYTES: usize = 4 * 1024;

#[derive(Default)]
struct Records {
    next: u64,
    bytes: usize,
    records: VecDeque<CanisterLogRecord>,
}

/// The canister's log.
#[derive(Default)]
pub struct CanisterLog {
    records: Mutex<Records>,
}

impl CanisterLog {
    /// Takes down what a message has printed.
    pub fn add(&self, lines: impl IntoIterator<Item = Vec<u8>>) {
        let mut log = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        for mut content in lines {
            content.truncate(MAX_BYTES);
            log.bytes += content.len();
            let idx = log.next;
            log.next += 1;
            log.records.push_back(CanisterLogRecord {
                idx,
                timestamp_nanos: wall_clock(),
                content,
            });
            while log.bytes > MAX_BYTES
                && let Some(oldest) = log.records.pop_front()
            {
                log.bytes -= oldest.content.len();
            }
        }
    }

    /// Forgets everything, as a reinstallation does.
    pub fn clear(&self) {
        let mut log = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        log.records.clear();
        log.bytes = 0;
    }

    /// Answers `fetch_canister_logs`.
    pub fn fetch(&self, args: &FetchCanisterLogsArgs) -> Result<Vec<u8>, Reject> {
        let log = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = |record: &&CanisterLogRecord| match args.filter {
            None => true,
            Some(CanisterLogFilter::ByIdx { start, end }) => (start..end).contains(&record.idx),
            Some(CanisterLogFilter::ByTimestampNanos { start, end }) => {
                (start..end).contains(&record.timestamp_nanos)
            }
        };
        let canister_log_records = log.records.iter().filter(wanted).cloned().collect();
        drop(log);
        super::encode(&FetchCanisterLogsResult {
            canister_log_records,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_records_go_first() {
        let log = CanisterLog::default();
        log.add((0..10u8).map(|n| vec![n; 1000]));
        let args = FetchCanisterLogsArgs {
            canister_id: candid::Principal::anonymous(),
            filter: Some(CanisterLogFilter::ByIdx { start: 0, end: 9 }),
        };
        let reply = log.fetch(&args).unwrap();
        let read: FetchCanisterLogsResult = candid::decode_one(&reply).unwrap();
        let indices: Vec<u64> = read.canister_log_records.iter().map(|r| r.idx).collect();
        assert_eq!(indices, [6, 7, 8]);
        log.clear();
        let reply = log
            .fetch(&FetchCanisterLogsArgs {
                filter: None,
                ..args
            })
            .unwrap();
        let read: FetchCanisterLogsResult = candid::decode_one(&reply).unwrap();
        assert!(read.canister_log_records.is_empty());
    }
}
