//! How values that JSON has no type for stand in an archive: times as RFC 3339 to the nanosecond, hashes in hexadecimal,
//! and numbers of 32 bits exactly, also those that JSON cannot write.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Nanoseconds since 1970 UTC; `2020-05-01T12:33:22.5Z` in JSON. All of `u64` can be written: it ends in 2554.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

impl Time {
    /// Calendar form; the time as a number where it cannot be written, which no `u64` brings about.
    pub fn at(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0))
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.at().format(&Rfc3339).map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        OffsetDateTime::parse(&text, &Rfc3339)
            .ok()
            .and_then(|at| u64::try_from(at.unix_timestamp_nanos()).ok())
            .map(Time)
            .ok_or_else(|| D::Error::custom(format!("{text:?} is no time from 1970 to 2554")))
    }
}

/// A SHA-256; 64 hexadecimal digits in JSON.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut hash = [0; 32];
        // One spelling only, so that an archive read and written again is the same archive.
        if text.bytes().any(|b| b.is_ascii_uppercase())
            || hex::decode_to_slice(&text, &mut hash).is_err()
        {
            return Err(D::Error::custom(format!("{text:?} is no SHA-256")));
        }
        Ok(Hash(hash))
    }
}

/// A 32-bit number. JSON has no NaN and no infinity: these stand as their bits, `"bits:7fc00000"`.
#[derive(Clone, Copy, Debug)]
pub struct Single(pub f32);

/// By bits, so that NaN equals itself.
impl PartialEq for Single {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Serialize for Single {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_finite() {
            // Wider first: a decimal of 64 bits leads back to exactly these 32.
            serializer.serialize_f64(f64::from(self.0))
        } else {
            serializer.collect_str(&format_args!("bits:{:08x}", self.0.to_bits()))
        }
    }
}

impl<'de> Deserialize<'de> for Single {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(f64),
            Bits(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(number) => Ok(Single(number as f32)),
            Written::Bits(text) => text
                .strip_prefix("bits:")
                .and_then(|bits| u32::from_str_radix(bits, 16).ok())
                .map(|bits| Single(f32::from_bits(bits)))
                .ok_or_else(|| D::Error::custom(format!("{text:?} is no number"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_as_they_were() {
        for nanos in [0, 1, 1_588_336_402_500_000_000, u64::MAX] {
            let text = serde_json::to_string(&Time(nanos)).unwrap();
            assert_eq!(serde_json::from_str::<Time>(&text).unwrap(), Time(nanos));
        }
        assert_eq!(
            Time(1_588_336_402_500_000_000).to_string(),
            "2020-05-01T12:33:22.5Z"
        );
        let numbers = [0.0, -0.0, 1.777_777_8, f32::MIN_POSITIVE, f32::MAX, 1e-45];
        let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
        for number in numbers.into_iter().chain(odd) {
            let text = serde_json::to_string(&Single(number)).unwrap();
            assert_eq!(
                serde_json::from_str::<Single>(&text).unwrap(),
                Single(number),
                "{text}"
            );
        }
        let hash = Hash([0xab; 32]);
        let text = serde_json::to_string(&hash).unwrap();
        assert_eq!(serde_json::from_str::<Hash>(&text).unwrap(), hash);
        for wrong in [
            text.to_uppercase(),
            "\"ab\"".to_owned(),
            "\"yesterday\"".to_owned(),
        ] {
            assert!(serde_json::from_str::<Hash>(&wrong).is_err(), "{wrong}");
            assert!(serde_json::from_str::<Time>(&wrong).is_err(), "{wrong}");
        }
    }
}
