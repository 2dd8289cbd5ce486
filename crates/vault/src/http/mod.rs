//! What the vault answers over HTTP (contract, "HTTP"). Requests come from anybody: nothing is given here because of who asks, only to
//! holders of tokens, and what is public (I6). Whatever a request contains is answered; nothing in it can make the vault trap.

mod asset;
mod metrics;
mod range;
mod target;

#[cfg(test)]
mod tests;

use ic_stable_structures::Memory;
use keepsake_api::{ByteBuf, HttpRequest, HttpResponse};

use crate::Vault;
use crate::upkeep::Means;
use target::Target;

impl<M: Memory> Vault<M> {
    /// Answers a request at this time. Reads at most [`crate::limits::HTTP_BODY_MAX`] bytes of content.
    pub fn http_request(&self, now: u64, means: Means, request: &HttpRequest) -> HttpResponse {
        let target = Target::parse(&request.url);
        let is_head = match request.method.as_str() {
            "GET" => false,
            "HEAD" => true,
            _ => return not_allowed(),
        };
        let mut response = match target.segments().as_slice() {
            ["metrics"] => {
                let text = metrics::text(&self.status(now, means));
                whole(metrics::CONTENT_TYPE, text.into_bytes())
            }
            ["asset", memory, variant] => {
                self.asset_response(now, request, &target, memory, variant, is_head)
            }
            _ => refusal(404, "There is nothing at this address."),
        };
        if is_head {
            response.body = ByteBuf::new();
        }
        response
    }
}

fn not_allowed() -> HttpResponse {
    let mut response = refusal(405, "Only GET and HEAD are allowed here.");
    response.headers.push(header("Allow", "GET, HEAD"));
    response
}

/// An answer that says what is wrong.
fn refusal(status: u16, what: &str) -> HttpResponse {
    let mut response = whole(
        "text/plain; charset=utf-8",
        format!("{what}\n").into_bytes(),
    );
    response.status_code = status;
    response
}

/// A whole body that is made anew for each request.
fn whole(content_type: &str, body: Vec<u8>) -> HttpResponse {
    HttpResponse {
        status_code: 200,
        headers: vec![
            header("Content-Type", content_type),
            header("Content-Length", body.len()),
            header("Cache-Control", "no-store"),
            header("X-Content-Type-Options", "nosniff"),
            header("Referrer-Policy", "no-referrer"),
        ],
        body: ByteBuf::from(body),
        upgrade: None,
    }
}

fn header(name: &str, value: impl ToString) -> (String, String) {
    (name.to_owned(), value.to_string())
}

/// The value of the request's first header of this name (RFC 9110, section 5.1: names know no case).
fn header_of<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    request
        .headers
        .iter()
        .find(|(given, _)| given.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}
