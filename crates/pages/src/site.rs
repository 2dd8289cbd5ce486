//! The site: which path is whose, and every answer of the gallery's with its certificate.

use ic_certification_4::HashTree;
use ic_certification_4::hash_tree::labeled_hash;
use ic_certification_4::labeled;
use ic_http_certification::utils::{
    PATH_PREFIX, add_v2_certificate_header, more_specific_wildcards_for,
};
use ic_http_certification::{
    CERTIFICATE_EXPRESSION_HEADER_NAME, DefaultCelBuilder, HttpCertificationPath, HttpRequest,
    HttpResponse,
};

use crate::answer::{Answer, OfFile, Refusal, tree_of, tree_of_nothing};
use crate::embed::MAX_SEGMENTS;
use crate::file::{Coding, File};
use crate::headers::{Header, etag};
use crate::negotiation::{coding, values};
use crate::tree::{Label, Path, Tree};
use crate::{Hash, sha256};

/// What ends the place of an answer in the tree: for a path, and for all below it.
const EXACT: &[u8] = b"<$>";
const BELOW: &[u8] = b"<*>";

/// The label of the start page: that of a slash at the end.
const START: &[u8] = b"";

/// Labels above each other in the tree, at most: of a file's path, its end, and of a leaf.
const DEPTH: usize = MAX_SEGMENTS + 1 + 3;

/// Where the canister runs, which pages learn from a cookie.
#[derive(Clone, Debug)]
pub struct Environment {
    /// What the network's certificates are verified against: DER.
    pub root_key: Vec<u8>,
    /// The canister's id, as text.
    pub canister_id: String,
}

impl Environment {
    /// A year, in seconds: a page that is opened without a network still knows whose it is.
    const KEPT: u32 = 31_536_000;

    /// The cookie that the Internet Computer's libraries read (`ic_env`): names and values, escaped as one component of an address.
    fn cookie(&self) -> String {
        let key: String = self.root_key.iter().map(|b| format!("{b:02x}")).collect();
        // Letters, digits and dashes need no escape; `=`, `&` and `:` do.
        format!(
            "ic_env=ic_root_key%3D{key}%26PUBLIC_CANISTER_ID%3Avault%3D{}; Path=/; Max-Age={}; SameSite=Lax",
            self.canister_id,
            Self::KEPT
        )
    }
}

/// A request, as the gateway passes it on.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub method: &'a str,
    /// Path and query.
    pub url: &'a str,
    pub headers: &'a [(String, String)],
    pub body: &'a [u8],
}

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Whose a path is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// The vault's, whose answers are not compared.
    Vault(Unchecked),
    /// The gallery's: this path, its escapes resolved.
    Page(String),
    /// An address that is none; nothing can be certified for it.
    Malformed,
}

/// Paths whose answers gateways do not compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unchecked {
    /// `/asset`, and all below it: content, any range of it.
    Assets,
    /// `/metrics`.
    Metrics,
}

impl Unchecked {
    fn path(self) -> HttpCertificationPath<'static> {
        match self {
            Unchecked::Assets => HttpCertificationPath::wildcard("/asset"),
            Unchecked::Metrics => HttpCertificationPath::exact("/metrics"),
        }
    }
}

/// The gallery's files, and the tree that certifies every answer.
#[derive(Debug)]
pub struct Site {
    files: &'static [File<'static>],
    cookie: Option<String>,
    /// All below `http_expr`, pages by their digest.
    tree: Tree,
    /// The same, where only what the root itself holds is more than a digest: an answer costs the same however many files there are, but for
    /// those beside the one that is asked for.
    outline: Tree,
    root_hash: Hash,
    /// What shows that answers at these paths are not compared: the same for every request.
    assets: HashTree,
    metrics: HashTree,
}

