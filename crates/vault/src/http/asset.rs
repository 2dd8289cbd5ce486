//! `GET /asset/<memory id>/<variant>?token=…[&id=<asset id>]`: an asset, or a range of it.
//!
//! One answer carries what fits a message. Content that is longer is answered in part, 206 with `Content-Range`, also where the whole was
//! asked for: a gateway asks for the rest and passes on the whole (HTTP gateway protocol, "Range requests"). Never is a part called the
//! whole.

use ic_stable_structures::Memory;
use keepsake_api::{ByteBuf, HttpRequest, HttpResponse};

use super::range::{Wanted, wanted};
use super::target::{Target, encoded};
use super::{header, header_of, refusal};
use crate::Vault;
use crate::limits;
use crate::memory::{AssetRequest, Refusal, ServedAsset};

impl<M: Memory> Vault<M> {
    pub(super) fn asset_response(
        &self,
        now: u64,
        request: &HttpRequest,
        target: &Target<'_>,
        memory: &str,
        variant: &str,
        is_head: bool,
    ) -> HttpResponse {
        let asset = target.parameter("id");
        let token = bearer(request).or_else(|| target.parameter("token"));
        let asked = AssetRequest {
            memory,
            variant,
            asset: asset.as_deref(),
            token: token.as_deref(),
        };
        match self.asset_by_token(now, asked) {
            Ok(asset) => self.content_response(request, &asset, is_head),
            Err(refused) => refused_response(&refused),
        }
    }

    fn content_response(
        &self,
        request: &HttpRequest,
        asset: &ServedAsset,
        is_head: bool,
    ) -> HttpResponse {
        let etag = etag(asset);
        if header_of(request, "If-None-Match").is_some_and(|tags| names(tags, &etag)) {
            return not_modified(asset, &etag);
        }
        // A range holds for the content it was meant for (RFC 9110, section 13.1.5), and for GET alone (section 14.2).
        let is_meant = header_of(request, "If-Range").is_none_or(|tag| tag.trim() == etag);
        let range = header_of(request, "Range").filter(|_| is_meant && !is_head);
        let (status, first, len) = match wanted(range, asset.len) {
            Wanted::Whole if is_head || asset.len <= limits::HTTP_BODY_MAX => (200, 0, asset.len),
            Wanted::Whole => (206, 0, limits::HTTP_BODY_MAX),
            Wanted::Part { first, last } => {
                (206, first, (last - first + 1).min(limits::HTTP_BODY_MAX))
            }
            Wanted::Nothing => return not_satisfiable(asset),
        };
        let mut headers = content_headers(asset, etag);
        headers.push(header("Content-Length", len));
        if status == 206 {
            let range = format!("bytes {first}-{}/{}", first + len - 1, asset.len);
            headers.push(header("Content-Range", range));
        }
        let mut body = Vec::new();
        if !is_head {
            self.append_asset(asset, first, len, &mut body);
        }
        HttpResponse {
            status_code: status,
            headers,
            body: ByteBuf::from(body),
            upgrade: None,
        }
    }
}

/// The token of an `Authorization: Bearer` header (RFC 6750, section 2.1).
fn bearer(request: &HttpRequest) -> Option<String> {
    let (scheme, token) = header_of(request, "Authorization")?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("Bearer")
        .then(|| token.trim().to_owned())
}

fn refused_response(refused: &Refusal) -> HttpResponse {
    let status = match refused {
        Refusal::NoToken => 401,
        Refusal::Malformed => 400,
        Refusal::Forbidden => 403,
        Refusal::NotFound => 404,
        Refusal::Internal(_) => 500,
    };
    let mut response = refusal(status, &refused.to_string());
    if status == 401 {
        response.headers.push(header("WWW-Authenticate", "Bearer"));
    }
    response
}

/// The content's SHA-256 as an entity tag.
fn etag(asset: &ServedAsset) -> String {
    let digits: String = asset.sha256.iter().map(|b| format!("{b:02x}")).collect();
    format!("\"{digits}\"")
}

/// Whether a list of entity tags names this one, weak or not (RFC 9110, section 13.1.2).
fn names(tags: &str, etag: &str) -> bool {
    tags.split(',')
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// How long a browser keeps what it was given, for its user alone. A token is part of the address, and none lives longer.
const CACHING: &str = "private, max-age=1800";
/// What came through a share link is asked for again each time, so that a revocation is felt.
const CACHING_THROUGH_LINK: &str = "private, no-cache";

fn caching(headers: &mut Vec<(String, String)>, asset: &ServedAsset, etag: String) {
    let caching = match asset.through_link {
        true => CACHING_THROUGH_LINK,
        false => CACHING,
    };
    headers.push(header("ETag", etag));
    headers.push(header("Cache-Control", caching));
    headers.push(header("Vary", "Authorization"));
}

fn not_modified(asset: &ServedAsset, etag: &str) -> HttpResponse {
    let mut headers = Vec::new();
    caching(&mut headers, asset, etag.to_owned());
    HttpResponse {
        status_code: 304,
        headers,
        body: ByteBuf::new(),
        upgrade: None,
    }
}

fn not_satisfiable(asset: &ServedAsset) -> HttpResponse {
    let mut response = refusal(416, "The range lies behind the end of the content.");
    let range = format!("bytes */{}", asset.len);
    response.headers.push(header("Content-Range", range));
    response
}

fn content_headers(asset: &ServedAsset, etag: String) -> Vec<(String, String)> {
    let content_type = content_type(&asset.content_type);
    let mut headers = vec![
        header("Content-Type", content_type),
        header("Accept-Ranges", "bytes"),
        header("X-Content-Type-Options", "nosniff"),
        header("Referrer-Policy", "no-referrer"),
    ];
    if !is_shown(content_type) {
        let disposition = format!("attachment; filename*=UTF-8''{}", encoded(&asset.name));
        headers.push(header("Content-Disposition", disposition));
        headers.push(header(
            "Content-Security-Policy",
            "default-src 'none'; sandbox",
        ));
    }
    caching(&mut headers, asset, etag);
    headers
}

/// The uploader's word for the content's type, where it has the form of one (RFC 9110, section 8.3.1) and nothing else can be read into it.
fn content_type(named: &str) -> &str {
    const UNKNOWN: &str = "application/octet-stream";
    const LONGEST: usize = 127;
    let essence = named.split(';').next().unwrap_or_default().trim();
    let is_token = |text: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
        !text.is_empty() && text.bytes().all(allowed)
    };
    let is_type = essence
        .split_once('/')
        .is_some_and(|(main, sub)| is_token(main) && is_token(sub));
    let is_plain = named
        .bytes()
        .all(|byte| byte == b' ' || byte.is_ascii_graphic());
    match is_type && is_plain && named.len() <= LONGEST {
        true => named,
        false => UNKNOWN,
    }
}

/// Whether a browser may show the content: images, sound and film. Anything else is a download, SVG too, which can carry scripts.
fn is_shown(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    let main = essence.split('/').next().unwrap_or_default();
    matches!(main, "image" | "audio" | "video")
        && !essence.contains("svg")
        && !essence.contains("xml")
}
