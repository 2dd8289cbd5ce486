//! The command line.

use std::path::PathBuf;

use candid::Principal;
use clap::{Parser, Subcommand, ValueEnum};
use keepsake_host::http::Network;

use crate::{
    event, export, group, import, link, mirror, search, share, shell, trash, tree, verify,
};

const EXIT_CODES: &str = "Exit codes: 0 all is well; 1 something failed, and was said; 2 wrong usage; 130 stopped by Ctrl-C; \
                          141 the reader of standard output went away";

/// Where a vault on this machine answers unless told otherwise.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:4943";

/// A personal memory vault: photos, videos and documents, kept and given back byte for byte.
#[derive(Debug, Parser)]
#[command(name = "keepsake", version, about, after_help = EXIT_CODES)]
pub struct Args {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command that talks to a vault.
#[derive(Clone, Debug, clap::Args)]
pub struct Common {
    /// Print JSON instead of text: one document; `upload` prints a line for each file and a summary
    #[arg(long, global = true)]
    pub json: bool,
    /// Where the vault answers
    #[arg(
        long,
        global = true,
        help_heading = "Which vault, and as whom",
        value_name = "URL",
        env = "KEEPSAKE_URL",
        default_value = "http://127.0.0.1:4943"
    )]
    pub url: String,
    /// The vault's canister id [default: that of a vault on this machine]
    #[arg(
        long,
        global = true,
        help_heading = "Which vault, and as whom",
        value_name = "ID",
        env = "KEEPSAKE_CANISTER_ID"
    )]
    pub canister_id: Option<Principal>,
    /// Private key to act with [default: your own, made at first need]
    ///
    /// PEM: PKCS#8 (Ed25519, secp256k1, prime256v1), or SEC1 "EC PRIVATE KEY".
    #[arg(
        long,
        global = true,
        help_heading = "Which vault, and as whom",
        value_name = "PEM",
        env = "KEEPSAKE_IDENTITY"
    )]
    pub identity: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a vault on this machine
    Serve(Serve),
    /// Keep files: originals untouched, photos with display, thumbnail and placeholder versions
    Upload(Upload),
    /// List the memories of a capsule, newest first
    List(List),
    /// Write one file of a memory, verified against its SHA-256
    Get(Get),
    /// Show what your capsules hold, by year and month
    Tree(tree::Tree),
    /// Find memories by text, date, type, tag or person
    ///
    /// The vault keeps no index: the whole listing of the capsule is read, 100 memories a call, and searched here.
    Search(search::Search),
    /// Let somebody see memories, or everybody
    Share(share::Share),
    /// Take back what `share` granted
    Unshare(share::Unshare),
    /// Show what others share with you, or you with others
    Shared(share::Shared),
    /// Groups of people that memories can be shared with
    #[command(subcommand)]
    Group(group::Group),
    /// Record that something has happened: opens what was shared for after it; cannot be taken back
    Event(event::Event),
    /// Put memories in the trash, or delete them for good
    ///
    /// What is in the trash is invisible to everybody, can be restored for 30 days, and takes its space until then.
    Rm(trash::Remove),
    /// Take memories out of the trash
    Restore(trash::Restore),
    /// Show what is in the trash, or empty it
    Trash(trash::Trash),
    /// Show how the vault is and how full your capsules are; exit code 1 where it refuses new content
    Status,
    /// Let several keys act as one person
    #[command(subcommand)]
    Link(link::Link),
    /// Read every file of every memory back and compare its SHA-256
    ///
    /// With files or folders: whether the vault holds each of them, byte for byte.
    Verify(verify::Verify),
    /// Write memories to a folder: originals under their names, sidecars in JSON and XMP, manifests with checksums
    ///
    /// The folder can be read without this program; README.txt in it says how. Again, into the same folder: only what has changed.
    Export(export::Export),
    /// Bring what `export` wrote into a vault
    ///
    /// Every file is compared with the manifest first. Repeated, it adds nothing. Who else may see a memory is not carried over.
    Import(import::Import),
    /// Bring one vault up to date with another, over the network
    Mirror(mirror::Mirror),
    /// Verify everything that a vault on this machine holds at rest, while it is not served
    ///
    /// The database's structure, the checksum of everything in it, that the canister starts, and the SHA-256 of every file. Nothing is changed.
    Check(Check),
    /// Show who you are to a vault; makes your key if there is none
    Identity,
    /// Save everything in a vault on this machine to a folder, or load it from one
    ///
    /// The folder has the layout of `icp canister snapshot download` and `upload`, so that a vault moves between machines and to the
    /// Internet Computer and back. It holds the vault's secrets: keep it to yourself.
    #[command(subcommand)]
    Snapshot(Snapshot),
    /// Write completions for a shell to standard output
    Completions(shell::Completions),
    /// Write man pages of every command to a folder
    Man(shell::Man),
}

#[derive(Debug, Subcommand)]
pub enum Snapshot {
    /// Save a vault, whether it is being served or not
    Save(SaveSnapshot),
    /// Load a vault that is not being served
    Load(LoadSnapshot),
}

#[derive(Debug, clap::Args)]
pub struct SaveSnapshot {
    /// Folder to save to; made if it is not there
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Folder that holds the vault's state [default: this platform's folder for data]
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Bring the snapshot in the folder up to date, writing only what has changed
    #[arg(long)]
    pub update: bool,
}

