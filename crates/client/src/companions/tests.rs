use super::*;

/// Bundles of files of one folder, as `leader: companion companion`; `ids` are content identifiers, `long` videos take a minute.
fn together(files: &[&str], ids: &[(&str, &str)], long: &[&str]) -> Vec<String> {
    let look = |path: &Path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        LiveFacts {
            content_id: ids
                .iter()
                .find(|(file, _)| *file == name)
                .map(|(_, id)| (*id).to_owned()),
            seconds: Some(if long.contains(&name) { 60.0 } else { 2.5 }),
        }
    };
    let paths = files.iter().map(|file| Path::new("folder").join(file));
    bundle_by(paths.collect(), &look)
        .into_iter()
        .map(|bundle| {
            let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
            let mut text = name(&bundle.path);
            for (n, path) in bundle.companions.paths().enumerate() {
                text.push_str(if n == 0 { ": " } else { " " });
                text.push_str(&name(path));
            }
            text
        })
        .collect()
}

#[test]
fn live_photos_by_name() {
    assert_eq!(
        together(
            &[
                "IMG_1.HEIC",
                "IMG_1.MOV",
                "IMG_2.JPG",
                "img_2.mp4",
                "IMG_3.MOV",
                "IMG_4_HEVC.MOV",
                "IMG_4.HEIC"
            ],
            &[],
            &[]
        ),
        [
            "IMG_1.HEIC: IMG_1.MOV",
            "IMG_2.JPG: img_2.mp4",
            "IMG_3.MOV",
            "IMG_4.HEIC: IMG_4_HEVC.MOV"
        ]
    );
    // An exported copy beside the live photo stands for itself.
    assert_eq!(
        together(&["IMG_1.JPG", "IMG_1.HEIC", "IMG_1.MOV"], &[], &[]),
        ["IMG_1.JPG", "IMG_1.HEIC: IMG_1.MOV"]
    );
    // A film of a camera that counts photos and films alike.
    assert_eq!(
        together(&["DSC_1.JPG", "DSC_1.MOV"], &[], &["DSC_1.MOV"]),
        ["DSC_1.JPG", "DSC_1.MOV"]
    );
    // A PNG is no live photo.
    assert_eq!(together(&["a.png", "a.mov"], &[], &[]), ["a.png", "a.mov"]);
}

#[test]
fn identifiers_decide_over_names() {
    let ids = [
        ("IMG_1.HEIC", "A"),
        ("IMG_1.MOV", "B"),
        ("renamed.jpg", "B"),
        ("long.mov", "C"),
        ("long.jpg", "C"),
    ];
    assert_eq!(
        together(
            &[
                "IMG_1.HEIC",
                "IMG_1.MOV",
                "renamed.jpg",
                "long.jpg",
                "long.mov"
            ],
            &ids,
            &["long.mov"]
        ),
        ["IMG_1.HEIC", "renamed.jpg: IMG_1.MOV", "long.jpg: long.mov"]
    );
}

#[test]
fn sidecars_go_with_what_they_describe() {
    assert_eq!(
        together(
            &[
                "a.jpg",
                "a.jpg.json",
                "a.jpg.xmp",
                "a.xmp",
                "b.mp4",
                "b.mp4.supplemental-metadata.json",
                "c.json",
                "c.jpg",
                "d.jpg.json",
                "e.jpg",
                "e.aae",
                "img_1.heic",
                "IMG_O1.aae"
            ],
            &[],
            &[]
        ),
        [
            "a.jpg: a.jpg.xmp a.jpg.json a.xmp",
            "b.mp4: b.mp4.supplemental-metadata.json",
            "c.json",
            "c.jpg",
            // Its photo is not there.
            "d.jpg.json",
            "e.jpg: e.aae",
            "img_1.heic: IMG_O1.aae",
        ]
    );
}

#[test]
fn one_sidecar_may_describe_two() {
    assert_eq!(
        together(
            &[
                "a.jpg",
                "a.nef",
                "a.xmp",
                "b.jpg",
                "b-edited.jpg",
                "b.jpg.json"
            ],
            &[],
            &[]
        ),
        [
            "a.jpg: a.xmp",
            "a.nef: a.xmp",
            "b.jpg: b.jpg.json",
            "b-edited.jpg: b.jpg.json",
        ]
    );
}

#[test]
fn copies_of_one_name_find_their_own() {
    assert_eq!(
        together(
            &[
                "a.jpg",
                "a(1).jpg",
                "a.jpg.json",
                "a.jpg(1).json",
                "b(1).jpg",
                "b(1).jpg.json",
                "b.jpg(1).json"
            ],
            &[],
            &[]
        ),
        [
            "a.jpg: a.jpg.json",
            "a(1).jpg: a.jpg(1).json",
            "b(1).jpg: b(1).jpg.json",
            "b.jpg(1).json",
        ]
    );
}

#[test]
fn all_of_a_live_photo_stays_together() {
    assert_eq!(
        together(
            &[
                "IMG_1.HEIC",
                "IMG_1.MP4",
                "IMG_1.HEIC.json",
                "IMG_1.MP4.json",
                "IMG_1.AAE"
            ],
            &[],
            &[]
        ),
        ["IMG_1.HEIC: IMG_1.MP4 IMG_1.HEIC.json IMG_1.AAE IMG_1.MP4.json"]
    );
}

#[test]
fn folders_are_apart_and_paths_count_once() {
    let paths = ["a/x.jpg", "b/x.mov", "b/x.jpg.json", "a/x.jpg"].map(PathBuf::from);
    let alone = bundle_by(paths.into(), &|_| LiveFacts::default());
    assert_eq!(alone.len(), 3);
    assert!(alone.iter().all(|bundle| bundle.companions.is_empty()));
}
