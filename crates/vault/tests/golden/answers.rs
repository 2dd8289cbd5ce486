//! The questions that an image is asked, and what it answers, as Candid: an answer of an earlier build is read as clients of this one read it.

use candid::{CandidType, Deserialize};
use ic_stable_structures::VectorMemory;
use keepsake_api::{Error as Wire, HttpRequest};
use keepsake_vault::{Result, Vault};

use crate::image::Names;
use crate::scene::{NOW, Who, by, sha256};

/// Says what is different in an answer of before, in words.
type Differs = dyn Fn(&[u8]) -> Option<String>;

/// One answer.
pub struct Given {
    pub what: String,
    pub bytes: Vec<u8>,
    pub differs: Box<Differs>,
}

#[derive(Default)]
pub struct Answers(Vec<Given>);

impl Answers {
    pub fn add<T>(&mut self, what: impl Into<String>, answer: Result<T>)
    where
        T: CandidType + for<'a> Deserialize<'a> + PartialEq + std::fmt::Debug + 'static,
    {
        let what = what.into();
        let answer: std::result::Result<T, Wire> = answer.map_err(Wire::from);
        let bytes = candid::encode_one(&answer).expect("every answer can be encoded");
        let about = what.clone();
        self.0.push(Given {
            what,
            bytes,
            differs: Box::new(move |before| {
                match candid::decode_one::<std::result::Result<T, Wire>>(before) {
                    Ok(before) if before == answer => None,
                    Ok(before) => Some(format!("{about}: {answer:?}\n  it was {before:?}")),
                    Err(error) => Some(format!("{about} cannot be read any more: {error}")),
                }
            }),
        });
    }
}

const ALL: [Who; 9] = [
    Who::Owner,
    Who::SecondOwner,
    Who::Controller,
    Who::Subject,
    Who::Grantee,
    Who::Member,
    Who::Stranger,
    Who::Linked,
    Who::Invited,
];

const MEMORIES: [&str; 13] = [
    "inline",
    "external",
    "several",
    "of the same content",
    "of a deleted holder",
    "kind 0",
    "kind 1",
    "kind 2",
    "kind 3",
    "trashed",
    "deleted",
    "emptying 0",
    "emptying 1",
];

const BLOBS: [&str; 10] = [
    "original",
    "original again",
    "thumbnail",
    "holder that was deleted",
    "content of a deleted holder",
    "uploaded",
    "between",
    "unreferenced",
    "deleted blob",
    "behind",
];

/// Those that the image has a name for: later scenes have more.
fn named<'a>(all: &'a [&'a str], names: &'a Names) -> impl Iterator<Item = &'a str> {
    all.iter().copied().filter(|what| names.contains_key(*what))
}

pub fn all(vault: &Vault<VectorMemory>, names: &Names) -> Vec<Given> {
    let mut answers = Answers::default();
    of_capsules(&mut answers, vault, names);
    of_memories(&mut answers, vault, names);
    of_uploads(&mut answers, vault, names);
    crate::links::answer(&mut answers, vault, names);
    for who in ALL {
        let by = by(who, NOW);
        let list = vault.capsules_list(by);
        answers.add(format!("capsules of {who:?}"), Ok(list));
        answers.add(format!("person {who:?}"), vault.person_read(by));
        let shared = vault.memories_shared_with_me(by, None, None);
        answers.add(format!("shared with {who:?}"), shared);
        let ids = named(&MEMORIES, names).map(|what| names[what].clone());
        let ids = ids.collect();
        answers.add(format!("seen by {who:?}"), vault.memories_ping(by, ids));
    }
    answers.0
}

fn of_capsules(answers: &mut Answers, vault: &Vault<VectorMemory>, names: &Names) {
    let owner = by(Who::Owner, NOW);
    for what in ["own", "capsule", "about grandmother"] {
        let id = &names[what];
        let info = vault.capsules_read_basic(owner, Some(id));
        answers.add(format!("{what}, basic"), info);
        let full = vault.capsules_read_full(owner, Some(id));
        answers.add(format!("{what}, full"), full);
        let page = vault.memories_list(owner, id, None, Some(3));
        answers.add(format!("{what}, list"), page);
        let trashed = vault.memories_trashed(owner, id, None, None);
        answers.add(format!("{what}, trash"), trashed);
        let deletions = vault.external_deletions_list(owner, id);
        answers.add(format!("{what}, external deletions"), deletions);
    }
}

fn of_memories(answers: &mut Answers, vault: &Vault<VectorMemory>, names: &Names) {
    for what in named(&MEMORIES, names) {
        for who in [Who::Owner, Who::Grantee] {
            let by = by(who, NOW);
            let read = vault.memories_read(by, &names[what]);
            answers.add(format!("{what}, read by {who:?}"), read);
            for index in 0..3 {
                let asset = vault.memories_read_asset(by, &names[what], index);
                answers.add(format!("{what}, asset {index} by {who:?}"), asset);
            }
        }
    }
    for (what, memory, variant) in [
        ("token of inline", "inline", "original"),
        ("token of several", "several", "thumbnail"),
        ("token of several", "several", "original"),
    ] {
        let request = HttpRequest {
            method: "GET".into(),
            url: format!("/asset/{}/{variant}?token={}", names[memory], names[what]),
            headers: Vec::new(),
            body: Vec::new().into(),
            certificate_version: None,
        };
        let means = crate::later::MEANS;
        let response = vault.http_request(NOW, means, &request);
        let answer = (response.status_code, sha256(&response.body));
        answers.add(format!("{what}, {variant}"), Ok(answer));
    }
}

fn of_uploads(answers: &mut Answers, vault: &Vault<VectorMemory>, names: &Names) {
    let owner = by(Who::Owner, NOW);
    answers.add("upload config", Ok(vault.upload_config()));
    answers.add("uploads", vault.uploads_list(owner));
    for what in ["open", "finished", "aborted", "announced"] {
        let session = names[what].parse().expect("a number");
        answers.add(
            format!("{what}, status"),
            vault.uploads_status(owner, session),
        );
    }
    for what in named(&BLOBS, names) {
        let id = &names[what];
        answers.add(format!("{what}, meta"), vault.blob_get_meta(owner, id));
        let whole = vault.blob_read(owner, id).map(|bytes| sha256(&bytes));
        answers.add(format!("{what}, content"), whole);
        for index in 0..3 {
            let chunk = vault.blob_read_chunk(owner, id, index);
            let chunk = chunk.map(|bytes| (bytes.len() as u64, sha256(&bytes)));
            answers.add(format!("{what}, chunk {index}"), chunk);
        }
    }
    let hashes = [
        sha256(&crate::scene::noise(10, 9_000)).into(),
        vec![0; 32].into(),
    ];
    let held = vault.blobs_by_hash(owner, &names["capsule"], &hashes);
    answers.add("by hash", held);
}
