//! Minting access tokens for content over HTTP (contract, "HTTP").

use ic_stable_structures::Memory as StableMemory;
use keepsake_api::AssetType;

use super::record::Memory;
use crate::Vault;
use crate::access::Permissions;
use crate::call::Call;
use crate::error::{Error, Result};
use crate::ids::AssetId;
use crate::limits;
use crate::person::Person;
use crate::token::{SECRET, TokenKey, TokenScope};

impl<M: StableMemory> Vault<M> {
    /// A token that opens the memory's assets of these variants (`original`, `display`, `thumbnail`, `placeholder`), or of them
    /// those with these ids, for `ttl_seconds`: 0 and more than 180 count as 180. It stops working when the caller loses access.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller, and for the original where the caller may view but not download it;
    /// [`Error::NotFound`] for a memory that the caller may not view, and for an id that is not one of its assets;
    /// [`Error::Invalid`] for variants that are none.
    pub fn mint_http_token(
        &self,
        call: Call,
        memory: &str,
        variants: &[String],
        assets: Option<&[String]>,
        ttl_seconds: u32,
    ) -> Result<String> {
        let person = self.person(call)?;
        let (memory, may) = self.visible_memory(&person, call.now, memory)?;
        let variants = parse_variants(variants)?;
        let scope = scope(
            &person,
            call.now,
            &memory,
            may,
            variants,
            assets,
            ttl_seconds,
        )?;
        Ok(TokenKey::new(self.settings.secret(SECRET)?).mint(&scope))
    }

    /// Tokens for several memories, each as [`Self::mint_http_token`] mints it; those it refuses are left out.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller; [`Error::Invalid`] for variants that are none, and for more than
    /// [`limits::BULK_MAX`] ids.
    pub fn mint_http_tokens_bulk(
        &self,
        call: Call,
        memories: Vec<String>,
        variants: &[String],
        assets: Option<&[String]>,
        ttl_seconds: u32,
    ) -> Result<Vec<(String, String)>> {
        let person = self.person(call)?;
        limits::check_bulk("memory_ids", memories.len())?;
        let variants = parse_variants(variants)?;
        let key = TokenKey::new(self.settings.secret(SECRET)?);
        Ok(memories
            .into_iter()
            .filter_map(|id| {
                let (memory, may) = self.visible_memory(&person, call.now, &id).ok()?;
                let scope = scope(
                    &person,
                    call.now,
                    &memory,
                    may,
                    variants.clone(),
                    assets,
                    ttl_seconds,
                )
                .ok()?;
                Some((id, key.mint(&scope)))
            })
            .collect())
    }
}

fn scope(
    person: &Person,
    now: u64,
    memory: &Memory,
    may: Permissions,
    variants: Vec<AssetType>,
    assets: Option<&[String]>,
    ttl_seconds: u32,
) -> Result<TokenScope> {
    let downloads = variants.contains(&AssetType::Original);
    if downloads && !may.has(Permissions::VIEW.union(Permissions::DOWNLOAD)) {
        return Err(Error::Unauthorized);
    }
    let assets = match assets {
        None => Vec::new(),
        Some([]) => {
            return Err(Error::invalid(
                "asset_ids",
                "none given; leave it out for all assets of the variants",
            ));
        }
        Some(ids) => ids
            .iter()
            .map(|id| {
                AssetId::parse(id)
                    .filter(|id| memory.record.assets.iter().any(|asset| asset.id() == *id))
                    .ok_or(Error::NotFound)
            })
            .collect::<Result<_>>()?,
    };
    let ttl = match ttl_seconds {
        0 => limits::TOKEN_TTL_MAX_SECONDS,
        ttl => ttl.min(limits::TOKEN_TTL_MAX_SECONDS),
    };
    Ok(TokenScope {
        memory: memory.id,
        variants,
        assets,
        expires: now + u64::from(ttl) * 1_000_000_000,
        caller: person.acting,
    })
}

fn parse_variants(names: &[String]) -> Result<Vec<AssetType>> {
    let mut variants = Vec::new();
    for name in names {
        let variant = match name.as_str() {
            "original" => AssetType::Original,
            "display" => AssetType::Display,
            "thumbnail" => AssetType::Thumbnail,
            "placeholder" => AssetType::Placeholder,
            other => {
                return Err(Error::invalid(
                    "variants",
                    format!("{other:?} is none; original, display, thumbnail and placeholder are"),
                ));
            }
        };
        if !variants.contains(&variant) {
            variants.push(variant);
        }
    }
    if variants.is_empty() {
        return Err(Error::invalid(
            "variants",
            "none given; original, display, thumbnail and placeholder are allowed",
        ));
    }
    Ok(variants)
}
