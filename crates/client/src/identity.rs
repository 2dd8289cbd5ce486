//! Private keys on disk: reading the formats in use, and making new ones.
//!
//! New keys are secp256k1 in PKCS#8 PEM, which `icp identity import` reads in all its versions. The file is
//! created with access for its owner only, in place and whole, and never overwritten.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use ic_agent::{
    Identity,
    identity::{BasicIdentity, Prime256v1Identity, Secp256k1Identity},
};
use k256::{
    SecretKey,
    elliptic_curve::rand_core::OsRng,
    pkcs8::{EncodePrivateKey, LineEnding},
};

use crate::ClientError;

/// Longest key file that is looked at (bytes).
const LONGEST_FILE: u64 = 64 * 1024;

/// Reads a private key: PKCS#8 PEM (Ed25519, secp256k1, prime256v1) or SEC1 PEM ("EC PRIVATE KEY", secp256k1 or
/// prime256v1). Blocking.
///
/// # Errors
/// [`ClientError::File`] where it cannot be read; [`ClientError::Key`] where it holds no key of these kinds.
pub fn load(path: &Path) -> Result<Arc<dyn Identity>, ClientError> {
    let len = fs::metadata(path)
        .map_err(|e| ClientError::file(path, e))?
        .len();
    let bad = |reason: &str| ClientError::Key {
        path: path.to_owned(),
        reason: reason.to_owned(),
    };
    if len > LONGEST_FILE {
        return Err(bad("the file is too long for a key"));
    }
    let text = fs::read(path).map_err(|e| ClientError::file(path, e))?;
    parse(&text).map_err(|reason| bad(&reason))
}

/// Reads a private key from PEM text, as [`load`] does; the error says what is wrong with it.
pub fn parse(pem_text: &[u8]) -> Result<Arc<dyn Identity>, String> {
    let sections = pem::parse_many(pem_text).map_err(|_| "it is not a PEM file".to_owned())?;
    let tags: Vec<&str> = sections.iter().map(pem::Pem::tag).collect();
    if tags.contains(&"ENCRYPTED PRIVATE KEY") {
        return Err("the key is encrypted; decrypt it first".to_owned());
    }
    let Some(key) = sections
        .iter()
        .find(|s| matches!(s.tag(), "PRIVATE KEY" | "EC PRIVATE KEY"))
    else {
        return Err("there is no PRIVATE KEY section in it".to_owned());
    };
    let one = pem::encode(key);
    // Each reader checks the algorithm that a PKCS#8 key names. A SEC1 key need not name its curve.
    if key.tag() == "EC PRIVATE KEY" {
        const PRIME256V1: &[u8] = b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
        let names_p256 = sections.iter().any(|s| contains(s.contents(), PRIME256V1));
        if names_p256 && let Ok(identity) = Prime256v1Identity::from_pem(&one) {
            return Ok(Arc::new(identity));
        }
        if !names_p256 && let Ok(identity) = Secp256k1Identity::from_pem(pem_text) {
            return Ok(Arc::new(identity));
        }
        return Err("it is neither a secp256k1 nor a prime256v1 key".to_owned());
    }
    if let Ok(identity) = Secp256k1Identity::from_pem(&one) {
        return Ok(Arc::new(identity));
    }
    if let Ok(identity) = Prime256v1Identity::from_pem(&one) {
        return Ok(Arc::new(identity));
    }
    const ED25519: &[u8] = b"\x06\x03\x2b\x65\x70";
    if contains(key.contents(), ED25519)
        && let Ok(identity) = BasicIdentity::from_pem(&one)
    {
        return Ok(Arc::new(identity));
    }
    Err("it is neither an Ed25519, a secp256k1 nor a prime256v1 key".to_owned())
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|w| w == needle)
}

