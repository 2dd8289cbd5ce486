//! Minting access tokens for content over HTTP (contract, "HTTP"), and replacing the key that they are made with.

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
use crate::token::{Holder, TokenScope};

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
        Ok(self.settings.token_maker()?.mint(&scope))
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
        let key = self.settings.token_maker()?;
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

    /// Replaces the key with this number, which access tokens are made with: none that was minted before opens anything any more. Again:
    /// nothing, the key is replaced already.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for everybody but an operator, who controls the canister; [`Error::Invalid`] for a number that no key has
    /// had yet.
    pub fn http_token_key_rotate(
        &mut self,
        call: Call,
        is_operator: bool,
        number: u32,
    ) -> Result<()> {
        call.check_named()?;
        if !is_operator {
            return Err(Error::Unauthorized);
        }
        let current = self.settings.get().token_key();
        if number > current {
            return Err(Error::invalid(
                "number",
                format!("{number}; the key in use has the number {current}"),
            ));
        }
        if number == current {
            self.settings.set_token_key(current.saturating_add(1));
        }
        Ok(())
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
        holder: Holder::Person(person.acting),
    })
}

/// The type of the assets that a variant's name stands for.
pub(super) fn variant_type(name: &str) -> Option<AssetType> {
    match name {
        "original" => Some(AssetType::Original),
        "display" => Some(AssetType::Display),
        "thumbnail" => Some(AssetType::Thumbnail),
        "placeholder" => Some(AssetType::Placeholder),
        _ => None,
    }
}

fn parse_variants(names: &[String]) -> Result<Vec<AssetType>> {
    let mut variants = Vec::new();
    for name in names {
        let variant = variant_type(name).ok_or_else(|| {
            Error::invalid(
                "variants",
                format!("{name:?} is none; original, display, thumbnail and placeholder are"),
            )
        })?;
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
