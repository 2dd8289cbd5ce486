//! Tokens for content over HTTP, as far as minting goes, as the contract says.

use super::access::DOWNLOAD;
use super::{Answer, AssetId, MemoryId, Model, Refusal, VIEW, invalid, none_of};

const VARIANTS: &[&str] = &["original", "display", "thumbnail", "placeholder"];

/// What a token is asked for: variants, and assets of theirs where not all.
pub struct Scope<'a> {
    pub variants: &'a [&'a str],
    /// `None` inside: no asset that ever was.
    pub assets: Option<&'a [Option<AssetId>]>,
}

impl Model {
    pub fn mint_http_token(
        &self,
        (who, now): (usize, u64),
        id: Option<&MemoryId>,
        scope: &Scope,
    ) -> Answer<()> {
        let id = self.memory((who, now), id, VIEW)?;
        let mut wrong = Self::check_variants(scope.variants)
            .err()
            .unwrap_or_default();
        if scope.variants.contains(&"original") && self.may(who, &id, now) & DOWNLOAD == 0 {
            wrong.push(Refusal::Unauthorized);
        }
        if let Some(named) = scope.assets {
            let has = |asset: &Option<AssetId>| {
                let mut assets = self.memories[&id].assets.iter();
                assets.any(|known| Some(&known.id) == asset.as_ref())
            };
            if named.is_empty() {
                wrong.push(invalid("asset_ids"));
            }
            if !named.iter().all(has) {
                wrong.push(Refusal::NotFound);
            }
        }
        none_of(wrong)
    }

    pub fn check_variants(variants: &[&str]) -> Answer<()> {
        let are_good = !variants.is_empty() && variants.iter().all(|name| VARIANTS.contains(name));
        none_of(if are_good {
            vec![]
        } else {
            vec![invalid("variants")]
        })
    }
}
