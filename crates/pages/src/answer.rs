//! Every answer there can be about a path, and the leaf of the tree that certifies it.
//!
//! What gives something is certified together with the request it is for: its method, that it has no body, and where the answer is that
//! nothing has changed, the very `If-None-Match` that says what the client has. A replica could otherwise tell a browser that an old page is
//! still the one. What gives nothing is certified for any request: a replica that wants to give nothing need only be silent.

use std::fmt::Display;

use ic_http_certification::{
    CERTIFICATE_EXPRESSION_HEADER_NAME, DefaultCelBuilder, DefaultFullCelExpression,
    DefaultResponseCertification, DefaultResponseOnlyCelExpression, HttpRequest, HttpResponse,
    Method, StatusCode, request_hash, response_hash,
};

use crate::file::{Coding, File};
use crate::headers::{Header, etag, header, of_content, of_refusal, of_unchanged};
use crate::tree::{Path, Tree};
use crate::{Hash, sha256};

/// An answer without its body and its certificate.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    /// With the expression that says how they are certified: all of them.
    pub headers: Vec<Header>,
    /// Where the leaf is below the path's node.
    leaf: Path,
}

/// An answer about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfFile {
    Content(Coding),
    Head(Coding),
    Unchanged(Coding),
}

/// An answer that gives nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    NotFound,
    /// To HEAD, which is not answered with a body.
    NotFoundHead,
    NotAllowed,
    /// A request for a file that carries a body, or an address that is none.
    Malformed,
}

/// The name of the request header that an answer of "unchanged" is bound to.
const IF_NONE_MATCH: &str = "If-None-Match";

fn all_headers<'a>() -> DefaultResponseCertification<'a> {
    DefaultResponseCertification::response_header_exclusions(vec![])
}

/// For requests of one method without a body.
fn by_method<'a>() -> DefaultFullCelExpression<'a> {
    DefaultCelBuilder::full_certification()
        .with_response_certification(all_headers())
        .build()
}

/// For requests of one method that have this one thing already.
fn by_condition<'a>() -> DefaultFullCelExpression<'a> {
    DefaultCelBuilder::full_certification()
        .with_request_headers(vec![IF_NONE_MATCH])
        .with_response_certification(all_headers())
        .build()
}

/// For any request.
fn by_path<'a>() -> DefaultResponseOnlyCelExpression<'a> {
    DefaultCelBuilder::response_only_certification()
        .with_response_certification(all_headers())
        .build()
}

impl Answer {
    /// What is answered about `file`; `cookie` is what documents set.
    pub fn of_file(file: &File<'_>, answer: OfFile, cookie: Option<&str>) -> Self {
        let nothing = sha256(&[]);
        match answer {
            OfFile::Content(coding) => {
                let headers = of_content(file, coding, cookie);
                let body = file.encoded(coding).sha256;
                Self::full(StatusCode::OK, headers, &body, Method::GET, None)
            }
            OfFile::Head(coding) => {
                let headers = of_content(file, coding, cookie);
                Self::full(StatusCode::OK, headers, &nothing, Method::HEAD, None)
            }
            OfFile::Unchanged(coding) => {
                let headers = of_unchanged(file, coding, cookie);
                let known = etag(&file.encoded(coding).sha256);
                let status = StatusCode::NOT_MODIFIED;
                Self::full(status, headers, &nothing, Method::GET, Some(known))
            }
        }
    }

    pub fn refusal(refusal: Refusal) -> Self {
        let mut headers = of_refusal(refusal.text().len());
        if refusal == Refusal::NotAllowed {
            headers.push(header("Allow", "GET, HEAD"));
        }
        let expression = by_path();
        let (response, headers) = with_expression(refusal.status(), headers, &expression);
        let body = sha256(refusal.body());
        let response = response_hash(&response, &expression.response, Some(body));
        Answer {
            status: refusal.status(),
            headers,
            leaf: leaf(&expression, Vec::new(), &response),
        }
    }

    fn full(
        status: StatusCode,
        headers: Vec<Header>,
        body: &Hash,
        method: Method,
        known: Option<String>,
    ) -> Self {
        let expression = match known {
            Some(_) => by_condition(),
            None => by_method(),
        };
        let (response, headers) = with_expression(status, headers, &expression);
        let response = response_hash(&response, &expression.response, Some(*body));
        let known = known.map(|tag| header(IF_NONE_MATCH, tag));
        let request = HttpRequest::builder()
            .with_method(method)
            .with_url("/")
            .with_headers(known.into_iter().collect())
            .build();
        // Fails for addresses that are none only, and of the address nothing counts here: the path is the leaf's place.
        let request = request_hash(&request, &expression.request).unwrap_or_default();
        Answer {
            status,
            headers,
            leaf: leaf(&expression, request.to_vec(), &response),
        }
    }

    /// Where the answer's leaf is below `path`.
    pub fn leaf_below(&self, path: &[Vec<u8>]) -> Path {
        path.iter().chain(&self.leaf).cloned().collect()
    }
}

/// The response as it is hashed, and its headers as they are sent.
fn with_expression<'a>(
    status: StatusCode,
    mut headers: Vec<Header>,
    expression: &impl Display,
) -> (HttpResponse<'a>, Vec<Header>) {
    headers.push(header(CERTIFICATE_EXPRESSION_HEADER_NAME, expression));
    let response = HttpResponse::builder()
        .with_status_code(status)
        .with_headers(headers.clone())
        .build();
    (response, headers)
}

fn leaf(expression: &impl Display, request: Vec<u8>, response: &Hash) -> Path {
    let expression = sha256(expression.to_string().as_bytes());
    vec![expression.to_vec(), request, response.to_vec()]
}

impl Refusal {
    pub fn status(self) -> StatusCode {
        match self {
            Refusal::NotFound | Refusal::NotFoundHead => StatusCode::NOT_FOUND,
            Refusal::NotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Refusal::Malformed => StatusCode::BAD_REQUEST,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Refusal::NotFound | Refusal::NotFoundHead => "There is nothing at this address.\n",
            Refusal::NotAllowed => "Only GET and HEAD are allowed here.\n",
            Refusal::Malformed => "This is not a request for a page.\n",
        }
    }

    pub fn body(self) -> &'static [u8] {
        match self {
            Refusal::NotFoundHead => &[],
            _ => self.text().as_bytes(),
        }
    }
}

/// What the tree holds for a file's path: all that may be answered there.
pub fn tree_of(file: &File<'_>, cookie: Option<&str>) -> Tree {
    let mut tree = Tree::default();
    for coding in file.codings() {
        let mut answers = vec![OfFile::Content(*coding), OfFile::Head(*coding)];
        if !file.is_lasting {
            answers.push(OfFile::Unchanged(*coding));
        }
        for answer in answers {
            tree.insert(&Answer::of_file(file, answer, cookie).leaf, Tree::Leaf);
        }
    }
    for refusal in [Refusal::NotAllowed, Refusal::Malformed] {
        tree.insert(&Answer::refusal(refusal).leaf, Tree::Leaf);
    }
    tree
}

/// What the tree holds for every path where there is nothing.
pub fn tree_of_nothing() -> Tree {
    let mut tree = Tree::default();
    for refusal in [
        Refusal::NotFound,
        Refusal::NotFoundHead,
        Refusal::NotAllowed,
        Refusal::Malformed,
    ] {
        tree.insert(&Answer::refusal(refusal).leaf, Tree::Leaf);
    }
    tree
}
