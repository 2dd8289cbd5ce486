//! LMDB through heed. Values above half a page lie in runs of overflow pages behind one 16-byte header, so a value of
//! 4096·k − 16 bytes fills its pages exactly.

use super::{Engine, Last, Reader};
use anyhow::{Context, Result};
use heed::byteorder::BigEndian;
use heed::types::{Bytes, U64};
use heed::{CommitOrAbort, Database, Env, EnvOpenOptions, WithoutTls};
use std::ops::Range;
use std::path::Path;

const MAP_BYTES: usize = 64 << 30;
const LAST: &[u8] = b"last";

pub struct Lmdb {
    env: Env<WithoutTls>,
    units: Database<'static, U64<BigEndian>, Bytes>,
    meta: Database<'static, Bytes, Bytes>,
}

impl Lmdb {
    pub fn open(dir: &Path) -> Result<Self> {
        let mut options = EnvOpenOptions::new().read_txn_without_tls();
        options.map_size(MAP_BYTES).max_dbs(2);
        // SAFETY: the bench owns the folder; nothing else maps or changes its files while the environment is open.
        let env = unsafe { options.open(dir)? };
        let opened = env.create_databases_and_commit(env.write_txn()?, |open, txn| {
            let units = open.create_database(txn, Some("units"))?;
            let meta = open.create_database(txn, Some("meta"))?;
            heed::Result::Ok(CommitOrAbort::<_, ()>::Commit((units, meta)))
        })?;
        let (units, meta) = opened
            .commit()
            .context("opening the databases was not committed")?;
        Ok(Self { env, units, meta })
    }
}

impl Engine for Lmdb {
    fn commit(&mut self, seq: u64, units: &[u64], unit: &[u8]) -> Result<()> {
        let mut txn = self.env.write_txn()?;
        for number in units {
            self.units.put(&mut txn, number, unit)?;
        }
        self.meta.put(&mut txn, LAST, &Last::encode(seq, units))?;
        Ok(txn.commit()?)
    }

    fn last(&self) -> Result<Option<Last>> {
        let txn = self.env.read_txn()?;
        self.meta.get(&txn, LAST)?.map(Last::decode).transpose()
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(Snapshot(self)))
    }
}

struct Snapshot<'a>(&'a Lmdb);

impl Reader for Snapshot<'_> {
    fn read(
        &mut self,
        units: &[u64],
        range: Range<usize>,
        see: &mut dyn FnMut(&[u8]),
    ) -> Result<()> {
        let txn = self.0.env.read_txn()?;
        for number in units {
            let bytes = self.0.units.get(&txn, number)?.context("unit missing")?;
            see(&bytes[range.clone()]);
        }
        Ok(())
    }
}
