//! Makes the table of files from a folder, in the build script of the canister: everything that can be known of an answer before the
//! canister runs. The same folder gives the same table, wherever it lies.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use flate2::{Compression, write::GzEncoder};

use crate::answer::tree_of;
use crate::file::{Body, Encoded, File};
use crate::sha256;

/// The longest body, in bytes: with its headers it fits the reply of a query, plain too.
pub const MAX_LEN: usize = 2_800_000;

/// Segments of a file's path, at most.
pub const MAX_SEGMENTS: usize = 6;

/// The folder whose files are named after their content.
const LASTING: &str = "/assets/";

/// The start page where there is no gallery.
const WITHOUT_GALLERY: &[u8] = b"<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<title>Keepsake</title>
<p>This is a Keepsake vault. It was built without the gallery.</p>
<p>It answers the <code>keepsake</code> command, the TypeScript library <code>@keepsake/sdk</code>, and every agent for the Internet Computer.
<code>cargo xtask build</code> makes a vault with the gallery inside.</p>
</html>
";

/// Why a folder cannot be embedded.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// A file or folder cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    /// There is no start page.
    #[error("{} has no index.html", .0.display())]
    NoStartPage(PathBuf),
    /// The file's name ends in nothing that a media type is known for.
    #[error("{0}: no media type is known for this name; crates/pages/src/embed.rs lists them")]
    UnknownType(String),
    /// The file does not fit a reply.
    #[error("{path} has {len} bytes; more than {MAX_LEN} do not fit a reply")]
    TooLong { path: String, len: usize },
    /// The path is not plain text, or too deep.
    #[error(
        "{0}: paths have at most {MAX_SEGMENTS} segments of letters, digits, and any of -._~@+"
    )]
    Path(String),
}

/// Writes `pages.rs` and the bodies it names to `out`: an expression of the type `&'static [File]`, with all of `folder`, or with a start
/// page that says what this is where there is none. Files and folders whose names begin with a dot are left out.
///
/// # Errors
/// See [`EmbedError`].
pub fn write(folder: Option<&Path>, out: &Path) -> Result<(), EmbedError> {
    let bodies = out.join("pages");
    match fs::remove_dir_all(&bodies) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed(&bodies)(error));
        }
        _ => {}
    }
    fs::create_dir_all(&bodies).map_err(failed(&bodies))?;
    let mut table = String::from("&[\n");
    for (number, (path, bytes)) in files(folder)?.iter().enumerate() {
        let gzip = compressed(bytes).map_err(failed(out))?;
        let file = file(path, bytes, gzip.as_deref())?;
        let kept = bodies.join(number.to_string());
        fs::write(&kept, gzip.as_deref().unwrap_or(bytes)).map_err(failed(&kept))?;
        table.push_str(&entry(&file, number));
    }
    table.push(']');
    let path = out.join("pages.rs");
    fs::write(&path, table).map_err(failed(&path))
}

/// Paths and bytes, in the order of paths.
fn files(folder: Option<&Path>) -> Result<Vec<(String, Vec<u8>)>, EmbedError> {
    let Some(folder) = folder else {
        return Ok(vec![("/".into(), WITHOUT_GALLERY.to_vec())]);
    };
    let mut files = Vec::new();
    collect(folder, "/", &mut files)?;
    files.sort();
    match files.iter().any(|(path, _)| path == "/") {
        true => Ok(files),
        false => Err(EmbedError::NoStartPage(folder.to_owned())),
    }
}

fn collect(folder: &Path, at: &str, files: &mut Vec<(String, Vec<u8>)>) -> Result<(), EmbedError> {
    for entry in fs::read_dir(folder).map_err(failed(folder))? {
        let entry = entry.map_err(failed(folder))?;
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        let served = format!("{at}{name}");
        if path.is_dir() {
            collect(&path, &format!("{served}/"), files)?;
            continue;
        }
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~@+/".contains(&byte);
        if !served.bytes().all(is_plain) || served.split('/').count() > MAX_SEGMENTS {
            return Err(EmbedError::Path(served));
        }
        let bytes = fs::read(&path).map_err(failed(&path))?;
        if bytes.len() > MAX_LEN {
            return Err(EmbedError::TooLong {
                path: served,
                len: bytes.len(),
            });
        }
        // A folder's start page has the folder's address.
        let served = match name.as_str() {
            "index.html" => at.to_owned(),
            _ => served,
        };
        files.push((served, bytes));
    }
    Ok(())
}

/// The compressed bytes, where that is worth it.
fn compressed(bytes: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    let gzip = encoder.finish()?;
    Ok(Some(gzip).filter(|gzip| gzip.len() + gzip.len() / 20 < bytes.len()))
}

fn file<'a>(
    path: &'a str,
    bytes: &'a [u8],
    gzip: Option<&'a [u8]>,
) -> Result<File<'a>, EmbedError> {
    let mut file = File {
        path,
        content_type: content_type(path)?,
        is_lasting: path.starts_with(LASTING),
        plain: Encoded {
            len: bytes.len(),
            sha256: sha256(bytes),
        },
        body: match gzip {
            Some(gzip) => Body::Gzip(gzip, sha256(gzip)),
            None => Body::Plain(bytes),
        },
        digest: None,
    };
    // Documents carry what is known only where the canister runs.
    if !file.is_document() {
        file.digest = Some(tree_of(&file, None).digest());
    }
    Ok(file)
}

/// The file as an expression of Rust's.
fn entry(file: &File<'_>, number: usize) -> String {
    let File {
        path,
        content_type,
        is_lasting,
        plain: Encoded { len, sha256 },
        body,
        digest,
    } = file;
    let kept = format!("include_bytes!(concat!(env!(\"OUT_DIR\"), \"/pages/{number}\"))");
    let body = match body {
        Body::Gzip(_, hash) => format!("Gzip({kept}, {hash:?})"),
        Body::Plain(_) => format!("Plain({kept})"),
    };
    format!(
        "keepsake_pages::File {{ path: {path:?}, content_type: {content_type:?}, is_lasting: {is_lasting}, \
         plain: keepsake_pages::Encoded {{ len: {len}, sha256: {sha256:?} }}, \
         body: keepsake_pages::Body::{body}, digest: {digest:?} }},\n"
    )
}

/// The media type of a file by its name.
fn content_type(path: &str) -> Result<&'static str, EmbedError> {
    // A folder's start page.
    if path.ends_with('/') {
        return Ok("text/html; charset=utf-8");
    }
    let name = path.rsplit('/').next().unwrap_or_default();
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    Ok(match extension {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "jpg" | "jpeg" => "image/jpeg",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        _ => return Err(EmbedError::UnknownType(path.to_owned())),
    })
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> EmbedError + use<> {
    let path = path.to_owned();
    move |source| EmbedError::Io { path, source }
}
