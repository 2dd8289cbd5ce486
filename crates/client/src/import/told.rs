//! What sidecars say of a photo, put together, and what of it goes into the memory.
//!
//! The photo's own EXIF stands above any sidecar, and the first sidecar that says something above the later ones. Which sidecar
//! gave what is recorded in the tags of its asset: `gave:title`, `gave:date`, and so on.

use keepsake_api::{AssetType, Memory, MemoryMetadata};

use super::facts::Facts;
use crate::{
    capture::{CaptureTime, TimeSource},
    download::assets_of,
    sidecar::Sidecar,
};

/// What is taken over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub title: Option<String>,
    pub description: Option<String>,
    pub tags: Vec<String>,
    pub people: Vec<String>,
    pub taken: Option<CaptureTime>,
    /// Only where places are wanted.
    pub place: Option<String>,
}

/// What of a sidecar counts, as it is recorded.
pub(super) const GAVE_DATE: &str = "gave:date";

impl Told {
    /// Adds what `sidecar` says beyond what is known; the answer is what it gave.
    pub fn add(&mut self, sidecar: &Sidecar, places: bool) -> Vec<&'static str> {
        let mut gave = Vec::new();
        let mut first = |name, known: &mut Option<String>, said: &Option<String>| {
            if known.is_none() && said.is_some() {
                known.clone_from(said);
                gave.push(name);
            }
        };
        first("gave:title", &mut self.title, &sidecar.title);
        first(
            "gave:description",
            &mut self.description,
            &sidecar.description,
        );
        if places {
            let place = sidecar
                .place
                .clone()
                .or_else(|| sidecar.point.map(|point| point.to_string()));
            first("gave:place", &mut self.place, &place);
        }
        if self.taken.is_none() && sidecar.taken.is_some() {
            self.taken = sidecar.taken;
            gave.push(GAVE_DATE);
        }
        for (name, known, said) in [
            ("gave:tags", &mut self.tags, &sidecar.tags),
            ("gave:people", &mut self.people, &sidecar.people),
        ] {
            let before = known.len();
            for word in said {
                if !known.contains(word) {
                    known.push(word.clone());
                }
            }
            if known.len() > before {
                gave.push(name);
            }
        }
        gave
    }

    /// Fills in what `memory`, which was there before its sidecars, does not say; what somebody wrote stays. `None` where nothing
    /// is to be changed.
    pub fn fill(&self, facts: &Facts, memory: &Memory) -> Option<MemoryMetadata> {
        let before = &memory.metadata;
        let mut metadata = before.clone();
        // The file's name is what stands there where nobody gave a title.
        if before
            .title
            .as_deref()
            .is_none_or(|title| title == facts.name)
            && self.title.is_some()
        {
            metadata.title.clone_from(&self.title);
        }
        if before.description.is_none() {
            metadata.description.clone_from(&self.description);
        }
        if before.location.is_none() {
            metadata.location.clone_from(&self.place);
        }
        for tag in &self.tags {
            if !metadata.tags.contains(tag) {
                metadata.tags.push(tag.clone());
            }
        }
        if before.people_in_memory.as_ref().is_none_or(Vec::is_empty) && !self.people.is_empty() {
            metadata.people_in_memory = Some(self.people.clone());
        }
        if let Some(taken) = self.taken
            && date_is_a_guess(memory)
        {
            metadata.date_of_memory = Some(taken.nanos);
        }
        (metadata != *before).then_some(metadata)
    }
}

/// Whether the memory's date came from a file's name or time, and nobody has changed it.
fn date_is_a_guess(memory: &Memory) -> bool {
    let guesses = [TimeSource::FileName.tag(), TimeSource::FileTime.tag()];
    let original = assets_of(memory)
        .into_iter()
        .find(|asset| asset.asset_type == AssetType::Original);
    let guessed = original.is_none_or(|original| {
        original
            .tags
            .iter()
            .any(|tag| guesses.contains(&tag.as_str()))
    });
    guessed
        && memory
            .metadata
            .date_of_memory
            .is_none_or(|date| date == memory.metadata.created_at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{capture::Point, sidecar::SidecarKind};

    fn sidecar(kind: SidecarKind) -> Sidecar {
        Sidecar {
            kind,
            title: None,
            description: None,
            tags: Vec::new(),
            people: Vec::new(),
            taken: None,
            place: None,
            point: None,
        }
    }

    #[test]
    fn the_first_who_says_something_counts() {
        let xmp = Sidecar {
            title: Some("Sea".into()),
            tags: vec!["sea".into()],
            point: Point::new(1.0, 2.0),
            ..sidecar(SidecarKind::Xmp)
        };
        let json = Sidecar {
            title: Some("IMG_1.jpg".into()),
            tags: vec!["sea".into(), "favorite".into()],
            people: vec!["Granny".into()],
            taken: CaptureTime::at(5, 0, TimeSource::Takeout),
            ..sidecar(SidecarKind::Takeout)
        };
        let mut told = Told::default();
        assert_eq!(told.add(&xmp, false), ["gave:title", "gave:tags"]);
        assert_eq!(
            told.add(&json, false),
            ["gave:date", "gave:tags", "gave:people"]
        );
        assert_eq!(told.title.as_deref(), Some("Sea"));
        assert_eq!(told.tags, ["sea", "favorite"]);
        assert_eq!(told.place, None);
        assert_eq!(told.add(&xmp, true), ["gave:place"]);
        assert_eq!(told.place.as_deref(), Some("1.000000, 2.000000"));
    }
}
