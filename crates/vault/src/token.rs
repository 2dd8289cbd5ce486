//! Access tokens for content over HTTP (contract, "HTTP"): what may be read, until when, and for whom or through which share link,
//! authenticated by a key that only the vault knows. A token is base64url of its payload and the first 16 bytes of the payload's
//! HMAC-SHA256 (RFC 2104).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use candid::Principal;
use hmac::{Hmac, Mac};
use keepsake_api::AssetType;
use minicbor::{Decode, Encode};
use sha2::Sha256;

use crate::hash::Sha256Digest;
use crate::ids::{AssetId, MemoryId, ShareLinkId};
use crate::stored::Coded;

const TAG_LEN: usize = 16;

/// On whose rights a token rests: they are looked at whenever it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// It stops working when this person loses access.
    Person(Principal),
    /// It stops working when this share link does.
    ShareLink(ShareLinkId),
}

/// What a token opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenScope {
    pub memory: MemoryId,
    pub variants: Vec<AssetType>,
    /// The assets it opens; empty: any of the variants.
    pub assets: Vec<AssetId>,
    /// Nanoseconds since 1970 UTC.
    pub expires: u64,
    pub holder: Holder,
}

#[derive(Encode, Decode)]
struct Payload {
    #[cbor(n(0), with = "minicbor::bytes")]
    memory: [u8; 16],
    #[n(1)]
    variants: Vec<Coded<AssetType>>,
    #[cbor(n(2), with = "minicbor::bytes")]
    assets: Vec<u8>,
    #[n(3)]
    expires: u64,
    /// Empty where the holder is a share link.
    #[cbor(n(4), with = "minicbor::bytes")]
    caller: Vec<u8>,
    #[cbor(n(5), with = "minicbor::bytes")]
    share_link: Option<[u8; 16]>,
}

/// Why a token opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("the token is malformed")]
    Malformed,
    #[error("the token was not made by this vault")]
    Forged,
    #[error("the token has expired")]
    Expired,
}

/// The key that authenticates tokens.
pub struct TokenKey {
    mac: Hmac<Sha256>,
}

impl TokenKey {
    pub fn new(secret: Sha256Digest) -> Self {
        match Hmac::new_from_slice(&secret) {
            Ok(mac) => TokenKey { mac },
            // HMAC takes keys of any length (RFC 2104, section 2).
            Err(_) => unreachable!("HMAC refused a key of 32 bytes"),
        }
    }

    pub fn mint(&self, scope: &TokenScope) -> String {
        let (caller, share_link) = match scope.holder {
            Holder::Person(caller) => (caller.as_slice().to_vec(), None),
            Holder::ShareLink(link) => (Vec::new(), Some(link.0)),
        };
        let payload = Payload {
            memory: scope.memory.0,
            variants: scope.variants.iter().copied().map(Coded).collect(),
            assets: scope.assets.iter().flat_map(|asset| asset.0).collect(),
            expires: scope.expires,
            caller,
            share_link,
        };
        let mut bytes = minicbor::to_vec(&payload).unwrap_or_default();
        let mut mac = self.mac.clone();
        mac.update(&bytes);
        bytes.extend_from_slice(&mac.finalize().into_bytes()[..TAG_LEN]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What the token opens at this time.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn open(&self, token: &str, now: u64) -> Result<TokenScope, TokenError> {
        let bytes = URL_SAFE_NO_PAD
            .decode(token)
            .map_err(|_| TokenError::Malformed)?;
        let (payload, tag) = bytes
            .len()
            .checked_sub(TAG_LEN)
            .map(|at| bytes.split_at(at))
            .ok_or(TokenError::Malformed)?;
        let mut mac = self.mac.clone();
        mac.update(payload);
        mac.verify_truncated_left(tag)
            .map_err(|_| TokenError::Forged)?;
        let payload: Payload = minicbor::decode(payload).map_err(|_| TokenError::Malformed)?;
        if now >= payload.expires {
            return Err(TokenError::Expired);
        }
        Ok(TokenScope {
            memory: MemoryId(payload.memory),
            variants: payload.variants.into_iter().map(|v| v.0).collect(),
            assets: payload
                .assets
                .chunks_exact(16)
                .map(|id| {
                    let mut asset = [0; 16];
                    asset.copy_from_slice(id);
                    AssetId(asset)
                })
                .collect(),
            expires: payload.expires,
            holder: match payload.share_link {
                Some(link) => Holder::ShareLink(ShareLinkId(link)),
                None => Holder::Person(
                    Principal::try_from_slice(&payload.caller)
                        .map_err(|_| TokenError::Malformed)?,
                ),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_what_it_was_minted_for_and_no_other_key_or_time_does() {
        let key = TokenKey::new([7; 32]);
        let scope = TokenScope {
            memory: MemoryId([1; 16]),
            variants: vec![AssetType::Thumbnail],
            assets: vec![AssetId([2; 16]), AssetId([3; 16])],
            expires: 100,
            holder: Holder::Person(Principal::self_authenticating([9])),
        };
        let through_link = TokenScope {
            holder: Holder::ShareLink(ShareLinkId([4; 16])),
            ..scope.clone()
        };
        assert_eq!(key.open(&key.mint(&through_link), 99), Ok(through_link));
        let token = key.mint(&scope);
        assert_eq!(key.open(&token, 99), Ok(scope));
        assert_eq!(key.open(&token, 100), Err(TokenError::Expired));
        assert_eq!(
            TokenKey::new([8; 32]).open(&token, 0),
            Err(TokenError::Forged)
        );
        for at in 0..token.len() {
            let mut forged = token.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            assert!(key.open(&forged, 0).is_err());
        }
        for bad in ["", "A", "====", "AAAA", "ä"] {
            assert_eq!(key.open(bad, 0), Err(TokenError::Malformed), "{bad}");
        }
    }
}
