//! Writes the seeds of the targets `arguments` (a call of each method that is carried out) and `records` (each golden record, for every kind
//! that reads it) into `seeds/`. They are in the repository; this makes them again after a change of the interface or of the world.

use keepsake_fuzz_vault::methods::METHODS;
use keepsake_fuzz_vault::session::carried_out;
use keepsake_vault::decoders;
use std::path::Path;

fn main() -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let arguments = folder.join("seeds/arguments");
    std::fs::create_dir_all(&arguments)?;
    for (number, method) in METHODS.iter().enumerate() {
        match carried_out(number, 20_000) {
            Some(input) => std::fs::write(arguments.join(method.name), input)?,
            None => eprintln!("{}: no call was carried out", method.name),
        }
    }
    let records = folder.join("seeds/records");
    std::fs::create_dir_all(&records)?;
    let golden =
        std::fs::read_to_string(folder.join("../../crates/vault/tests/golden/records.txt"))?;
    for (line, (_, hex)) in golden
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .enumerate()
    {
        let digits = (0..hex.len()).step_by(2);
        let bytes: Vec<u8> = digits
            .filter_map(|at| u8::from_str_radix(&hex[at..at + 2], 16).ok())
            .collect();
        for (kind, decoder) in decoders::ALL.iter().enumerate() {
            if (decoder.again)(&bytes).is_ok() {
                std::fs::write(
                    records.join(format!("{line}-{}", decoder.name)),
                    [&[kind as u8], bytes.as_slice()].concat(),
                )?;
            }
        }
    }
    Ok(())
}
