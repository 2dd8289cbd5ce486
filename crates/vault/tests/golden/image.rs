//! Images as files: the memory without its zeros, and the names and answers that belong to it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use ic_stable_structures::{Memory, VectorMemory};
use keepsake_vault::Vault;

use crate::answers::{self, Given};
use crate::scene;

/// Names of things in an image, by what they are called in the scene.
pub type Names = BTreeMap<String, String>;

pub struct Image {
    pub number: u32,
    bytes: Vec<u8>,
    pub names: Names,
    answers: BTreeMap<String, Vec<u8>>,
}

/// Fewer zeros than these stay where they are.
const ZEROS_LEAST: usize = 16;

fn path(number: u32, extension: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    folder.join(format!("image-{number}.{extension}"))
}

/// Writes the image of today's layout, where that is asked for and there is none.
pub fn add_missing(number: u32) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock();
    if path(number, "bin").exists() {
        return;
    }
    let asked = std::env::var("KEEPSAKE_GOLDEN").is_ok_and(|value| value == "add");
    assert!(
        asked,
        "image {number} is missing; KEEPSAKE_GOLDEN=add writes it"
    );
    let scene = scene::written();
    let vault = Vault::open(scene.memory.clone()).expect("our own memory");
    vault.recount().expect("counters");
    let named = scene.names.iter();
    let named: String = named
        .map(|(what, name)| format!("name {what} = {name}\n"))
        .collect();
    let given = answers::all(&vault, &scene.names);
    let given: String = given
        .iter()
        .map(|given| format!("answer {} = {}\n", given.what, hex(&given.bytes)))
        .collect();
    std::fs::write(path(number, "txt"), named + &given).expect("names and answers");
    let packed = packed(&scene.memory.borrow());
    std::fs::write(path(number, "bin"), packed).expect("an image");
}

impl Image {
    pub fn load(number: u32) -> Self {
        let packed = std::fs::read(path(number, "bin")).expect("an image");
        let text = std::fs::read_to_string(path(number, "txt")).expect("names and answers");
        let lines_of = |kind: &'static str| {
            let lines = text.lines().filter_map(move |line| line.strip_prefix(kind));
            lines.filter_map(|line| line.split_once(" = "))
        };
        let names = lines_of("name ").map(|(what, name)| (what.to_owned(), name.to_owned()));
        let answers = lines_of("answer ").map(|(what, hex)| (what.to_owned(), bytes_of(hex)));
        Self {
            number,
            bytes: unpacked(&packed),
            names: names.collect(),
            answers: answers.collect(),
        }
    }

    /// A copy of the memory.
    pub fn memory(&self) -> VectorMemory {
        let memory = VectorMemory::default();
        memory.grow(self.bytes.len() as u64 / 65_536);
        memory.write(0, &self.bytes);
        memory
    }

    /// Compares what is answered now with what was answered when the image was written.
    pub fn compare(&self, given: &[Given]) {
        let mut wrong = Vec::new();
        for given in given {
            match self.answers.get(&given.what) {
                Some(bytes) => wrong.extend((given.differs)(bytes)),
                None => wrong.push(format!("{} was not asked then", given.what)),
            }
        }
        assert_eq!(given.len(), self.answers.len());
        assert!(
            wrong.is_empty(),
            "image {} answers otherwise:\n{}",
            self.number,
            wrong.join("\n")
        );
    }
}

/// The length, and then, again and again: how many zeros, how many bytes, and these. All little-endian.
fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packed = (bytes.len() as u64).to_le_bytes().to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let zeros = bytes[at..].iter().take_while(|byte| **byte == 0).count();
        let start = at + zeros;
        let mut end = start;
        while end < bytes.len() {
            let run = bytes[end..].iter().take_while(|byte| **byte == 0).count();
            if run >= ZEROS_LEAST || end + run == bytes.len() {
                break;
            }
            end += run + 1;
        }
        packed.extend((zeros as u32).to_le_bytes());
        packed.extend(((end - start) as u32).to_le_bytes());
        packed.extend(&bytes[start..end]);
        at = end;
    }
    packed
}

fn unpacked(packed: &[u8]) -> Vec<u8> {
    let (len, mut rest) = packed.split_first_chunk::<8>().expect("a length");
    let mut bytes = Vec::new();
    while let Some((zeros, after)) = rest.split_first_chunk::<4>() {
        let (count, after) = after.split_first_chunk::<4>().expect("a count");
        bytes.resize(bytes.len() + u32::from_le_bytes(*zeros) as usize, 0);
        let (these, after) = after.split_at(u32::from_le_bytes(*count) as usize);
        bytes.extend(these);
        rest = after;
    }
    assert_eq!(bytes.len() as u64, u64::from_le_bytes(*len));
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let digits = hex.trim().as_bytes().chunks(2);
    let pairs = digits.map(|pair| std::str::from_utf8(pair).expect("digits"));
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).expect("digits"))
        .collect()
}

#[test]
fn packing_loses_nothing() {
    for bytes in [
        vec![],
        vec![0; 100],
        vec![1; 100],
        [
            vec![0; 40],
            vec![1; 3],
            vec![0; 15],
            vec![2],
            vec![0; 17],
            vec![3],
        ]
        .concat(),
        [vec![1], vec![0; 15]].concat(),
    ] {
        assert_eq!(unpacked(&packed(&bytes)), bytes);
    }
}
