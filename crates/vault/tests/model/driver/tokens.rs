//! Tokens for content over HTTP, compared as far as minting goes.

use super::Driver;
use crate::calls::{Pick, Who};
use crate::model::{Model, Refusal, Scope};
use crate::pools::ANONYMOUS;

impl Driver {
    /// One token for the first memory, and one for each.
    pub(super) fn mint(
        &mut self,
        who: Who,
        memories: &[Pick],
        variants: &[&str],
        assets: Option<&[Option<usize>]>,
        ttl: u32,
    ) {
        let (first, _, who) = self.memory_and_caller(memories[0], who);
        let of_first = |nth: usize| {
            let assets = &self.model.memories.get(first.as_ref()?)?.assets;
            assets.get(nth).map(|asset| asset.id.clone())
        };
        let named: Option<Vec<_>> = assets.map(|assets| {
            let each = assets.iter();
            each.map(|nth| nth.and_then(of_first)).collect()
        });
        let ids: Option<Vec<String>> = named.as_ref().map(|named| {
            let each = named.iter().map(Option::as_ref);
            each.map(|id| id.map_or("asset".into(), |id| self.assets.of(id).to_owned()))
                .collect()
        });
        let scope = Scope {
            variants,
            assets: named.as_deref(),
        };
        let texts: Vec<String> = variants.iter().map(|name| (*name).to_owned()).collect();
        let picked: Vec<_> = memories
            .iter()
            .map(|pick| self.memory_pick(*pick))
            .collect();
        let context = self.context(who);
        let caller = (who, self.now);

        let expected = self
            .model
            .mint_http_token(caller, picked[0].0.as_ref(), &scope);
        let got = (self.vault).mint_http_token(context, &picked[0].1, &texts, ids.as_deref(), ttl);
        if let Some((_, token)) = self.agree("mint_http_token", expected, got) {
            assert!(!token.is_empty());
        }

        let names: Vec<String> = picked.iter().map(|(_, real)| real.clone()).collect();
        let mut expected = Model::check_variants(variants);
        if who == ANONYMOUS {
            expected = Err(vec![Refusal::Unauthorized]);
        }
        let got = (self.vault).mint_http_tokens_bulk(context, names, &texts, ids.as_deref(), ttl);
        if let Some((_, got)) = self.agree("mint_http_tokens_bulk", expected, got) {
            let minted = picked.iter().filter(|(id, _)| {
                let answer = self.model.mint_http_token(caller, id.as_ref(), &scope);
                answer.is_ok()
            });
            let minted: Vec<&String> = minted.map(|(_, real)| real).collect();
            assert_eq!(got.iter().map(|(id, _)| id).collect::<Vec<_>>(), minted);
            assert!(got.iter().all(|(_, token)| !token.is_empty()));
        }
    }
}
