//! Tokens for content over HTTP, and what they open, compared.

use keepsake_api::{ByteBuf, HttpRequest, HttpResponse};

use super::Driver;
use crate::calls::{Ask, Call, Pick, TokenPick, Who};
use crate::model::{Asked, Asset, Model, Place, Refusal, Scope, Token};
use crate::pools::ANONYMOUS;

impl Driver {
    /// One token for the first memory, and one for each.
    pub(super) fn mint(
        &mut self,
        who: Who,
        memories: &[Pick],
        variants: &[&'static str],
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
        let each = memories.iter();
        let picked: Vec<_> = each.map(|pick| self.memory_pick(*pick)).collect();
        let (context, caller) = (self.context(who), (who, self.now));

        let (id, real) = &picked[0];
        let expected = self.model.mint_http_token(caller, id.as_ref(), &scope, ttl);
        let got = (self.vault).mint_http_token(context, real, &texts, ids.as_deref(), ttl);
        let minted = self.agree("mint_http_token", expected, got);
        self.tokens.extend(minted);

        let names: Vec<String> = picked.iter().map(|(_, real)| real.clone()).collect();
        let mut expected = Model::check_variants(variants);
        if who == ANONYMOUS {
            expected = Err(vec![Refusal::Unauthorized]);
        }
        let got = (self.vault).mint_http_tokens_bulk(context, names, &texts, ids.as_deref(), ttl);
        if let Some((_, got)) = self.agree("mint_http_tokens_bulk", expected, got) {
            let each = picked.iter().filter_map(|(id, real)| {
                let minted = self.model.mint_http_token(caller, id.as_ref(), &scope, ttl);
                Some((real, minted.ok()?))
            });
            let (names, minted): (Vec<_>, Vec<_>) = each.unzip();
            assert_eq!(got.iter().map(|(id, _)| id).collect::<Vec<_>>(), names);
            let tokens = got.iter().map(|(_, token)| token.clone());
            self.tokens.extend(minted.into_iter().zip(tokens));
        }
    }

    fn token(&self, pick: TokenPick) -> (Option<Token>, Option<Result<(), u16>>, String) {
        let nth = |n| Self::nth_newest(n, self.tokens.len()).map(|nth| &self.tokens[nth]);
        match pick {
            TokenPick::Nth(n) | TokenPick::Forged(n) => match nth(n) {
                Some((token, text)) if matches!(pick, TokenPick::Nth(_)) => {
                    (Some(token.clone()), Some(Ok(())), text.clone())
                }
                Some((token, text)) => (
                    Some(token.clone()),
                    Some(Err(403)),
                    with_another_letter(text),
                ),
                None => (None, None, String::new()),
            },
            TokenPick::None => (None, None, String::new()),
            TokenPick::Malformed => (None, Some(Err(400)), "no token".into()),
        }
    }

    pub(super) fn http(&mut self, call: &Call) {
        let Call::Http {
            token,
            memory,
            variant,
            asset,
            ask,
        } = call
        else {
            unreachable!("dispatched by its kind")
        };
        let (token, is_good, text) = self.token(*token);
        let token = token.as_ref();
        let of_token = token.map(|token| token.memory.clone());
        let (memory, real) = match (memory, of_token) {
            (None, Some(id)) => {
                let real = self.memories.of(&id).to_owned();
                (Some(id), real)
            }
            (pick, _) => self.memory_pick(pick.unwrap_or(Pick::Nth(0))),
        };
        let first = token.map_or("original", |token| token.variants[0]);
        let variant = variant.unwrap_or(first);
        let asset = asset.map(|nth| {
            let known = memory.as_ref().and_then(|id| self.model.memories.get(id));
            let asset = known.and_then(|known| known.assets.get(nth));
            asset.map(|asset| asset.id.clone())
        });
        let asked = Asked {
            token: is_good.map(|good| good.and(token.ok_or(403))),
            memory: memory.as_ref(),
            variant,
            asset: asset.clone(),
        };
        let mut expected = self.model.http_asset(self.now, &asked);
        if real.contains('/') {
            expected = Err([404].into()); // another path than that of an asset
        }
        let mut headers = vec![];
        let mut url = format!("/asset/{real}/{variant}");
        if let Some(id) = &asset {
            let id = id.as_ref().map_or("asset", |id| self.assets.of(id));
            url += &format!("?id={id}");
        }
        if is_good.is_some() {
            headers.push(("Authorization".to_owned(), format!("Bearer {text}")));
        }
        if let Ask::Range { first, last } = ask {
            headers.push(("Range".into(), format!("bytes={first}-{last}")));
        }
        let head = *ask == Ask::Head;
        let got = self.get(head, url.clone(), headers.clone());
        self.note("http_request", got.status_code.to_string());
        match expected {
            Err(statuses) => {
                assert!(
                    statuses.contains(&got.status_code),
                    "{url} with {token:?}: expected one of {statuses:?}, got {}",
                    got.status_code
                );
            }
            Ok(assets) => {
                let tag = self.served(&assets, &got, *ask);
                headers.push(("If-None-Match".into(), tag));
                let again = self.get(head, url, headers);
                assert_eq!((again.status_code, again.body.len()), (304, 0));
                self.note("http_request", "304".into());
            }
        }
    }

    pub(super) fn get(
        &self,
        head: bool,
        url: String,
        headers: Vec<(String, String)>,
    ) -> HttpResponse {
        let request = HttpRequest {
            method: if head { "HEAD" } else { "GET" }.into(),
            url,
            headers,
            body: ByteBuf::new(),
            certificate_version: Some(2),
        };
        self.vault.http_request(self.now, self.means(), &request)
    }

    /// Exactly one of these assets is served, or what was asked for of it; its entity tag.
    pub(super) fn served(&self, assets: &[Asset], got: &HttpResponse, ask: Ask) -> String {
        let header = |name: &str| {
            let mut headers = got.headers.iter();
            let found = headers.find(|(given, _)| given.eq_ignore_ascii_case(name));
            found.map_or("", |(_, value)| value.as_str())
        };
        assert_eq!(header("X-Content-Type-Options"), "nosniff");
        let tag_of = |asset: &Asset| {
            let sha = asset
                .metadata
                .base()
                .sha256
                .clone()
                .expect("the vault knows it");
            let digits: String = sha.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("\"{digits}\"")
        };
        let bytes_of = |asset: &Asset| match &asset.place {
            Place::Inline(bytes) => bytes.clone(),
            Place::Blob(blob) => self.model.blobs[*blob].bytes(),
            Place::External { .. } => unreachable!("external content is not served"),
        };
        let fits = |asset: &Asset| {
            let whole = bytes_of(asset);
            let (status, body, len) = match ask {
                Ask::Head => (200, vec![], asset.len),
                Ask::Range { first, .. } if first >= whole.len() => {
                    return got.status_code == 416;
                }
                Ask::Range { first, last } => {
                    let part = whole[first..whole.len().min(last + 1)].to_vec();
                    let len = part.len() as u64;
                    (206, part, len)
                }
                Ask::Whole => (200, whole, asset.len),
            };
            (got.status_code, &*got.body) == (status, &body)
                && header("ETag") == tag_of(asset)
                && header("Content-Length") == len.to_string()
                && header("Content-Type") == asset.metadata.base().mime_type
        };
        let asset = assets.iter().find(|asset| fits(asset));
        tag_of(asset.unwrap_or_else(|| panic!("{ask:?}: {got:?} is none of {assets:?}")))
    }
}

fn with_another_letter(text: &str) -> String {
    let (kept, last) = text.split_at(text.len() / 2);
    let another = if last.starts_with('A') { 'B' } else { 'A' };
    format!("{kept}{another}{}", &last[1..])
}
