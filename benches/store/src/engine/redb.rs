//! redb. A value lies inside a leaf page, and pages are powers of two, so a value must leave room for the leaf's header:
//! 4096·2^k − 64 bytes is safe; 4096·2^k itself would take twice its size.

use super::{CACHE_BYTES, Engine, Last, Reader};
use anyhow::{Context, Result};
use redb::{Database, Durability, ReadableDatabase, TableDefinition};
use std::ops::Range;
use std::path::Path;

const UNITS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("units");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const LAST: &str = "last";

pub struct Redb {
    db: Database,
    quick_repair: bool,
}

impl Redb {
    pub fn open(dir: &Path, quick_repair: bool) -> Result<Self> {
        let db = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create(dir.join("store.redb"))?;
        let txn = db.begin_write()?;
        txn.open_table(UNITS)?;
        txn.open_table(META)?;
        txn.commit()?;
        Ok(Self { db, quick_repair })
    }
}

impl Engine for Redb {
    fn commit(&mut self, seq: u64, units: &[u64], unit: &[u8]) -> Result<()> {
        let mut txn = self.db.begin_write()?;
        txn.set_durability(Durability::Immediate)?;
        txn.set_quick_repair(self.quick_repair);
        {
            let mut table = txn.open_table(UNITS)?;
            for number in units {
                table.insert(number, unit)?;
            }
            txn.open_table(META)?
                .insert(LAST, Last::encode(seq, units).as_slice())?;
        }
        Ok(txn.commit()?)
    }

    fn last(&self) -> Result<Option<Last>> {
        let table = self.db.begin_read()?.open_table(META)?;
        let last = table.get_owned(LAST)?;
        last.map(|value| Last::decode(value.value())).transpose()
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(Snapshot(self)))
    }
}

struct Snapshot<'a>(&'a Redb);

impl Reader for Snapshot<'_> {
    fn read(
        &mut self,
        units: &[u64],
        range: Range<usize>,
        see: &mut dyn FnMut(&[u8]),
    ) -> Result<()> {
        let table = self.0.db.begin_read()?.open_table(UNITS)?;
        for number in units {
            let value = table.get_owned(number)?.context("unit missing")?;
            see(&value.value()[range.clone()]);
        }
        Ok(())
    }
}
