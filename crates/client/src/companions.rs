//! Files that belong together: a live photo's still and its motion, and what programs write beside a photo.
//!
//! A live photo is a HEIC or JPEG and a short video of the same name, or of any names in one folder with the same content
//! identifier of Apple's. Sidecars are XMP files (`a.jpg.xmp`, `a.xmp`), the JSON files of Google Takeout, and `.aae` files with
//! edits made on a phone. Everything else, and a sidecar whose photo is not among the files, stands for itself.
//!
//! Only files that are handed in are brought together, and only within their folder. No file is lost: each is in exactly one
//! bundle, except a sidecar that belongs to several photos, which is in all of theirs.

mod takeout;

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
};

use crate::live::{self, LiveFacts};

/// A video longer than this (seconds) is no live photo's motion, unless identifiers say so.
const LONGEST_MOTION: f64 = 10.0;

/// A file with what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// What is to be remembered.
    pub path: PathBuf,
    pub companions: Companions,
}

/// What belongs to a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Companions {
    /// The video of a live photo.
    pub motion: Option<PathBuf>,
    /// Files that describe it; the one named most exactly after it first.
    pub sidecars: Vec<PathBuf>,
}

impl Companions {
    /// All of them.
    pub fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.motion.iter().chain(&self.sidecars)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.motion.is_none() && self.sidecars.is_empty()
    }
}

/// What a file is by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Still,
    Motion,
    OtherMedia,
    Xmp,
    Json,
    Aae,
    Other,
}

impl Role {
    fn of(extension: &str) -> Self {
        match extension {
            "heic" | "heif" | "jpg" | "jpeg" => Role::Still,
            "mov" | "mp4" | "m4v" => Role::Motion,
            "xmp" => Role::Xmp,
            "json" => Role::Json,
            "aae" => Role::Aae,
            other => match mime_guess::from_ext(other).first() {
                Some(mime) if matches!(mime.type_().as_str(), "image" | "video" | "audio") => {
                    Role::OtherMedia
                }
                _ => Role::Other,
            },
        }
    }

    fn is_media(self) -> bool {
        matches!(self, Role::Still | Role::Motion | Role::OtherMedia)
    }
}

/// A file as it is matched: in lower case, because cameras, phones and disks disagree about it.
struct Name {
    full: String,
    stem: String,
    extension: String,
    role: Role,
}

impl Name {
    fn of(path: &Path) -> Self {
        let text = |part: Option<&std::ffi::OsStr>| {
            part.map_or(String::new(), |s| s.to_string_lossy().to_lowercase())
        };
        let extension = text(path.extension());
        Name {
            full: text(path.file_name()),
            stem: text(path.file_stem()),
            role: Role::of(&extension),
            extension,
        }
    }
}

/// Brings `paths` together, in the order of the files that lead each bundle; a path that comes twice counts once. Videos and
/// stills that may belong together are looked into, other files are not opened. Blocking.
pub fn bundle(paths: Vec<PathBuf>) -> Vec<Bundle> {
    bundle_by(paths, &live::look)
}

fn bundle_by(paths: Vec<PathBuf>, look: &dyn Fn(&Path) -> LiveFacts) -> Vec<Bundle> {
    let mut seen = HashSet::new();
    let paths: Vec<PathBuf> = paths
        .into_iter()
        .filter(|path| seen.insert(path.clone()))
        .collect();
    let names: Vec<Name> = paths.iter().map(|path| Name::of(path)).collect();
    let mut folders: HashMap<&Path, Vec<usize>> = HashMap::new();
    for (n, path) in paths.iter().enumerate() {
        let folder = path.parent().unwrap_or(Path::new(""));
        folders.entry(folder).or_default().push(n);
    }
    let mut companions: Vec<Companions> = vec![Companions::default(); paths.len()];
    // Files that are somebody's companion.
    let mut led = vec![false; paths.len()];
    for files in folders.values() {
        let folder = Folder::of(&paths, &names, files, look);
        for (still, motion) in folder.live_photos() {
            companions[still].motion = Some(paths[motion].clone());
            led[motion] = true;
            // What describes the video alone comes along, behind what describes the still.
            let sidecars = folder.sidecars_of(still).into_iter();
            for sidecar in sidecars.chain(folder.sidecars_of(motion)) {
                add(&mut companions[still].sidecars, &paths[sidecar]);
                led[sidecar] = true;
            }
        }
        for &file in files {
            if names[file].role.is_media() && !led[file] && companions[file].motion.is_none() {
                for sidecar in folder.sidecars_of(file) {
                    add(&mut companions[file].sidecars, &paths[sidecar]);
                    led[sidecar] = true;
                }
            }
        }
    }
    paths
        .into_iter()
        .zip(companions)
        .zip(led)
        .filter(|(_, led)| !led)
        .map(|((path, companions), _)| Bundle { path, companions })
        .collect()
}