/// Reads the key at `path`, or creates one there where there is none; the flag says whether it was created.
/// Blocking.
pub fn load_or_create(path: &Path) -> Result<(Arc<dyn Identity>, bool), ClientError> {
    match load(path) {
        Ok(identity) => return Ok((identity, false)),
        Err(ClientError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(e),
    }
    let created = create(path)?;
    Ok((load(path)?, created))
}

/// Writes a new key to `path`; `false` where another process was faster.
fn create(path: &Path) -> Result<bool, ClientError> {
    let failed = |path: &Path, e: io::Error| ClientError::file(path, e);
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    create_private_folder(&folder).map_err(|e| failed(&folder, e))?;
    let pem = SecretKey::random(&mut OsRng)
        .to_pkcs8_pem(LineEnding::LF)
        .map_err(|e| ClientError::Key {
            path: path.to_owned(),
            reason: e.to_string(),
        })?;
    // Written beside its place and linked into it: the name appears with the whole key or not at all, and an
    // existing key is never replaced.
    let beside = folder.join(format!(".new-key-{:016x}", rand::random::<u64>()));
    let result = write_private(&beside, pem.as_bytes())
        .map_err(|e| failed(&beside, e))
        .and_then(|()| match fs::hard_link(&beside, path) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            // File systems without links: the same, with a small window in which the file is not whole.
            Err(_) => match write_private(path, pem.as_bytes()) {
                Ok(()) => Ok(true),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
                Err(e) => Err(failed(path, e)),
            },
        });
    let _ = fs::remove_file(&beside);
    result
}

/// Creates a file that only its owner may read, and which must not exist.
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn create_private_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(pem: &str) -> String {
        parse(pem.as_bytes()).unwrap().sender().unwrap().to_text()
    }

    #[test]
    fn every_common_format_is_read_as_what_it_is() {
        let scalar = [7u8; 32];
        let k256 = SecretKey::from_slice(&scalar).unwrap();
        let p256 = p256::SecretKey::from_slice(&scalar).unwrap();
        let ed25519 = ed25519_dalek::SigningKey::from_bytes(&scalar);
        let k256_pkcs8 = k256.to_pkcs8_pem(LineEnding::LF).unwrap();
        let p256_pkcs8 = p256.to_pkcs8_pem(LineEnding::LF).unwrap();
        let ed25519_pkcs8 = ed25519.to_pkcs8_pem(LineEnding::LF).unwrap();
        let key_len = |pem: &str| parse(pem.as_bytes()).unwrap().public_key().unwrap().len();
        // Lengths of DER-encoded public keys of the three kinds.
        assert_eq!(key_len(&ed25519_pkcs8), 44);
        assert_eq!(key_len(&k256_pkcs8), 88);
        assert_eq!(key_len(&p256_pkcs8), 91);

        // SEC1 as OpenSSL writes it: the parameters in a section of their own.
        let k256_sec1 = k256.to_sec1_pem(LineEnding::LF).unwrap();
        let p256_sec1 = p256.to_sec1_pem(LineEnding::LF).unwrap();
        let with_parameters = |oid: &[u8], key: &str| {
            let parameters = pem::encode(&pem::Pem::new("EC PARAMETERS", oid.to_vec()));
            format!("{parameters}{key}")
        };
        assert_eq!(principal(&k256_sec1), principal(&k256_pkcs8));
        let k256_sec1 = with_parameters(b"\x06\x05\x2b\x81\x04\x00\x0a", &k256_sec1);
        assert_eq!(principal(&k256_sec1), principal(&k256_pkcs8));
        let p256_sec1 = with_parameters(b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", &p256_sec1);
        assert_eq!(principal(&p256_sec1), principal(&p256_pkcs8));
    }

    #[test]
    fn a_new_key_is_private_stays_and_is_pkcs8() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys/identity.pem");
        let (first, created) = load_or_create(&path).unwrap();
        assert!(created);
        let (second, created) = load_or_create(&path).unwrap();
        assert!(!created);
        assert_eq!(first.sender(), second.sender());
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("-----BEGIN PRIVATE KEY-----\n"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let left: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 1);
    }

    #[test]
    fn an_existing_file_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identity.pem");
        fs::write(&path, "not a key").unwrap();
        assert!(matches!(
            load_or_create(&path),
            Err(ClientError::Key { .. })
        ));
        assert!(!create(&path).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "not a key");
    }

    #[test]
    fn what_is_no_key_is_said_to_be_none() {
        for text in [
            "",
            "hello",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n",
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
