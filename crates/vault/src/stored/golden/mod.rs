//! Golden records: the bytes of every kind of stored record, as builds wrote them, are decoded for ever and mean what they meant (I8).
//!
//! `tests/golden/records.txt` has a line `name = bytes` for each. A layout that changes (a field more) needs new names: the old case stays, as
//! [`Records::past`], with what it means to the new build, and another one is written beside it. `KEEPSAKE_GOLDEN=add cargo test golden`
//! writes what is missing, and never changes what is there.

mod memories;
mod records;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::path::{Path, PathBuf};

use minicbor::{Decode, Decoder, Encode, Encoder};

/// How a kind of record is encoded, and with how many fields: so many that the build knows, at the end of which a later build adds its own.
#[derive(Clone, Copy)]
enum Shape {
    Fields(usize),
    /// One variant of several, with so many fields.
    Variant(usize),
    /// An encoding of our own, which never gains a field.
    Closed,
}

use Shape::{Closed, Fields, Variant};

/// The fixtures, and what was found wrong with them.
struct Records {
    kept: BTreeMap<String, Vec<u8>>,
    added: Vec<(String, Vec<u8>)>,
    used: BTreeSet<String>,
    types: BTreeSet<String>,
    wrong: Vec<String>,
}

impl Records {
    fn load() -> Self {
        let text = std::fs::read_to_string(path()).unwrap_or_default();
        let kept = text
            .lines()
            .filter_map(|line| line.split_once(" = "))
            .map(|(name, hex)| (name.to_owned(), bytes_of(hex)))
            .collect();
        Self {
            kept,
            added: Vec::new(),
            used: BTreeSet::new(),
            types: BTreeSet::new(),
            wrong: Vec::new(),
        }
    }

    /// A record as this build writes it: the fixture means `value`, `value` is still written so, and a field that a later build may have
    /// added is passed over.
    fn today<T>(&mut self, name: &str, shape: Shape, value: T)
    where
        T: Encode<()> + for<'b> Decode<'b, ()> + PartialEq + Debug,
    {
        let now = minicbor::to_vec(&value).unwrap();
        if !self.kept.contains_key(name) {
            self.added.push((name.to_owned(), now.clone()));
            self.kept.insert(name.to_owned(), now.clone());
        }
        if self.past(name, &value) && self.kept[name] != now {
            self.wrong.push(format!(
                "{name}: this build writes it otherwise; keep it as a record of the past, and add today's under another name"
            ));
        }
        let name = format!("{name}, with a field of a later build");
        match shape {
            Fields(count) => self.means(&name, &with_field(&now, count), &value),
            Variant(count) => {
                // A variant is its number and its fields.
                let mut decoder = Decoder::new(&now);
                decoder.array().unwrap();
                decoder.u32().unwrap();
                let (head, fields) = now.split_at(decoder.position());
                let bytes = [head, &with_field(fields, count)].concat();
                self.means(&name, &bytes, &value)
            }
            Closed => true,
        };
    }

    /// A record that a build wrote: the fixture means `value`. Returns whether it does.
    fn past<T>(&mut self, name: &str, value: &T) -> bool
    where
        T: for<'b> Decode<'b, ()> + PartialEq + Debug,
    {
        let of = std::any::type_name::<T>();
        let of = of.rsplit("::").next().unwrap_or(of);
        self.types.insert(of.trim_end_matches('>').to_owned());
        self.used.insert(name.to_owned());
        match self.kept.get(name).cloned() {
            Some(bytes) => self.means(name, &bytes, value),
            None => {
                self.wrong.push(format!("{name}: the fixture is missing"));
                false
            }
        }
    }

    /// A record as builds wrote it when the kind had its first `count` fields only: it means `value`.
    fn before<T>(&mut self, name: &str, count: usize, value: &T)
    where
        T: for<'b> Decode<'b, ()> + PartialEq + Debug,
    {
        let bytes = first_fields(&self.kept[name], count);
        self.means(&format!("{name}, with {count} fields only"), &bytes, value);
    }

