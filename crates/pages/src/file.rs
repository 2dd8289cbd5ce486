//! A file of the gallery as the canister carries it.

use std::io::{self, Read};

use flate2::read::GzDecoder;

use crate::Hash;

/// A file that is served at one path.
#[derive(Clone, Copy, Debug)]
pub struct File<'a> {
    /// Where it is served, from the root: `/assets/index-Bx3v.js`. The start page is `/`.
    pub path: &'a str,
    /// Its media type.
    pub content_type: &'a str,
    /// Its name says its content: whoever has it need not ask again.
    pub is_lasting: bool,
    /// What it is when nothing is encoded.
    pub plain: Encoded,
    /// Its bytes.
    pub body: Body<'a>,
    /// The digest of what the certified tree holds for its path; `None` where that depends on the canister, as for documents, which carry
    /// a cookie.
    pub digest: Option<Hash>,
}

/// The length and SHA-256 of bytes as they are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// In bytes.
    pub len: usize,
    /// Of these bytes.
    pub sha256: Hash,
}

/// How a file's bytes are kept.
#[derive(Clone, Copy, Debug)]
pub enum Body<'a> {
    /// As they are: nothing is gained by compressing them.
    Plain(&'a [u8]),
    /// Compressed by gzip (RFC 1952), with the SHA-256 of the compressed bytes.
    Gzip(&'a [u8], Hash),
}

/// How a body is encoded on its way (RFC 9110, section 8.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Identity,
    Gzip,
}

impl File<'_> {
    /// Whether it is a page, as opposed to what pages load.
    pub(crate) fn is_document(&self) -> bool {
        self.content_type.starts_with("text/html")
    }

    /// Whether it can be sent compressed.
    pub(crate) fn has_gzip(&self) -> bool {
        matches!(self.body, Body::Gzip(..))
    }

    /// The codings it can be sent in.
    pub(crate) fn codings(&self) -> &'static [Coding] {
        match self.body {
            Body::Plain(_) => &[Coding::Identity],
            Body::Gzip(..) => &[Coding::Identity, Coding::Gzip],
        }
    }

    /// Length and hash in a coding; as it is where it has no such coding.
    pub(crate) fn encoded(&self, coding: Coding) -> Encoded {
        match (coding, self.body) {
            (Coding::Gzip, Body::Gzip(bytes, sha256)) => Encoded {
                len: bytes.len(),
                sha256,
            },
            _ => self.plain,
        }
    }

    /// The bytes in a coding.
    ///
    /// # Errors
    /// Where the compressed bytes are damaged, which [`crate::embed`] excludes.
    pub(crate) fn bytes(&self, coding: Coding) -> io::Result<Vec<u8>> {
        match (self.body, coding) {
            (Body::Plain(bytes), _) | (Body::Gzip(bytes, _), Coding::Gzip) => Ok(bytes.to_vec()),
            (Body::Gzip(bytes, _), Coding::Identity) => {
                let mut plain = Vec::with_capacity(self.plain.len);
                GzDecoder::new(bytes).read_to_end(&mut plain)?;
                Ok(plain)
            }
        }
    }
}
