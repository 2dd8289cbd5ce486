//! `keepsake search`: memories by text, date, type and tag. The vault keeps no index: every page of the capsule's listing is
//! read, and what fits is kept, here.

use anyhow::Result;
use clap::ValueEnum;
use keepsake_client::api::{MemoryHeader, MemoryType};

use crate::{
    Outcome,
    args::Common,
    connect,
    dates::{self, Span},
    list,
    output::Output,
};

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
    /// From when on: 2020, 2020-05, 2020-05-01 or 2020-05-01T12:00:00Z (UTC)
    #[arg(long, value_name = "DATE", value_parser = dates::parse)]
    pub from: Option<Span>,
    /// Until when: the same forms; a year, month or day is included
    #[arg(long, value_name = "DATE", value_parser = dates::parse)]
    pub until: Option<Span>,
    /// Of this type; given several times: of one of them
    #[arg(long = "type", value_name = "TYPE")]
    pub types: Vec<Type>,
    /// With this tag; given several times: with all of them
    #[arg(long = "tag", value_name = "TAG")]
    pub tags: Vec<String>,
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
            for header in headers.into_iter().filter(|header| wanted.fits(header)) {
                count += 1;
                if output.is_json() {
                    found.push(list::Listed::from(header));
                } else {
                    output.line(&list::row(&header))?;
                }
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
        }
    }
}

impl Wanted {
    fn fits(&self, header: &MemoryHeader) -> bool {
        let at = header.created_at;
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
        self.from.is_none_or(|from| at >= from)
            // A moment is included in itself.
            && self.until.is_none_or(|until| at < until.end || at == until.begin)
            && (self.types.is_empty() || self.types.contains(&header.memory_type))
            && self.tags.iter().all(|tag| tags.contains(tag))
            && self.words.iter().all(has)
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
            capsule: None,
        };
        change(&mut search);
        Wanted::from(&search).fits(&header())
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
        let date = |text: &str| Some(dates::parse(text).unwrap());
        assert!(fits(|s| s.from = date("2020-05-01")));
        assert!(!fits(|s| s.from = date("2020-05-02")));
        assert!(fits(|s| s.until = date("2020-05-01")));
        assert!(!fits(|s| s.until = date("2020-04")));
        assert!(fits(|s| s.until = date("2020-05-01T12:33:22Z")));
        assert!(!fits(|s| s.until = date("2020-05-01T12:33:21Z")));
    }
}
