//! Files of an archive that say what it is.

use time::OffsetDateTime;

/// For whoever finds the folder, with or without this program.
pub const README: &str = "\
Memories, exported by Keepsake.

data/       The memories, a folder for each capsule (`mine` is the owner's own), in it one for each year and month (UTC).
            Photos, films and documents are the original files, byte for byte.
            <name>.json beside a file has everything that is known of it: title, description, date, people, place,
            notes, and each file of the memory with its length and SHA-256. Times are UTC.
            <name>.xmp has the same for programs for photos, as far as XMP has words for it.
            derivatives/ holds smaller versions for showing. They can be made again from the originals.
            What is kept elsewhere (kept_elsewhere in the .json) is not here; the .json says where it is.
source/     What belonged to the one vault that this came from: ids, when things were uploaded and by whom, and who
            else could see them. A line of JSON for the capsule, then one for each memory.

Whether everything is as it was written:
            sha256sum -c manifest-sha256.txt
            sha256sum -c tagmanifest-sha256.txt
or, with this program: keepsake verify --archive <this folder>

Into a vault: keepsake import <this folder>

The folder is a bag in the sense of BagIt 1.0 (RFC 8493). manifest.jsonl names the same files as manifest-sha256.txt, by
memory and with their lengths.
";

/// The declaration that makes the folder a bag (RFC 8493, 2.1.1).
pub const BAGIT: &str = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";

/// The bag's metadata (RFC 8493, 2.2.2), of today.
pub fn bag_info(files: usize, bytes: u64) -> String {
    let today = OffsetDateTime::now_utc().date();
    format!(
        "External-Description: Memories exported by Keepsake; README.txt says how to read them\n\
         Bagging-Date: {:04}-{:02}-{:02}\n\
         Payload-Oxum: {bytes}.{files}\n",
        today.year(),
        u8::from(today.month()),
        today.day()
    )
}
