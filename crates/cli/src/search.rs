//! `keepsake search`: memories by text, date, type, tag and person. The vault keeps no index: the capsule's listing is read page by
//! page, and what fits is kept, here.
//!
//! Listings do not carry the date of a memory or who is in it, so that these cost a query for each memory that fits otherwise. But
//! listings are in the order of that date, the newest first: a page whose last memory is too new is passed over, and the search ends
//! at the first memory that is too old.

use anyhow::Result;
use clap::ValueEnum;
use futures::{StreamExt, TryStreamExt, stream};
use keepsake_client::{
    ClientError, Vault,
    api::{Error as VaultError, MemoryHeader, MemoryMetadata, MemoryType},
};

use crate::{
    Outcome,
    args::Common,
    connect,
    dates::{self, Span},
    list,
    output::Output,
};

/// Queries in flight at the same time.
const WINDOW: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Type {
    Image,
    Video,
    Audio,
    Document,
    Note,
}

impl From<Type> for MemoryType {
    fn from(of: Type) -> Self {
        match of {
            Type::Image => MemoryType::Image,
            Type::Video => MemoryType::Video,
            Type::Audio => MemoryType::Audio,
            Type::Document => MemoryType::Document,
            Type::Note => MemoryType::Note,
        }
    }
}

#[derive(Debug, clap::Args)]
pub struct Search {
    /// Words, all of which are in title, description or tags; upper and lower case are the same
    #[arg(value_name = "TEXT")]
    pub text: Vec<String>,
    /// Taken from when on: 2020, 2020-05, 2020-05-01 or 2020-05-01T12:00:00Z (UTC)
    #[arg(long, value_name = "DATE", value_parser = dates::parse)]
    pub from: Option<Span>,
    /// Taken until when: the same forms; a year, month or day is included
    #[arg(long, value_name = "DATE", value_parser = dates::parse)]
    pub until: Option<Span>,
    /// Of this type; given several times: of one of them
    #[arg(long = "type", value_name = "TYPE")]
    pub types: Vec<Type>,
    /// With this tag; given several times: with all of them
    #[arg(long = "tag", value_name = "TAG")]
    pub tags: Vec<String>,
    /// With this person in it: a name or a part of it; given several times: with all of them
    #[arg(long = "person", value_name = "NAME")]
    pub people: Vec<String>,
    /// Capsule to search [default: your own]
    #[arg(long, value_name = "ID")]
    pub capsule: Option<String>,
}

pub async fn run(search: Search, common: &Common, output: &mut Output) -> Result<Outcome> {
    let vault = connect::vault(common).await?;
    let wanted = Wanted::from(&search);
    let capsule = connect::capsule(&vault, search.capsule).await?;
    let mut found = Vec::new();
    let mut seen = 0;
    let mut count = 0;
    if let Some(capsule) = &capsule {
        let mut pages = list::Pages::of(&vault, capsule);
        while let Some(headers) = pages.next().await? {
            seen += headers.len();
            let (fitting, is_over) = wanted.of_page(&vault, headers).await?;
            for (header, date) in fitting {
                count += 1;
                match (output.is_json(), date) {
                    (true, Some(date)) => found.push(list::Listed::taken(header, date)),
                    (true, None) => found.push(list::Listed::from(header)),
                    (false, date) => {
                        let date = date.unwrap_or(header.created_at);
                        output.line(&list::row_of(&header, date))?;
                    }
                }
            }
            if is_over {
                break;
            }
        }
    }
    if output.is_json() {
        output.json(&serde_json::json!({
            "capsule_id": capsule, "searched": seen, "memories": found,
        }))?;
    } else if count == 0 {
        eprintln!("keepsake: none of {seen} memories fits");
    }
    Ok(Outcome::AllWell)
}

/// What is looked for, in lower case.
struct Wanted {
    words: Vec<String>,
    from: Option<u64>,
    until: Option<Span>,
    types: Vec<MemoryType>,
    tags: Vec<String>,
    people: Vec<String>,
}