    fn means<T>(&mut self, name: &str, bytes: &[u8], value: &T) -> bool
    where
        T: for<'b> Decode<'b, ()> + PartialEq + Debug,
    {
        match minicbor::decode::<T>(bytes) {
            Ok(decoded) if decoded == *value => return true,
            Ok(decoded) => self
                .wrong
                .push(format!("{name}: means {decoded:?}, meant {value:?}")),
            Err(error) => self
                .wrong
                .push(format!("{name}: cannot be decoded: {error}")),
        }
        false
    }

    /// Writes what was missing, where that is asked for, and says what is wrong.
    fn finish(mut self) {
        if !self.added.is_empty() {
            let added: String = self
                .added
                .iter()
                .map(|(name, bytes)| format!("{name} = {}\n", hex(bytes)))
                .collect();
            if std::env::var("KEEPSAKE_GOLDEN").is_ok_and(|value| value == "add") {
                let text = std::fs::read_to_string(path()).unwrap_or_default();
                std::fs::write(path(), text + &added).unwrap();
            } else {
                self.wrong.push(format!(
                    "missing in records.txt (KEEPSAKE_GOLDEN=add writes them):\n{added}"
                ));
            }
        }
        for name in self.kept.keys().filter(|name| !self.used.contains(*name)) {
            self.wrong
                .push(format!("{name}: no test says what it means"));
        }
        for name in stored_types().difference(&self.types) {
            self.wrong
                .push(format!("{name} is stored and has no golden record"));
        }
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
    }
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/records.txt")
}

/// What the sources derive an encoding for. The scope of an access token is not stored: it lives for half an hour, outside.
fn stored_types() -> BTreeSet<String> {
    fn visit(folder: &Path, types: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path, types);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let source = std::fs::read_to_string(&path).unwrap();
                let mut lines = source.lines();
                while let Some(line) = lines.next() {
                    if !line.starts_with("#[derive(") || !line.contains("Decode") {
                        continue;
                    }
                    let item =
                        lines.find(|line| line.contains("struct ") || line.contains("enum "));
                    let mut words = item.unwrap_or_default().split([' ', '<', '{', '(']);
                    words.find(|word| ["struct", "enum"].contains(word));
                    types.extend(words.next().map(str::to_owned));
                }
            }
        }
    }
    let mut types = BTreeSet::new();
    visit(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut types,
    );
    assert!(types.len() > 25, "the sources were not read: {types:?}");
    types.remove("Payload");
    types
}

/// The fields' encodings.
fn fields(bytes: &[u8]) -> Vec<&[u8]> {
    let mut decoder = Decoder::new(bytes);
    let count = decoder.array().unwrap().unwrap();
    let fields = (0..count).map(|_| {
        let start = decoder.position();
        decoder.skip().unwrap();
        &bytes[start..decoder.position()]
    });
    let fields: Vec<&[u8]> = fields.collect();
    assert_eq!(decoder.position(), bytes.len());
    fields
}

fn array_of(fields: &[&[u8]]) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    encoder.array(fields.len() as u64).unwrap();
    let mut bytes = encoder.into_writer();
    bytes.extend(fields.concat());
    bytes
}

/// The record with one field more than the `count` that the build knows. Missing ones at the end stand for nothing.
fn with_field(bytes: &[u8], count: usize) -> Vec<u8> {
    const NULL: &[u8] = &[0xf6];
    const LATER: &[u8] = b"\x82\x65later\x01";
    let mut fields = fields(bytes);
    assert!(
        fields.len() <= count,
        "{} fields, not {count}",
        fields.len()
    );
    fields.resize(count, NULL);
    fields.push(LATER);
    array_of(&fields)
}

fn first_fields(bytes: &[u8], count: usize) -> Vec<u8> {
    let fields = fields(bytes);
    array_of(&fields[..count.min(fields.len())])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let digits = hex.trim().as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}
