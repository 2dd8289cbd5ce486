//! Tokens for content over HTTP, and what they open, as the contract says.

use std::collections::BTreeSet;

use keepsake_api::AssetType;
use keepsake_vault::limits;

use super::access::DOWNLOAD;
use super::{
    Answer, Asset, AssetId, MemoryId, Model, Place, Refusal, VIEW, invalid, none_of, only,
};
use crate::pools::ANONYMOUS;

const SECOND: u64 = 1_000_000_000;

/// The assets that a variant's name stands for.
pub fn variant_type(name: &str) -> Option<AssetType> {
    match name {
        "original" => Some(AssetType::Original),
        "display" => Some(AssetType::Display),
        "thumbnail" => Some(AssetType::Thumbnail),
        "placeholder" => Some(AssetType::Placeholder),
        _ => None,
    }
}

/// What a token is asked for: variants, and assets of theirs where not all.
pub struct Scope<'a> {
    pub variants: &'a [&'static str],
    /// `None` inside: no asset that ever was.
    pub assets: Option<&'a [Option<AssetId>]>,
}

/// What a token opens, for whom, until when, and by which key.
#[derive(Clone, Debug)]
pub struct Token {
    pub memory: MemoryId,
    pub variants: Vec<&'static str>,
    pub assets: Option<Vec<AssetId>>,
    pub holder: usize,
    pub until: u64,
    pub key: u32,
}

/// What a request for an asset names.
pub struct Asked<'a> {
    /// `None`: none came along; an error inside: the answer to what is no token of this vault.
    pub token: Option<Result<&'a Token, u16>>,
    pub memory: Option<&'a MemoryId>,
    pub variant: &'a str,
    /// `None` inside: no asset that ever was.
    pub asset: Option<Option<AssetId>>,
}

impl Model {
    /// `ttl` in seconds; 0 and more than there may be take the most.
    pub fn mint_http_token(
        &self,
        (who, now): (usize, u64),
        id: Option<&MemoryId>,
        scope: &Scope,
        ttl: u32,
    ) -> Answer<Token> {
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
        none_of(wrong)?;
        let most = limits::TOKEN_TTL_MAX_SECONDS;
        let seconds = if ttl == 0 { most } else { ttl.min(most) };
        Ok(Token {
            memory: id,
            variants: scope.variants.to_vec(),
            assets: scope
                .assets
                .map(|named| named.iter().flatten().cloned().collect()),
            holder: self.acting(who),
            until: now + u64::from(seconds) * SECOND,
            key: self.token_key,
        })
    }

    pub fn check_variants(variants: &[&str]) -> Answer<()> {
        let are_good =
            !variants.is_empty() && variants.iter().all(|name| variant_type(name).is_some());
        none_of(if are_good {
            vec![]
        } else {
            vec![invalid("variants")]
        })
    }

    /// The assets of which one is served, or the statuses of which one is answered.
    pub fn http_asset(&self, now: u64, asked: &Asked) -> Result<Vec<Asset>, BTreeSet<u16>> {
        let of = |status| Err(BTreeSet::from([status]));
        let Some(variant) = variant_type(asked.variant) else {
            return of(404);
        };
        let token = match asked.token {
            None => return of(401),
            Some(Err(status)) => return of(status),
            Some(Ok(token)) if now >= token.until || token.key != self.token_key => return of(403),
            Some(Ok(token)) => token,
        };
        let mut wrong = BTreeSet::new();
        let named = token.assets.as_ref();
        let opens = |id: &AssetId| named.is_none_or(|named| named.contains(id));
        match &asked.asset {
            Some(None) => wrong.extend([403, 404]),
            Some(Some(id)) if !opens(id) => wrong.extend([403]),
            _ => {}
        }
        if asked.memory != Some(&token.memory) || !token.variants.contains(&asked.variant) {
            wrong.insert(403);
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let Some(memory) = self.memories.get(&token.memory) else {
            return of(404);
        };
        let fits = |asset: &&Asset| {
            asset.metadata.base().asset_type == variant
                && !matches!(asset.place, Place::External { .. })
                && opens(&asset.id)
                && asked.asset.iter().flatten().all(|id| *id == asset.id)
        };
        let assets: Vec<Asset> = memory.assets.iter().filter(fits).cloned().collect();
        let readable = |asset: &Asset| self.may_read(token.holder, &token.memory, asset, now);
        if self.may(token.holder, &token.memory, now) & VIEW == 0 {
            // Who has lost access learns nothing of what is there.
            return Err(BTreeSet::from([403, 404]));
        }
        if assets.is_empty() {
            return of(404);
        }
        if !assets.iter().all(readable) {
            return of(403);
        }
        Ok(assets)
    }

    /// Replaces the key with this number. Again: nothing.
    pub fn http_token_key_rotate(
        &mut self,
        who: usize,
        is_operator: bool,
        number: u32,
    ) -> Answer<()> {
        if who == ANONYMOUS || !is_operator {
            return only(Refusal::Unauthorized);
        }
        if number > self.token_key {
            return only(invalid("number"));
        }
        if number == self.token_key {
            self.token_key += 1;
        }
        Ok(())
    }
}
