//! Content that is longer than a message (HTTP gateway protocol, "Range requests"). A canister answers a request for the whole with its
//! first part, 206; the gateway asks for the parts behind it and passes the whole on, one part in memory at a time. Where the content
//! changes meanwhile, or a part does not come, the connection ends before the length that was promised, so that nobody takes what there is
//! for the whole.

use super::{HttpRequest, HttpResponse, call, into_response, verify};
use crate::http::Interface;
use crate::http::refusal::Refusal;
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use futures::stream;
use std::io;
use std::sync::Arc;

/// Which bytes a part holds of how many (RFC 9110, section 14.4), the last one included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    first: u64,
    last: u64,
    total: u64,
}

impl Span {
    /// The response's part; `None` where it says none, or one that its body is not.
    fn of(response: &HttpResponse) -> Option<Span> {
        let value = response.header("content-range")?;
        let (range, total) = value.trim().strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let span = Span {
            first: first.parse().ok()?,
            last: last.parse().ok()?,
            total: total.parse().ok()?,
        };
        let len = span.last.checked_sub(span.first)?.checked_add(1)?;
        (span.last < span.total && len == response.body.len() as u64).then_some(span)
    }
}

/// Whether the response is the first part only of what was asked for as a whole.
pub(super) fn is_first_part(asked: &HttpRequest, response: &HttpResponse) -> bool {
    asked.method == "GET"
        && response.status_code == StatusCode::PARTIAL_CONTENT.as_u16()
        && asked.header("range").is_none()
        && Span::of(response).is_some_and(|span| span.first == 0)
}

/// The whole, of which `first` is the first part; where it `is_raw`, parts are not verified.
pub(super) fn whole(
    interface: Arc<Interface>,
    asked: HttpRequest,
    mut first: HttpResponse,
    is_raw: bool,
) -> Result<Response, Refusal> {
    let Some(span) = Span::of(&first) else {
        return into_response(first, false);
    };
    let rest = Rest {
        interface,
        asked,
        is_raw,
        etag: first.header("etag").map(str::to_string),
        total: span.total,
        next: span.last + 1,
    };
    let body = Bytes::from(std::mem::take(&mut first.body).into_vec());
    first.status_code = StatusCode::OK.as_u16();
    let framing = |name: &str| name.eq_ignore_ascii_case("content-range");
    first.headers.retain(|(name, _)| !framing(name));
    let mut response = into_response(first, false)?;
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, HeaderValue::from(span.total));
    let parts = stream::unfold((Some(body), rest), |(ready, mut rest)| async move {
        match ready {
            Some(body) => Some((Ok(body), (None, rest))),
            None if rest.next >= rest.total => None,
            None => {
                let part = rest.part().await;
                if part.is_err() {
                    rest.next = rest.total;
                }
                Some((part, (None, rest)))
            }
        }
    });
    *response.body_mut() = Body::from_stream(parts);
    Ok(response)
}

/// What is still to be asked for.
struct Rest {
    interface: Arc<Interface>,
    asked: HttpRequest,
    is_raw: bool,
    etag: Option<String>,
    total: u64,
    next: u64,
}

impl Rest {
    /// The next part.
    async fn part(&mut self) -> io::Result<Bytes> {
        let mut asked = self.asked.clone();
        let range = format!("bytes={}-", self.next);
        asked.headers.push(("range".to_string(), range));
        let answered = call(&*self.interface.backend, &asked).await;
        let mut response = answered
            .map_err(|_| io::Error::other("a part of the content could not be asked for"))?;
        if !self.is_raw {
            response = verify::verified(&self.interface, &asked, response)
                .await
                .map_err(|_| io::Error::other("a part of the content could not be verified"))?;
        }
        let span = Span::of(&response)
            .filter(|span| span.first == self.next && span.total == self.total)
            .filter(|_| response.header("etag") == self.etag.as_deref())
            .filter(|_| response.status_code == StatusCode::PARTIAL_CONTENT.as_u16())
            .ok_or_else(|| io::Error::other("the content changed while it was read"))?;
        self.next = span.last + 1;
        Ok(Bytes::from(response.body.into_vec()))
    }
}