#[derive(Debug, clap::Args)]
pub struct LoadSnapshot {
    /// Folder that holds the snapshot
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Folder for the vault's state [default: this platform's folder for data]
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Put the snapshot in place of the vault that is there, which is gone then
    #[arg(long)]
    pub replace: bool,
}

#[derive(Debug, clap::Args)]
pub struct Serve {
    /// Address and port to listen on; only this machine can reach the default
    #[arg(long, value_name = "ADDRESS", default_value = DEFAULT_LISTEN)]
    pub listen: String,
    /// Folder that holds the vault's state [default: this platform's folder for data]
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Vault canister to run instead of the one built in (.wasm or .wasm.gz)
    #[arg(long, value_name = "FILE")]
    pub wasm: Option<PathBuf>,
    /// Somebody else who may upgrade, stop and move the vault, with the `icp` command; you may anyway
    #[arg(long, value_name = "PRINCIPAL")]
    pub controller: Vec<Principal>,
    #[command(flatten)]
    pub logging: Logging,
    #[command(flatten)]
    pub bounds: Bounds,
}

/// What `serve` says on standard error.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Operation")]
pub struct Logging {
    /// How much to log: off, error, warn, info, debug, trace, or a list of <module>=<level>
    #[arg(
        long,
        value_name = "LEVEL",
        env = "KEEPSAKE_LOG",
        default_value = "warn"
    )]
    pub log: String,
    /// Form of the log's lines
    #[arg(
        long,
        value_name = "FORM",
        env = "KEEPSAKE_LOG_FORMAT",
        default_value = "text"
    )]
    pub log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// What `serve` allows its clients.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Operation")]
pub struct Bounds {
    /// Who may read /metrics: this machine, anyone who reaches the port, or nobody
    #[arg(long, value_name = "WHO", default_value = "local")]
    pub metrics: Metrics,
    /// Connections served at once; further ones wait
    #[arg(long, value_name = "NUMBER", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_connections: u32,
    /// Requests a second of one address, before it is known who sends them, in the long run; four times as many at once; 0 for no limit
    #[arg(long, value_name = "NUMBER", default_value_t = 5_000)]
    pub peer_rate: u32,
    /// Requests a second of one principal, likewise
    #[arg(long, value_name = "NUMBER", default_value_t = 5_000)]
    pub principal_rate: u32,
    /// A proxy, by its address or network such as 192.0.2.0/24, whose X-Forwarded-For says whose address a request came from; may be given
    /// several times
    #[arg(long, value_name = "NETWORK")]
    pub trust_proxy: Vec<Network>,
    /// Root key, in hex, of a network whose canisters may sign for their users, besides the Internet Computer: that of an Internet Identity
    /// for tests, say
    #[arg(long, value_name = "ROOT KEY")]
    pub trust_network: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Metrics {
    Local,
    Anyone,
    Nobody,
}

#[derive(Debug, clap::Args)]
pub struct Check {
    /// Folder that holds the vault's state [default: this platform's folder for data]
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct Upload {
    /// Files, or folders with everything in them but hidden files
    #[arg(required = true, value_name = "FILE OR FOLDER")]
    pub paths: Vec<PathBuf>,
    /// Capsule to put them into [default: your own, made at first need]
    #[arg(long, value_name = "ID")]
    pub capsule: Option<String>,
    /// Of folders, only files that match: a pattern such as *.jpg for names, or 2020/** for the way from the folder;
    /// upper and lower case are the same
    #[arg(long, value_name = "PATTERN")]
    pub include: Vec<String>,
    /// Of folders, not what matches; folders that match are not entered
    #[arg(long, value_name = "PATTERN")]
    pub exclude: Vec<String>,
    /// Files on their way side by side
    #[arg(long, value_name = "NUMBER", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: u16,
    /// Originals only, without display, thumbnail and placeholder; the same command without this makes them later
    #[arg(long)]
    pub fast: bool,
    /// Record where photos were taken with their memories, for whoever may see these to read; otherwise it stays in the files
    #[arg(long)]
    pub places: bool,
    /// Keep every file for itself: live photos and sidecars (XMP, Google Takeout's JSON, AAE) are not brought together
    #[arg(long)]
    pub separate: bool,
    /// Journal by which a run that was stopped goes on [default: one for each capsule, in this platform's folder for state]
    #[arg(long, value_name = "FILE", conflicts_with = "no_journal")]
    pub journal: Option<PathBuf>,
    /// Read every file, whatever earlier runs noted, and note nothing
    #[arg(long)]
    pub no_journal: bool,
    /// Say what would be done with each file, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, clap::Args)]
pub struct List {
    /// Capsule to list [default: your own]
    #[arg(long, value_name = "ID")]
    pub capsule: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct Get {
    /// Id of the memory, as `keepsake list` shows it
    #[arg(value_name = "MEMORY")]
    pub memory: String,
    /// original, display, thumbnail, placeholder, or the id of an asset
    #[arg(long, value_name = "ASSET", default_value = "original")]
    pub asset: String,
    /// File to write; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn options_may_stand_after_the_command() {
        let args = Args::try_parse_from([
            "keepsake", "get", "m1", "-o", "-", "--json", "--url", "http://x",
        ])
        .unwrap();
        assert!(args.common.json);
        assert_eq!(args.common.url, "http://x");
        assert!(Args::try_parse_from(["keepsake", "get", "m1"]).is_err());
        assert!(Args::try_parse_from(["keepsake", "upload"]).is_err());
        assert!(Args::try_parse_from(["keepsake", "list", "--canister-id", "not one"]).is_err());
    }
}