impl Site {
    /// Puts the tree together. `environment` is what the start page tells of the canister; `None` where that is not known.
    ///
    /// Hashes a few times for each file, and all of what is answered about documents.
    pub fn new(files: &'static [File<'static>], environment: Option<&Environment>) -> Self {
        let cookie = environment.map(Environment::cookie);
        let mut tree = Tree::default();
        tree.insert(&[BELOW.to_vec()], tree_of_nothing());
        for file in files {
            let digest = file
                .digest
                .unwrap_or_else(|| tree_of(file, cookie.as_deref()).digest());
            tree.insert(&place(file.path, EXACT), Tree::Known(digest));
        }
        let unchecked = [Unchecked::Assets, Unchecked::Metrics].map(|unchecked| {
            let mut path = labels(&unchecked.path());
            path.push(sha256(not_compared().as_bytes()).to_vec());
            tree.insert(&path, Tree::Leaf);
            path
        });
        let outline = tree.outline(&[b"asset", b"metrics", BELOW, START]);
        let [assets, metrics] = unchecked
            .each_ref()
            .map(|path| rooted(outline.witness(&[path])));
        Site {
            files,
            cookie,
            root_hash: labeled_hash(PATH_PREFIX.as_bytes(), &outline.digest()),
            tree,
            outline,
            assets,
            metrics,
        }
    }

    /// The root of the tree: the canister's certified data.
    pub fn root_hash(&self) -> Hash {
        self.root_hash
    }

    /// Whose the path of `url` is. Paths are taken apart as gateways do when they verify: escapes are resolved first.
    pub fn route(url: &str) -> Route {
        let Ok(path) = HttpRequest::get(url).build().get_path() else {
            return Route::Malformed;
        };
        let mut segments = path.split('/').filter(|segment| !segment.is_empty());
        match (segments.next(), segments.next()) {
            (Some("asset"), _) => Route::Vault(Unchecked::Assets),
            (Some("metrics"), None) if !path.ends_with('/') => Route::Vault(Unchecked::Metrics),
            _ => Route::Page(path),
        }
    }

    /// The headers that gateways take an answer of the vault's by; none without a certificate.
    pub fn unchecked_headers(
        &self,
        unchecked: Unchecked,
        certificate: Option<&[u8]>,
    ) -> Vec<Header> {
        let Some(certificate) = certificate else {
            return Vec::new();
        };
        let witness = match unchecked {
            Unchecked::Assets => &self.assets,
            Unchecked::Metrics => &self.metrics,
        };
        let path = unchecked.path().to_expr_path();
        vec![
            certificate_header(certificate, witness, &path),
            (CERTIFICATE_EXPRESSION_HEADER_NAME.into(), not_compared()),
        ]
    }

    /// Answers a request for a page. `path` is what [`Site::route`] made of its address; `None` for one that is none. Without a certificate,
    /// as in an update, the answer is the same and cannot be verified.
    pub fn answer(
        &self,
        path: Option<&str>,
        request: Request<'_>,
        certificate: Option<&[u8]>,
    ) -> Response {
        let file = path.and_then(|path| self.file(path));
        let (answer, body) = match file {
            Some(file) => self.answer_of(file, request),
            None => {
                let refusal = match (request.method, path) {
                    (_, None) => Refusal::Malformed,
                    ("GET", _) => Refusal::NotFound,
                    ("HEAD", _) => Refusal::NotFoundHead,
                    _ => Refusal::NotAllowed,
                };
                (Answer::refusal(refusal), refusal.body().to_vec())
            }
        };
        let mut headers = answer.headers.clone();
        if let Some(certificate) = certificate {
            headers.push(self.certified(file, path.unwrap_or("/"), &answer, certificate));
        }
        Response {
            status: answer.status.as_u16(),
            headers,
            body,
        }
    }

    fn file(&self, path: &str) -> Option<&'static File<'static>> {
        let asked = place(path, EXACT);
        self.files
            .iter()
            .find(|file| place(file.path, EXACT) == asked)
    }

    fn answer_of(&self, file: &File<'_>, request: Request<'_>) -> (Answer, Vec<u8>) {
        let refused = |refusal: Refusal| (Answer::refusal(refusal), refusal.body().to_vec());
        let of_file = |answer| Answer::of_file(file, answer, self.cookie.as_deref());
        let coding = coding(file, request.headers);
        match request.method {
            "GET" | "HEAD" if !request.body.is_empty() => refused(Refusal::Malformed),
            "GET" if self.is_known(file, coding, request.headers) => {
                (of_file(OfFile::Unchanged(coding)), Vec::new())
            }
            // Damage that cannot be: the answer has no leaf then, and no gateway passes it on.
            "GET" => match file.bytes(coding) {
                Ok(bytes) => (of_file(OfFile::Content(coding)), bytes),
                Err(_) => refused(Refusal::NotFound),
            },
            "HEAD" => (of_file(OfFile::Head(coding)), Vec::new()),
            _ => refused(Refusal::NotAllowed),
        }
    }

    /// Whether the request says that the client has just this. Only the plain form of that is heard, a single tag: an answer that nothing has
    /// changed is certified for the very words of the request, and for others the file itself is never wrong.
    fn is_known(&self, file: &File<'_>, coding: Coding, headers: &[(String, String)]) -> bool {
        let mut known = values(headers, "If-None-Match");
        let first = known.next();
        known.next().is_none()
            && !file.is_lasting
            && first.is_some_and(|tag| tag == etag(&file.encoded(coding).sha256))
    }

    /// The outline, with all there is beside and below this place.
    fn around(&self, place: &[Label]) -> Tree {
        let mut tree = self.outline.clone();
        if let Some(first) = place.first()
            && let Some(subtree) = self.tree.child(first)
        {
            tree.insert(std::slice::from_ref(first), subtree.clone());
        }
        tree
    }

    /// The header with the certificate, and with what shows the answer's leaf in the tree below it.
    fn certified(
        &self,
        file: Option<&File<'_>>,
        path: &str,
        answer: &Answer,
        certificate: &[u8],
    ) -> Header {
        match file {
            Some(file) => {
                let place = place(file.path, EXACT);
                // Of all pages this one is shown in full.
                let mut tree = self.around(&place);
                tree.insert(&place, tree_of(file, self.cookie.as_deref()));
                let witness = tree.witness(&[&answer.leaf_below(&place)]);
                let path = HttpCertificationPath::exact(file.path).to_expr_path();
                certificate_header(certificate, &rooted(witness), &path)
            }
            None => {
                let everywhere = HttpCertificationPath::wildcard("");
                let responding = labels(&everywhere);
                let mut requested = place(path, EXACT);
                // Beyond the tree's own depth labels show nothing more, and an address may have thousands.
                requested.truncate(DEPTH + 1);
                // Nothing is at the path itself, nor is there anything closer to it that would answer in its place.
                let closer = more_specific_wildcards_for(&requested, &responding);
                let tree = self.around(&requested);
                let mut shown = vec![requested, answer.leaf_below(&responding)];
                shown.extend(closer);
                let shown: Vec<&[Label]> = shown.iter().map(Vec::as_slice).collect();
                let witness = rooted(tree.witness(&shown));
                certificate_header(certificate, &witness, &everywhere.to_expr_path())
            }
        }
    }
}

/// The labels of a path in the tree (HTTP gateway protocol, "Expression path"): its segments that are not empty, and an empty one for a
/// slash at the end.
fn place(path: &str, end: &[u8]) -> Path {
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    let mut place: Path = segments.map(|segment| segment.into()).collect();
    if path.ends_with('/') {
        place.push(Label::new());
    }
    place.push(end.to_vec());
    place
}

/// The same of a path in the library's form, which begins with the tree's own name.
fn labels(path: &HttpCertificationPath<'_>) -> Path {
    let labels = path.to_expr_path().into_iter().skip(1);
    labels.map(String::into_bytes).collect()
}

fn rooted(tree: HashTree) -> HashTree {
    labeled(PATH_PREFIX, tree)
}

/// The expression that says that answers are not compared.
fn not_compared() -> String {
    DefaultCelBuilder::skip_certification().to_string()
}

fn certificate_header(certificate: &[u8], witness: &HashTree, path: &[String]) -> Header {
    let mut response = HttpResponse::builder().build();
    add_v2_certificate_header(certificate, &mut response, witness, path);
    // The function adds this one header to a response that had none.
    response.headers_mut().pop().unwrap_or_default()
}
