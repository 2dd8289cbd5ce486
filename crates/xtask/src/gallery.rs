//! Builds the gallery that the canister embeds: the SDK, then web/ on top of it, both with exactly the packages of their lock files. What has
//! not changed is not built again: the canister would be compiled anew for nothing.

use crate::workspace::{root, target};
use anyhow::{Context, Result, bail, ensure};
use flate2::{Compression, write::GzEncoder};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The variable that names the gallery's folder to the canister's build script. Set for us, it names a gallery that is built already; set
/// to nothing, there is to be none.
pub const GALLERY: &str = "KEEPSAKE_GALLERY";

/// What a browser loads before it shows anything, at most: bytes of JavaScript, compressed.
const MAX_INITIAL_SCRIPT: usize = 150_000;

/// Exactly what the lock file says.
pub const CLEAN_INSTALL: [&str; 3] = ["ci", "--no-audit", "--no-fund"];

/// Sources of the SDK and of the gallery: everything but what is made from them, and tests.
const NOT_SOURCES: [&str; 4] = ["node_modules", "dist", "test", "docs"];

/// Builds the gallery and returns its folder; `None` where the environment says that there is to be none.
///
/// # Errors
/// Where npm is missing or fails, and where the gallery is larger than it may be.
pub fn build() -> Result<Option<PathBuf>> {
    if let Some(named) = std::env::var_os(GALLERY) {
        return Ok(Some(PathBuf::from(named)).filter(|folder| !folder.as_os_str().is_empty()));
    }
    let sdk_sources = sdk()?;
    let web = root()?.join("web");
    packages(&web)?;
    let sources = (sdk_sources, fingerprint(&web)?);
    let dist = web.join("dist");
    made("web", sources, &dist.join("index.html"), || {
        println!("Building the gallery");
        npm(&web, &["run", "build"])
    })?;
    let size = initial_script(&dist)?;
    println!("The gallery's first scripts: {size} bytes compressed");
    ensure!(
        size <= MAX_INITIAL_SCRIPT,
        "the gallery loads {size} bytes of compressed JavaScript before it shows anything; {MAX_INITIAL_SCRIPT} are allowed"
    );
    Ok(Some(dist))
}

/// Builds the SDK, and returns the fingerprint of its sources.
pub fn sdk() -> Result<u64> {
    let sdk = root()?.join("sdk");
    let sources = fingerprint(&sdk)?;
    packages(&sdk)?;
    made("sdk", sources, &sdk.join("dist/index.js"), || {
        println!("Building the SDK");
        npm(&sdk, &["run", "build"])
    })?;
    Ok(sources)
}

/// The gallery as it was built last, if it was.
#[cfg(feature = "host")]
pub fn built() -> Result<Option<PathBuf>> {
    if let Some(named) = std::env::var_os(GALLERY) {
        return Ok(Some(PathBuf::from(named)).filter(|folder| !folder.as_os_str().is_empty()));
    }
    let dist = root()?.join("web/dist");
    Ok(dist.join("index.html").is_file().then_some(dist))
}

/// Installs a folder's packages where they are not what its lock file says.
pub fn packages(folder: &Path) -> Result<()> {
    let lock = lock(&folder.join("package-lock.json"))?;
    // npm notes there what it installed.
    let installed = self::lock(&folder.join("node_modules/.package-lock.json"));
    if installed.is_ok_and(|installed| holds(&lock, &installed)) {
        return Ok(());
    }
    println!("Installing the packages of {}", folder.display());
    npm(folder, &CLEAN_INSTALL)
}

/// What a lock file of npm's says of one package.
#[derive(Deserialize)]
struct Package {
    version: Option<String>,
    integrity: Option<String>,
    #[serde(default)]
    optional: bool,
    #[serde(default, rename = "devOptional")]
    dev_optional: bool,
}

fn lock(path: &Path) -> Result<BTreeMap<String, Package>> {
    #[derive(Deserialize)]
    struct Lock {
        packages: BTreeMap<String, Package>,
    }
    let bytes =
        std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let lock: Lock = serde_json::from_slice(&bytes)
        .with_context(|| format!("{} is no lock file of npm's", path.display()))?;
    Ok(lock.packages)
}

/// Whether exactly the locked packages are installed, apart from those for other platforms.
fn holds(lock: &BTreeMap<String, Package>, installed: &BTreeMap<String, Package>) -> bool {
    let is_same = |name: &String, package: &Package| {
        lock.get(name).is_some_and(|locked| {
            locked.version == package.version && locked.integrity == package.integrity
        })
    };
    // The folder's own entry is the nameless one.
    installed
        .iter()
        .all(|(name, package)| is_same(name, package))
        && lock.iter().all(|(name, package)| {
            name.is_empty()
                || package.optional
                || package.dev_optional
                || installed.contains_key(name)
        })
}

/// Makes something unless `result` is there and was made from the same sources.
fn made(
    name: &str,
    sources: impl Hash,
    result: &Path,
    make: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let stamps = target()?.join("gallery");
    let stamp = stamps.join(name);
    let sources = format!("{:016x}", hash_of(&sources));
    if result.exists() && std::fs::read_to_string(&stamp).is_ok_and(|made| made == sources) {
        return Ok(());
    }
    make()?;
    std::fs::create_dir_all(&stamps)?;
    std::fs::write(&stamp, sources)
        .with_context(|| format!("{} cannot be written", stamp.display()))
}

