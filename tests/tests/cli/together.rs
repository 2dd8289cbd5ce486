//! Files that belong together become one memory, and a run of `upload` knows what earlier ones have done.

use std::{
    fs,
    time::{Duration, Instant, SystemTime},
};

use keepsake_tests::{content::noise, pictures};
use serde_json::{Value, json};

use crate::{
    account::{Account, fates},
    calls::answered,
};

/// A still that is kept as it is, because nothing here decodes it.
fn heic() -> Vec<u8> {
    [b"\0\0\0\x18ftypheic\0\0\0\0heicmif1", &noise(1, 20_000)[..]].concat()
}

/// A video whose length nobody can tell.
fn motion() -> Vec<u8> {
    [b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", &noise(2, 2_500_000)[..]].concat()
}

fn takeout(title: &str, taken: u64, description: &str, people: &[&str]) -> Vec<u8> {
    let people: Vec<Value> = people.iter().map(|name| json!({ "name": name })).collect();
    let json = json!({
        "title": title, "description": description, "people": people,
        "photoTakenTime": { "timestamp": taken.to_string() },
        "geoData": { "latitude": 48.8582, "longitude": 2.2945 },
    });
    json.to_string().into_bytes()
}

const XMP: &str = r#"<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
    <rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:exif="http://ns.adobe.com/exif/1.0/"
     exif:DateTimeOriginal="2002-03-04T05:06:07+02:00"><dc:title><rdf:Alt><rdf:li>The sea</rdf:li></rdf:Alt></dc:title>
    <dc:subject><rdf:Bag><rdf:li>Sea</rdf:li></rdf:Bag></dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>"#;

/// 2001-09-09T01:46:40Z.
const BILLION: u64 = 1_000_000_000;

fn only(found: &Value) -> &Value {
    let memories = found["memories"].as_array().unwrap();
    assert_eq!(memories.len(), 1, "{found}");
    &memories[0]
}

#[test]
fn live_photos_and_sidecars_stay_with_their_photo() {
    let account = Account::new();
    let photo = |n: u32| pictures::png(&pictures::upright(60 + n, 40));
    account.photo("IMG_1.HEIC", &heic());
    account.photo("IMG_1.MOV", &motion());
    account.photo("a.png", &photo(1));
    let granny = takeout(
        "the whole name of a.png",
        BILLION,
        "On the tower",
        &["Granny Smith"],
    );
    account.photo("a.png.supplemental-metadata.json", &granny);
    account.photo("b.png", &photo(2));
    account.photo("b.xmp", XMP.as_bytes());
    account.photo("gone.jpg.json", &takeout("gone.jpg", BILLION, "", &[]));
    let upload = ["upload", "photos", "--json", "--no-journal"];
    let (files, summary) = fates(&account.run(&upload).ok());
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(names, ["IMG_1.HEIC", "a.png", "b.png", "gone.jpg.json"]);
    assert_eq!(
        (&summary["created"], &summary["companions"]),
        (&4.into(), &3.into()),
        "{summary}"
    );
    for (leader, companion, role) in [
        ("IMG_1.HEIC", "IMG_1.MOV", "motion"),
        ("a.png", "a.png.supplemental-metadata.json", "sidecar"),
        ("b.png", "b.xmp", "sidecar"),
    ] {
        let companions = &files[leader]["companions"];
        assert!(
            companions[0]["path"].as_str().unwrap().ends_with(companion),
            "{companions}"
        );
        assert_eq!(
            (&companions[0]["role"], &companions[0]["status"]),
            (&role.into(), &"added".into())
        );
    }
    assert_eq!(
        files["a.png"]["captured_at_source"],
        "capture-time:google-takeout"
    );
    assert_eq!(files["b.png"]["captured_at_source"], "capture-time:xmp");

    // The still is the original that is asked for; what belongs to it is there as well, byte for byte.
    let live = files["IMG_1.HEIC"]["memory_id"].as_str().unwrap();
    account.run(&["get", live, "-o", "out.heic"]).ok();
    assert!(fs::read(account.path("out.heic")).unwrap() == heic());
    assert_eq!(
        account.json(&["verify"])["assets"],
        1 + 1 + (1 + 3 + 1) * 2 + 1
    );
    let tagged = account.json(&[
        "get",
        files["a.png"]["memory_id"].as_str().unwrap(),
        "--asset",
        "metadata",
        "-o",
        "out.json",
    ]);
    assert_eq!(tagged["mime"], "application/json");
    assert!(fs::read(account.path("out.json")).unwrap() == granny);

    // What sidecars say is found; dates are those of taking.
    let found = account.json(&[
        "search",
        "tower",
        "--person",
        "granny",
        "--from",
        "2001-09",
        "--until",
        "2001-09-09",
    ]);
    assert_eq!(only(&found)["title"], "the whole name of a.png");
    assert_eq!(only(&found)["date_of_memory"], "2001-09-09T01:46:40Z");
    let found = account.json(&[
        "search",
        "--tag",
        "sea",
        "--from",
        "2002-03-04T03:06:07Z",
        "--until",
        "2002-03-04T03:06:07Z",
    ]);
    assert_eq!(only(&found)["id"], files["b.png"]["memory_id"]);
    assert_eq!(
        account.json(&["search", "--person", "grandpa"])["memories"],
        json!([])
    );

    // Again: nothing travels.
    let calls = answered(account.served(), "call");
    let (_, summary) = fates(&account.run(&upload).ok());
    assert_eq!(
        (&summary["already_there"], &summary["companions"]),
        (&4.into(), &3.into()),
        "{summary}"
    );
    assert_eq!(answered(account.served(), "call"), calls);

    // A sidecar that comes later is added, and fills in what is not known.
    account.photo("c.png", &photo(3));
    account.run(&upload).ok();
    account.photo(
        "c.png.json",
        &takeout("c.png", BILLION, "told later", &["Tom"]),
    );
    let (files, _) = fates(
        &account
            .run(&["upload", "photos", "--json", "--dry-run"])
            .ok(),
    );
    assert_eq!(files["c.png"]["status"], "would_repair");
    let (files, _) = fates(&account.run(&upload).ok());
    assert_eq!(files["c.png"]["status"], "repaired");
    let found = account.json(&["search", "told later", "--person", "tom", "--until", "2001"]);
    assert_eq!(only(&found)["id"], files["c.png"]["memory_id"]);
    let separate = ["upload", "photos", "--json", "--dry-run", "--separate"];
    let (files, summary) = fates(&account.run(&separate).ok());
    assert_eq!(files.len(), 9);
    assert_eq!(summary["would_create"], 4, "{summary}");
}

#[test]
fn a_run_reads_only_what_its_journal_does_not_know() {
    let account = Account::new();
    for name in ["a.txt", "b.txt", "c.txt"] {
        account.photo(name, name.as_bytes());
    }
    account.photo("IMG_1.HEIC", &heic());
    account.photo("IMG_1.MOV", &motion());
    // What was written just before it is read is not believed to stay as it is.
    let old_enough = || {
        let begun = Instant::now();
        let newest = || {
            let entries = fs::read_dir(account.path("photos")).unwrap();
            entries
                .map(|entry| entry.unwrap().metadata().unwrap().modified().unwrap())
                .max()
                .unwrap()
        };
        while SystemTime::now()
            .duration_since(newest())
            .unwrap_or_default()
            < Duration::from_millis(2_100)
        {
            assert!(begun.elapsed() < Duration::from_secs(60));
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let upload = |rest: &[&str]| {
        let args = [
            &["upload", "photos", "--json", "--journal", "runs/journal"],
            rest,
        ]
        .concat();
        fates(&account.run(&args).ok())
    };
    let from_journal = |files: &std::collections::BTreeMap<String, Value>| -> Vec<String> {
        let known = files
            .iter()
            .filter(|(_, event)| event["from_journal"] == true);
        known.map(|(name, _)| name.clone()).collect()
    };
    old_enough();
    let (first, summary) = upload(&[]);
    assert_eq!(summary["created"], 4, "{summary}");
    assert_eq!(from_journal(&first).len(), 0);
    let calls = answered(account.served(), "call");
    let (files, summary) = upload(&[]);
    assert_eq!(
        (&summary["already_there"], &summary["companions"]),
        (&4.into(), &1.into())
    );
    assert_eq!(
        from_journal(&files),
        ["IMG_1.HEIC", "a.txt", "b.txt", "c.txt"]
    );
    assert_eq!(answered(account.served(), "call"), calls);
    assert_eq!(files["a.txt"]["sha256"], first["a.txt"]["sha256"]);
    assert_eq!(files["IMG_1.HEIC"]["mime"], "image/heic");

    // What was deleted in the vault, what has changed, and whose companion has.
    account.json(&[
        "rm",
        "--forever",
        first["a.txt"]["memory_id"].as_str().unwrap(),
    ]);
    account.photo("b.txt", b"B.txt");
    account.photo("IMG_1.MOV", &motion()[1..]);
    old_enough();
    let (files, summary) = upload(&[]);
    assert_eq!(
        (&files["a.txt"]["status"], &files["b.txt"]["status"]),
        (&"created".into(), &"created".into())
    );
    assert_eq!(files["IMG_1.HEIC"]["status"], "repaired", "{summary}");
    assert_eq!(from_journal(&files), ["c.txt"]);

    // A torn end costs what it was about.
    let journal = account.path("runs/journal");
    let bytes = fs::read(&journal).unwrap();
    fs::write(&journal, &bytes[..bytes.len() - 10]).unwrap();
    let (files, _) = upload(&[]);
    assert_eq!(from_journal(&files).len(), 3, "{files:?}");
    assert!(
        files
            .values()
            .all(|event| event["status"] == "already_there")
    );
    let (files, _) = upload(&["--jobs", "1"]);
    assert_eq!(from_journal(&files).len(), 4);
    fs::write(&journal, "no journal").unwrap();
    let wrong = account.run(&["upload", "photos", "--journal", "runs/journal"]);
    assert!(wrong.failed().contains("is no journal"), "{wrong:#?}");
    // The usual one, which is not there yet, and none.
    let usual = ["upload", "photos", "--json"];
    let (files, _) = fates(&account.run(&usual).ok());
    assert_eq!(from_journal(&files).len(), 0);
    let (files, _) = fates(&account.run(&usual).ok());
    assert_eq!(from_journal(&files).len(), 4);
    let (files, _) = fates(&account.run(&[&usual[..], &["--no-journal"]].concat()).ok());
    assert_eq!(from_journal(&files).len(), 0);
}
