//! Checksums of everything the host keeps in the database, so that what a disk gives back changed is never served (DESIGN §6).
//!
//! A checksum is XXH3 over the content, seeded with what kind of record it is and where it belongs: a record that is whole but stands
//! in another's place is found too. It detects decay, not intent: whoever can write the file can also write a checksum.
//!
//! | record          | layout                                                              |
//! | --------------- | ------------------------------------------------------------------- |
//! | unit, presence  | version (1 byte), checksum (7 bytes), [`UNIT_BYTES`] of data        |
//! | all others      | version (1 byte), checksum (8 bytes), the encoded record            |
//!
//! Version 1 of both is what was written before there were checksums, and stays readable: a unit of version 1 has seven zeros where
//! the checksum is now, other records go on with their content after the version.

use super::{StoreError, UNIT_BYTES};
use twox_hash::XxHash3_64;

/// Written before there were checksums.
const UNCHECKED: u8 = 1;

/// With a checksum.
const CHECKED: u8 = 2;

/// Bytes before the data of a stored unit: version and checksum.
pub const UNIT_HEADER: usize = 8;

/// Bytes before the content of any other record: version and checksum.
const RECORD_HEADER: usize = 9;

/// The bits of a checksum that fit into a unit's header.
const UNIT_CHECKSUM: u64 = (1 << 56) - 1;

/// What a record is, and where it belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A unit of stable memory, by index.
    Unit(u64),
    /// Which units of a block there are, by the block's index.
    Presence(u64),
    /// One of the named records; the first eight bytes of its name.
    Named(u64),
    /// A request, by the first eight bytes of its id, which is a hash.
    Request(u64),
}

impl Place {
    /// The place of the record with this name in the table `meta`.
    pub fn named(name: &str) -> Place {
        Place::Named(prefix(name.as_bytes()))
    }

    /// The place of a request's record.
    pub fn request(id: &[u8]) -> Place {
        Place::Request(prefix(id))
    }

    /// Every kind of record has seeds of its own: indices need far fewer than 61 bits, and names and ids lose three of theirs.
    fn seed(self) -> u64 {
        let (kind, place) = match self {
            Place::Unit(index) => (1, index),
            Place::Presence(index) => (2, index),
            Place::Named(name) => (3, name),
            Place::Request(id) => (4, id),
        };
        (kind << 61) | (place & ((1 << 61) - 1))
    }

    fn checksum(self, content: &[u8]) -> u64 {
        XxHash3_64::oneshot_with_seed(self.seed(), content)
    }

    fn damaged(self) -> StoreError {
        StoreError::Damaged(match self {
            Place::Unit(index) => format!("unit {index} of stable memory"),
            Place::Presence(index) => format!("the list of stable memory's units, block {index}"),
            Place::Named(name) => format!(
                "the record `{}`",
                String::from_utf8_lossy(&name.to_le_bytes()).trim_end_matches('\0')
            ),
            Place::Request(id) => {
                format!("the record of request {}...", hex::encode(id.to_le_bytes()))
            }
        })
    }
}

fn prefix(bytes: &[u8]) -> u64 {
    let mut first = [0; 8];
    for (to, from) in first.iter_mut().zip(bytes) {
        *to = *from;
    }
    u64::from_le_bytes(first)
}

/// The header in front of a unit's data.
pub fn unit_header(place: Place, data: &[u8; UNIT_BYTES]) -> [u8; UNIT_HEADER] {
    // The lowest byte of the shifted checksum is the version's.
    ((place.checksum(data) & UNIT_CHECKSUM) << 8 | u64::from(CHECKED)).to_le_bytes()
}

/// The data of a stored unit, verified, and whether it has a checksum at all.
///
/// # Errors
/// [`StoreError::Damaged`] where the record is not what was written.
pub fn open_unit(place: Place, record: &[u8]) -> Result<(&[u8; UNIT_BYTES], bool), StoreError> {
    let split = record
        .split_first_chunk::<UNIT_HEADER>()
        .and_then(|(header, data)| Some((*header, <&[u8; UNIT_BYTES]>::try_from(data).ok()?)));
    let Some((header, data)) = split else {
        return Err(place.damaged());
    };
    if header == unit_header(place, data) {
        Ok((data, true))
    } else if header == [UNCHECKED, 0, 0, 0, 0, 0, 0, 0] {
        Ok((data, false))
    } else {
        Err(place.damaged())
    }
}

/// A record with its header in front of `content`.
pub fn close_record(place: Place, content: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(RECORD_HEADER + content.len());
    record.push(CHECKED);
    record.extend_from_slice(&place.checksum(content).to_le_bytes());
    record.extend_from_slice(content);
    record
}

/// The content of a record, verified, and whether it has a checksum at all.
///
/// # Errors
/// [`StoreError::Damaged`] where the record is not what was written.
pub fn open_record(place: Place, record: &[u8]) -> Result<(&[u8], bool), StoreError> {
    match record.split_first() {
        Some((&UNCHECKED, content)) => Ok((content, false)),
        Some((&CHECKED, rest)) => match rest.split_first_chunk::<8>() {
            Some((checksum, content)) if *checksum == place.checksum(content).to_le_bytes() => {
                Ok((content, true))
            }
            _ => Err(place.damaged()),
        },
        _ => Err(place.damaged()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_flipped_bit_and_any_other_place_is_found() {
        let mut data = [7; UNIT_BYTES];
        data[100] = 9;
        let place = Place::Unit(5);
        let mut unit = unit_header(place, &data).to_vec();
        unit.extend_from_slice(&data);
        assert!(matches!(open_unit(place, &unit), Ok((found, true)) if *found == data));
        for other in [Place::Unit(6), Place::Presence(5)] {
            assert!(open_unit(other, &unit).is_err());
        }
        for bit in 0..unit.len() * 8 {
            unit[bit / 8] ^= 1 << (bit % 8);
            assert!(open_unit(place, &unit).is_err(), "bit {bit}");
            unit[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(open_unit(place, &unit[1..]).is_err());
        assert!(open_unit(place, &[]).is_err());
    }

    #[test]
    fn records_are_verified_and_older_ones_are_read() {
        let place = Place::named("canister");
        let mut record = close_record(place, b"content");
        assert!(matches!(
            open_record(place, &record),
            Ok((b"content", true))
        ));
        assert!(open_record(Place::named("snapshot"), &record).is_err());
        for bit in 0..record.len() * 8 {
            record[bit / 8] ^= 1 << (bit % 8);
            assert!(open_record(place, &record).is_err(), "bit {bit}");
            record[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(matches!(
            open_record(place, &[1, 5, 6]),
            Ok((&[5, 6], false))
        ));
        assert!(open_record(place, &[3, 5, 6]).is_err());
        assert!(open_record(place, &[]).is_err());
        let error = open_record(place, &[2]).unwrap_err().to_string();
        assert!(error.contains("`canister`"), "{error}");
    }

    #[test]
    fn units_of_before_checksums_are_read() {
        let mut unit = vec![1, 0, 0, 0, 0, 0, 0, 0];
        unit.extend_from_slice(&[3; UNIT_BYTES]);
        assert!(matches!(open_unit(Place::Unit(0), &unit), Ok((_, false))));
        unit[3] = 1;
        assert!(open_unit(Place::Unit(0), &unit).is_err());
    }
}