impl From<&Search> for Wanted {
    fn from(search: &Search) -> Self {
        Wanted {
            words: search
                .text
                .iter()
                .flat_map(|text| text.split_whitespace())
                .map(str::to_lowercase)
                .collect(),
            from: search.from.map(|span| span.begin),
            until: search.until,
            types: search.types.iter().map(|&of| of.into()).collect(),
            tags: search.tags.iter().map(|tag| tag.to_lowercase()).collect(),
            people: search
                .people
                .iter()
                .map(|name| name.to_lowercase())
                .collect(),
        }
    }
}

impl Wanted {
    /// Those of a page that fit, each with its date where it had to be read, and whether all that comes after the page is too old.
    async fn of_page(
        &self,
        vault: &Vault,
        headers: Vec<MemoryHeader>,
    ) -> Result<(Vec<(MemoryHeader, Option<u64>)>, bool), ClientError> {
        if !self.needs_reading() {
            let fitting = headers.into_iter().filter(|header| self.fits(header));
            return Ok((fitting.map(|header| (header, None)).collect(), false));
        }
        let mut is_over = false;
        if self.from.is_some() || self.until.is_some() {
            // The last one that is still there tells where the page ends.
            for header in headers.iter().rev() {
                if let Some(metadata) = read(vault, &header.id).await? {
                    let last = date(&metadata);
                    if self.is_too_new(last) {
                        return Ok((Vec::new(), false));
                    }
                    is_over = self.is_too_old(last);
                    break;
                }
            }
        }
        let fitting: Vec<Option<(MemoryHeader, Option<u64>)>> = stream::iter(headers)
            .filter(|header| std::future::ready(self.fits(header)))
            .map(|header| async move {
                let metadata = read(vault, &header.id).await?;
                let fits = |metadata: &MemoryMetadata| self.fits_whole(metadata);
                let date = metadata.filter(fits).map(|metadata| date(&metadata));
                Ok::<_, ClientError>(date.map(|date| (header, Some(date))))
            })
            .buffered(WINDOW)
            .try_collect()
            .await?;
        Ok((fitting.into_iter().flatten().collect(), is_over))
    }

    /// Whether a header does not tell enough.
    fn needs_reading(&self) -> bool {
        self.from.is_some() || self.until.is_some() || !self.people.is_empty()
    }

    fn is_too_old(&self, at: u64) -> bool {
        self.from.is_some_and(|from| at < from)
    }

    fn is_too_new(&self, at: u64) -> bool {
        // A moment is included in itself.
        self.until
            .is_some_and(|until| at >= until.end && at != until.begin)
    }

    /// By what a header tells.
    fn fits(&self, header: &MemoryHeader) -> bool {
        let tags: Vec<String> = header.tags.iter().map(|tag| tag.to_lowercase()).collect();
        let title = header
            .title
            .as_deref()
            .unwrap_or(&header.name)
            .to_lowercase();
        let description = header
            .description
            .as_deref()
            .unwrap_or_default()
            .to_lowercase();
        let has = |word: &String| {
            title.contains(word)
                || description.contains(word)
                || tags.iter().any(|tag| tag.contains(word))
        };
        (self.types.is_empty() || self.types.contains(&header.memory_type))
            && self.tags.iter().all(|tag| tags.contains(tag))
            && self.words.iter().all(has)
    }

    /// By what only the memory tells.
    fn fits_whole(&self, metadata: &MemoryMetadata) -> bool {
        let at = date(metadata);
        let people: Vec<String> = metadata
            .people_in_memory
            .iter()
            .flatten()
            .map(|name| name.to_lowercase())
            .collect();
        let is_there = |wanted: &String| people.iter().any(|name| name.contains(wanted));
        !self.is_too_old(at) && !self.is_too_new(at) && self.people.iter().all(is_there)
    }
}