fn add(list: &mut Vec<PathBuf>, path: &PathBuf) {
    if !list.contains(path) {
        list.push(path.clone());
    }
}

/// The files of one folder.
struct Folder<'a> {
    paths: &'a [PathBuf],
    names: &'a [Name],
    files: &'a [usize],
    look: &'a dyn Fn(&Path) -> LiveFacts,
    /// XMP and AAE files by their stem, and Takeout's by what they may describe.
    xmp: HashMap<&'a str, Vec<usize>>,
    aae: HashMap<&'a str, Vec<usize>>,
    json: HashMap<takeout::Key, Vec<usize>>,
}

impl<'a> Folder<'a> {
    fn of(
        paths: &'a [PathBuf],
        names: &'a [Name],
        files: &'a [usize],
        look: &'a dyn Fn(&Path) -> LiveFacts,
    ) -> Self {
        let mut folder = Folder {
            paths,
            names,
            files,
            look,
            xmp: HashMap::new(),
            aae: HashMap::new(),
            json: HashMap::new(),
        };
        for &file in files {
            let name = &names[file];
            match name.role {
                Role::Xmp => folder.xmp.entry(&name.stem).or_default().push(file),
                Role::Aae => folder.aae.entry(&name.stem).or_default().push(file),
                Role::Json => {
                    for key in takeout::described_by(&name.full) {
                        folder.json.entry(key).or_default().push(file);
                    }
                }
                _ => {}
            }
        }
        folder
    }

    fn of_role(&self, role: Role) -> impl Iterator<Item = usize> {
        self.files
            .iter()
            .copied()
            .filter(move |&file| self.names[file].role == role)
    }

    /// Stills with their motions.
    fn live_photos(&self) -> Vec<(usize, usize)> {
        let mut stills: HashMap<&str, Vec<usize>> = HashMap::new();
        for still in self.of_role(Role::Still) {
            stills
                .entry(&self.names[still].stem)
                .or_default()
                .push(still);
        }
        if stills.is_empty() {
            return Vec::new();
        }
        let mut pairs = Vec::new();
        let mut taken = HashSet::new();
        // Videos that say whose motion they are, and have not found it by their name.
        let mut seeking: HashMap<String, usize> = HashMap::new();
        for motion in self.of_role(Role::Motion) {
            let stem = &self.names[motion].stem;
            // Apple's service for the web adds the codec to the video's name.
            let namesakes = [Some(stem.as_str()), stem.strip_suffix("_hevc")]
                .into_iter()
                .flatten()
                .filter_map(|stem| stills.get(stem))
                .flatten()
                .copied();
            // An exported copy may lie beside: the phone's own format is the live photo.
            let mut namesakes: Vec<usize> =
                namesakes.filter(|still| !taken.contains(still)).collect();
            namesakes.sort_by_key(|&still| !self.names[still].extension.starts_with("hei"));
            let video = (self.look)(&self.paths[motion]);
            let found = namesakes
                .into_iter()
                .find(|&still| belong_together(&(self.look)(&self.paths[still]), &video));
            match (found, video.content_id) {
                (Some(still), _) => {
                    taken.insert(still);
                    pairs.push((still, motion));
                }
                (None, Some(id)) => {
                    seeking.insert(id, motion);
                }
                (None, None) => {}
            }
        }
        if !seeking.is_empty() {
            for still in self
                .of_role(Role::Still)
                .filter(|still| !taken.contains(still))
            {
                let id = (self.look)(&self.paths[still]).content_id;
                if let Some(motion) = id.and_then(|id| seeking.remove(&id)) {
                    pairs.push((still, motion));
                }
            }
        }
        pairs
    }

    /// Sidecars of a media file, the most exactly named first.
    fn sidecars_of(&self, media: usize) -> Vec<usize> {
        let of = &self.names[media];
        let json = takeout::describing(&of.full)
            .iter()
            .find_map(|key| self.json.get(key));
        // The phone's own edits, and with an O put in those that an edit replaced.
        let replaced = of.stem.replacen("img_", "img_o", 1);
        [
            self.xmp.get(of.full.as_str()),
            json,
            self.xmp.get(of.stem.as_str()),
            self.aae.get(of.stem.as_str()),
            self.aae
                .get(replaced.as_str())
                .filter(|_| replaced != of.stem),
        ]
        .into_iter()
        .flatten()
        .flatten()
        .copied()
        .collect()
    }
}

/// Whether a still and a video of one name are one live photo: unless what is known of them speaks against it.
fn belong_together(still: &LiveFacts, video: &LiveFacts) -> bool {
    match (&still.content_id, &video.content_id) {
        (Some(one), Some(other)) => one == other,
        _ => video
            .seconds
            .is_none_or(|seconds| seconds <= LONGEST_MOTION),
    }
}

#[cfg(test)]
mod tests;
