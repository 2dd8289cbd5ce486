//! Which units of stable memory were ever written.
//!
//! A unit that was never written is absent from the database and reads as zeros. Should a page of the database decay so that a unit's key is
//! no longer found, it would read as zeros too; so there is a bit for every unit that was written, kept apart
//! from the units, in records with checksums. A bit is set when a unit comes to be and never cleared. States written before there were bits
//! have none for what they held then.

use super::seal::{self, Place, UNIT_HEADER};
use super::{StoreError, Tables, UNIT_BYTES};
use heed::{AnyTls, RoTxn, RwTxn};
use std::io::Write;

/// Units whose bits are in one record.
pub const BLOCK_UNITS: u64 = UNIT_BYTES as u64 * 8;

/// The bit of a unit in its block.
fn bit(index: u64) -> (usize, u8) {
    // A remainder by BLOCK_UNITS, and so far below any bound of usize.
    let within = (index % BLOCK_UNITS) as usize;
    (within / 8, 1 << (within % 8))
}

impl Tables {
    /// Whether the unit is known to have been written.
    pub(super) fn presence(&self, txn: &RoTxn<'_, AnyTls>, index: u64) -> Result<bool, StoreError> {
        let block = index / BLOCK_UNITS;
        let Some(record) = self.present.get(txn, &block)? else {
            return Ok(false);
        };
        let (bits, _) = seal::open_unit(Place::Presence(block), record)?;
        let (byte, mask) = bit(index);
        Ok(bits[byte] & mask != 0)
    }
}

/// Sets bits, in ascending order of units: a block is read and written once.
pub struct Marker {
    tables: Tables,
    block: Option<(u64, Box<[u8; UNIT_BYTES]>)>,
    changed: bool,
}

impl Marker {
    pub fn new(tables: Tables) -> Marker {
        Marker {
            tables,
            block: None,
            changed: false,
        }
    }

    /// The unit is being written.
    pub fn mark(&mut self, txn: &mut RwTxn<'_>, index: u64) -> Result<(), StoreError> {
        let wanted = index / BLOCK_UNITS;
        let mut bits = match self.block.take() {
            Some((block, bits)) if block == wanted => bits,
            other => {
                self.block = other;
                self.finish(txn)?;
                match self.tables.present.get(txn, &wanted)? {
                    Some(record) => Box::new(*seal::open_unit(Place::Presence(wanted), record)?.0),
                    None => Box::new([0; UNIT_BYTES]),
                }
            }
        };
        let (byte, mask) = bit(index);
        if bits[byte] & mask == 0 {
            bits[byte] |= mask;
            self.changed = true;
        }
        self.block = Some((wanted, bits));
        Ok(())
    }

    /// Writes what has changed.
    pub fn finish(&mut self, txn: &mut RwTxn<'_>) -> Result<(), StoreError> {
        let Some((block, bits)) = self.block.take() else {
            return Ok(());
        };
        if std::mem::take(&mut self.changed) {
            let place = Place::Presence(block);
            self.tables
                .present
                .put_reserved(txn, &block, UNIT_HEADER + UNIT_BYTES, |space| {
                    space.write_all(&seal::unit_header(place, &bits))?;
                    space.write_all(&*bits)
                })?;
        }
        Ok(())
    }
}
