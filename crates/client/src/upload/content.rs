//! What is uploaded, and how it is read: once, chunk by chunk, hashed on the way.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use sha2::{Digest, Sha256};

use super::blocking;
use crate::ClientError;

/// What to upload.
#[derive(Clone, Debug)]
pub enum Content {
    /// Bytes in memory. `label` keeps apart uploads of equal content that go on at the same time for different
    /// purposes; it may be empty.
    Bytes { bytes: Arc<[u8]>, label: String },
    /// A file, streamed.
    File(FileContent),
}

/// A regular file as it was when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileContent {
    pub path: PathBuf,
    /// Bytes.
    pub len: u64,
    pub modified: Option<SystemTime>,
}

impl FileContent {
    /// Looks at the file at `path`, following links. Blocking.
    pub fn at(path: &Path) -> Result<Self, ClientError> {
        let metadata = std::fs::metadata(path).map_err(|e| ClientError::file(path, e))?;
        if !metadata.is_file() {
            return Err(ClientError::NotAFile {
                path: path.to_owned(),
            });
        }
        Ok(FileContent {
            path: path.to_owned(),
            len: metadata.len(),
            modified: metadata.modified().ok(),
        })
    }

    /// Opens the file and makes sure that it is still the one looked at. Blocking.
    pub(super) fn open(&self) -> Result<File, ClientError> {
        let file = File::open(&self.path).map_err(|e| ClientError::file(&self.path, e))?;
        self.unchanged(&file)?;
        Ok(file)
    }

    fn unchanged(&self, file: &File) -> Result<(), ClientError> {
        let now = file
            .metadata()
            .map_err(|e| ClientError::file(&self.path, e))?;
        if now.len() == self.len && now.modified().ok() == self.modified {
            Ok(())
        } else {
            Err(ClientError::FileChanged {
                path: self.path.clone(),
            })
        }
    }

    /// At most `most` bytes from the beginning. Blocking.
    pub fn head(&self, most: usize) -> Result<Vec<u8>, ClientError> {
        let mut head = Vec::with_capacity(most);
        self.open()?
            .take(most as u64)
            .read_to_end(&mut head)
            .map_err(|e| ClientError::file(&self.path, e))?;
        Ok(head)
    }

    /// The whole file, for those short enough to be in memory. Blocking.
    pub fn read_whole(&self) -> Result<Vec<u8>, ClientError> {
        let mut file = self.open()?;
        let mut bytes = Vec::new();
        // One byte more than expected shows that the file grew, without following it for ever.
        (&mut file)
            .take(self.len.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|e| ClientError::file(&self.path, e))?;
        self.unchanged(&file)?;
        if bytes.len() as u64 == self.len {
            Ok(bytes)
        } else {
            Err(ClientError::FileChanged {
                path: self.path.clone(),
            })
        }
    }

    /// Streams the file through SHA-256. Blocking.
    pub fn sha256(&self) -> Result<[u8; 32], ClientError> {
        let mut file = self.open()?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 256 * 1024];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => hasher.update(&buffer[..n]),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(ClientError::file(&self.path, e)),
            }
        }
        self.unchanged(&file)?;
        Ok(hasher.finalize().into())
    }
}

impl Content {
    /// Bytes.
    pub fn len(&self) -> u64 {
        match self {
            Content::Bytes { bytes, .. } => bytes.len() as u64,
            Content::File(file) => file.len,
        }
    }

    /// Whether there are no bytes in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Reads content chunk by chunk and hashes it on the way.
pub(super) enum Reader {
    Bytes {
        bytes: Arc<[u8]>,
        at: usize,
        hasher: Sha256,
    },
    File {
        file: File,
        left: u64,
        source: FileContent,
        hasher: Sha256,
    },
}

impl Reader {
    /// At the beginning of `content`.
    pub async fn open(content: &Content) -> Result<Self, ClientError> {
        match content {
            Content::Bytes { bytes, .. } => Ok(Reader::Bytes {
                bytes: bytes.clone(),
                at: 0,
                hasher: Sha256::new(),
            }),
            Content::File(file) => {
                let source = file.clone();
                blocking(move || {
                    Ok(Reader::File {
                        file: source.open()?,
                        left: source.len,
                        source,
                        hasher: Sha256::new(),
                    })
                })
                .await
            }
        }
    }

    /// The next chunk, of `chunk_size` bytes but for the last.
    pub async fn next(self, chunk_size: usize) -> Result<(Self, Vec<u8>), ClientError> {
        match self {
            Reader::Bytes {
                bytes,
                at,
                mut hasher,
            } => {
                let end = at.saturating_add(chunk_size).min(bytes.len());
                let chunk = bytes[at..end].to_vec();
                hasher.update(&chunk);
                let reader = Reader::Bytes {
                    bytes,
                    at: end,
                    hasher,
                };
                Ok((reader, chunk))
            }
            Reader::File {
                mut file,
                left,
                source,
                mut hasher,
            } => {
                blocking(move || {
                    let take = usize::try_from(left).map_or(chunk_size, |l| l.min(chunk_size));
                    let mut chunk = vec![0; take];
                    file.read_exact(&mut chunk).map_err(|e| {
                        if e.kind() == io::ErrorKind::UnexpectedEof {
                            ClientError::FileChanged {
                                path: source.path.clone(),
                            }
                        } else {
                            ClientError::file(&source.path, e)
                        }
                    })?;
                    hasher.update(&chunk);
                    let reader = Reader::File {
                        file,
                        left: left - take as u64,
                        source,
                        hasher,
                    };
                    Ok((reader, chunk))
                })
                .await
            }
        }
    }

    /// The hash of everything read, if the source is still what it was. Blocking.
    pub fn finish(self) -> Result<[u8; 32], ClientError> {
        match self {
            Reader::Bytes { hasher, .. } => Ok(hasher.finalize().into()),
            Reader::File {
                file,
                source,
                hasher,
                ..
            } => {
                source.unchanged(&file)?;
                Ok(hasher.finalize().into())
            }
        }
    }
}