/// By which listings are ordered.
fn date(metadata: &MemoryMetadata) -> u64 {
    metadata.date_of_memory.unwrap_or(metadata.created_at)
}

/// `None` where it was deleted since it was listed.
async fn read(vault: &Vault, id: &str) -> Result<Option<MemoryMetadata>, ClientError> {
    match vault.memories_read(id).await {
        Ok(memory) => Ok(Some(memory.metadata)),
        Err(ClientError::Vault {
            error: VaultError::NotFound,
            ..
        }) => Ok(None),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use keepsake_client::api::{AssetLinks, SharingStatus};

    use super::*;

    fn header() -> MemoryHeader {
        MemoryHeader {
            id: "m".into(),
            capsule_id: "c".into(),
            name: "beach.jpg".into(),
            title: Some("Am Meer, Größe L".into()),
            description: Some("with Granny".into()),
            memory_type: MemoryType::Image,
            size: 1,
            asset_count: 1,
            tags: vec!["Summer".into()],
            parent_folder_id: None,
            sharing_status: SharingStatus::Private,
            shared_count: 0,
            assets: AssetLinks::default(),
            placeholder_data: None,
            database_storage_edges: Vec::new(),
            created_at: 1_588_336_402_000_000_000,
            updated_at: 0,
        }
    }

    fn fits(change: impl FnOnce(&mut Search)) -> bool {
        let mut search = Search {
            text: Vec::new(),
            from: None,
            until: None,
            types: Vec::new(),
            tags: Vec::new(),
            people: Vec::new(),
            capsule: None,
        };
        change(&mut search);
        let wanted = Wanted::from(&search);
        wanted.fits(&header()) && wanted.fits_whole(&metadata())
    }

    fn metadata() -> MemoryMetadata {
        MemoryMetadata {
            memory_type: MemoryType::Image,
            title: None,
            description: None,
            content_type: "image/jpeg".into(),
            created_at: 5,
            updated_at: 0,
            uploaded_at: 0,
            date_of_memory: Some(1_588_336_402_000_000_000),
            file_created_at: None,
            parent_folder_id: None,
            tags: Vec::new(),
            deleted_at: None,
            people_in_memory: Some(vec!["Granny Smith".into(), "Tom".into()]),
            location: None,
            memory_notes: None,
            created_by: None,
            database_storage_edges: Vec::new(),
            shared_count: 0,
            sharing_status: SharingStatus::Private,
            total_size: 0,
            asset_count: 0,
        }
    }

    #[test]
    fn everything_asked_for_has_to_fit() {
        assert!(fits(|_| {}));
        assert!(fits(|s| s.text = vec!["GRÖßE".into()]));
        assert!(fits(
            |s| s.text = vec!["meer granny".into(), "summer".into()]
        ));
        assert!(!fits(|s| s.text = vec!["meer".into(), "winter".into()]));
        assert!(fits(|s| s.tags = vec!["summer".into()]));
        assert!(!fits(|s| s.tags = vec!["sum".into()]));
        assert!(fits(|s| s.types = vec![Type::Video, Type::Image]));
        assert!(!fits(|s| s.types = vec![Type::Note]));
        assert!(fits(|s| s.people = vec!["granny".into(), "TOM".into()]));
        assert!(!fits(|s| s.people = vec!["granny".into(), "Ann Lee".into()]));
        let date = |text: &str| Some(dates::parse(text).unwrap());
        assert!(fits(|s| s.from = date("2020-05-01")));
        assert!(!fits(|s| s.from = date("2020-05-02")));
        assert!(fits(|s| s.until = date("2020-05-01")));
        assert!(!fits(|s| s.until = date("2020-04")));
        assert!(fits(|s| s.until = date("2020-05-01T12:33:22Z")));
        assert!(!fits(|s| s.until = date("2020-05-01T12:33:21Z")));
    }
}