fn hash_of(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// A hash over names and bytes of all sources below `folder`.
fn fingerprint(folder: &Path) -> Result<u64> {
    let mut sources = BTreeMap::new();
    collect(folder, &mut sources)?;
    Ok(hash_of(&sources))
}

fn collect(folder: &Path, sources: &mut BTreeMap<PathBuf, Vec<u8>>) -> Result<()> {
    let unreadable = || format!("{} cannot be read", folder.display());
    for entry in std::fs::read_dir(folder).with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') || NOT_SOURCES.contains(&name.as_ref()) {
            continue;
        }
        let path = entry.path();
        if path.is_dir() {
            collect(&path, sources)?;
        } else {
            let bytes = std::fs::read(&path)
                .with_context(|| format!("{} cannot be read", path.display()))?;
            sources.insert(path, bytes);
        }
    }
    Ok(())
}

fn npm(folder: &Path, args: &[&str]) -> Result<()> {
    let mut command = Command::new("npm");
    command.args(args).current_dir(folder);
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => bail!(
            "`npm {}` failed in {}: {}\n{}{}",
            args.join(" "),
            folder.display(),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(
            "npm is missing: install Node.js 20 or later, or leave the gallery out with an empty {GALLERY} in the environment"
        ),
        Err(error) => Err(error).context("npm could not be started"),
    }
}

/// A part of the gallery, by the bundler's record of what it made.
#[derive(Deserialize)]
struct Chunk {
    file: String,
    #[serde(default)]
    imports: Vec<String>,
}

/// Bytes of the scripts that the start page loads before it shows anything, each compressed as the canister does.
pub fn initial_script(dist: &Path) -> Result<usize> {
    let path = dist.join(".vite/manifest.json");
    let manifest =
        std::fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let chunks: BTreeMap<String, Chunk> = serde_json::from_slice(&manifest)?;
    let files = loaded(&chunks, "index.html")?;
    let mut size = 0;
    for file in files.iter().filter(|file| file.ends_with(".js")) {
        let bytes = std::fs::read(dist.join(file)).with_context(|| format!("{file} is missing"))?;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&bytes)?;
        size += encoder.finish()?.len();
    }
    Ok(size)
}

/// The files of a chunk and of all that it imports at once.
fn loaded<'a>(chunks: &'a BTreeMap<String, Chunk>, entry: &'a str) -> Result<BTreeSet<&'a str>> {
    let mut files = BTreeSet::new();
    let mut waiting = vec![entry];
    while let Some(name) = waiting.pop() {
        let chunk = chunks
            .get(name)
            .with_context(|| format!("the bundler's manifest does not name {name}"))?;
        if files.insert(chunk.file.as_str()) {
            waiting.extend(chunk.imports.iter().map(String::as_str));
        }
    }
    Ok(files)
}

/// Adds to a command that compiles the canister which gallery it embeds.
pub fn embed<'a>(command: &'a mut Command, gallery: Option<&Path>) -> &'a mut Command {
    match gallery {
        Some(folder) => command.env(GALLERY, folder),
        None => command.env_remove(GALLERY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_loaded_at_once_is_followed_and_what_is_loaded_later_is_not() -> Result<()> {
        let manifest = r#"{
            "index.html": {"file": "assets/index-1.js", "imports": ["_a", "_b"], "dynamicImports": ["late"], "css": ["assets/x.css"]},
            "_a": {"file": "assets/a-1.js", "imports": ["_b"]},
            "_b": {"file": "assets/b-1.js", "imports": ["_a"]},
            "late": {"file": "assets/late-1.js"}
        }"#;
        let chunks: BTreeMap<String, Chunk> = serde_json::from_str(manifest)?;
        let files: Vec<&str> = loaded(&chunks, "index.html")?.into_iter().collect();
        assert_eq!(
            files,
            ["assets/a-1.js", "assets/b-1.js", "assets/index-1.js"]
        );
        assert!(loaded(&chunks, "none").is_err());
        Ok(())
    }

    #[test]
    fn a_change_of_sources_is_seen_and_one_of_packages_is_not() -> Result<()> {
        let dir = std::env::temp_dir().join(format!("keepsake-gallery-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("node_modules"))?;
        std::fs::write(dir.join("a.ts"), "1")?;
        let first = fingerprint(&dir)?;
        std::fs::write(dir.join("node_modules/b.js"), "2")?;
        assert_eq!(fingerprint(&dir)?, first);
        std::fs::write(dir.join("a.ts"), "2")?;
        assert_ne!(fingerprint(&dir)?, first);
        std::fs::remove_dir_all(&dir)?;
        Ok(())
    }

    #[test]
    fn packages_are_installed_again_where_they_are_not_the_locked_ones() -> Result<()> {
        let read =
            |text: &str| -> Result<BTreeMap<String, Package>> { Ok(serde_json::from_str(text)?) };
        let locked = read(
            r#"{"": {"version": "1.0.0"}, "node_modules/a": {"version": "1.0.0", "integrity": "x"},
                "node_modules/b": {"version": "2.0.0", "optional": true}}"#,
        )?;
        for (installed, is_held) in [
            (
                r#"{"node_modules/a": {"version": "1.0.0", "integrity": "x"}}"#,
                true,
            ),
            (
                r#"{"node_modules/a": {"version": "1.0.1", "integrity": "y"}}"#,
                false,
            ),
            (r#"{"node_modules/b": {"version": "2.0.0"}}"#, false),
            (
                r#"{"node_modules/a": {"version": "1.0.0", "integrity": "x"}, "node_modules/c": {"version": "1.0.0"}}"#,
                false,
            ),
        ] {
            assert_eq!(holds(&locked, &read(installed)?), is_held, "{installed}");
        }
        Ok(())
    }
}
