//! Whether a JPEG is all there.
//!
//! Decoders fill what is missing with grey and report success; a photo whose end is missing must not pass for
//! a whole one. The walk follows ISO/IEC 10918-1, B.1 and B.2.

use std::io::{self, BufRead};

/// Reads a JPEG from its first byte and tells whether its end-of-image marker is reached. What follows it (motion
/// pictures of phones, for one) does not matter. `Ok(false)`: cut short, or no JPEG.
pub fn is_complete<R: BufRead>(mut reader: R) -> io::Result<bool> {
    match walk(&mut reader) {
        Ok(complete) => Ok(complete),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(e),
    }
}

fn walk<R: BufRead>(reader: &mut R) -> io::Result<bool> {
    if (byte(reader)?, byte(reader)?) != (0xff, 0xd8) {
        return Ok(false);
    }
    loop {
        // Between segments decoders tolerate stray bytes; so does this.
        match next_marker(reader)? {
            0xd9 => return Ok(true),
            0x01 | 0xd0..=0xd8 => {}
            _ => {
                let length = u16::from_be_bytes([byte(reader)?, byte(reader)?]);
                skip(reader, u64::from(length.saturating_sub(2)))?;
            }
        }
    }
}

/// The next marker that is neither a stuffed 0xff nor a restart marker within entropy-coded data.
fn next_marker<R: BufRead>(reader: &mut R) -> io::Result<u8> {
    loop {
        skip_until_ff(reader)?;
        let mut code = byte(reader)?;
        while code == 0xff {
            code = byte(reader)?;
        }
        if code != 0 && !(0xd0..=0xd7).contains(&code) {
            return Ok(code);
        }
    }
}

/// Consumes up to and including the next 0xff.
fn skip_until_ff<R: BufRead>(reader: &mut R) -> io::Result<()> {
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match buffer.iter().position(|&b| b == 0xff) {
            Some(at) => {
                reader.consume(at + 1);
                return Ok(());
            }
            None => {
                let all = buffer.len();
                reader.consume(all);
            }
        }
    }
}

fn skip<R: BufRead>(reader: &mut R, count: u64) -> io::Result<()> {
    let mut left = count;
    while left > 0 {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let step = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        reader.consume(step);
        left -= step as u64;
    }
    Ok(())
}

fn byte<R: BufRead>(reader: &mut R) -> io::Result<u8> {
    let mut one = [0];
    reader.read_exact(&mut one)?;
    Ok(one[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cut_is_noticed() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/date-gps.jpg");
        let whole = std::fs::read(path).unwrap();
        assert!(is_complete(&whole[..]).unwrap());
        let mut with_tail = whole.clone();
        with_tail.extend_from_slice(b"\0\0\0\x18ftypmp42");
        assert!(is_complete(&with_tail[..]).unwrap());
        for cut in 0..whole.len() {
            assert!(!is_complete(&whole[..cut]).unwrap(), "cut at {cut}");
        }
    }

    #[test]
    fn other_content_is_not_a_jpeg() {
        assert!(!is_complete(&b"\x89PNG"[..]).unwrap());
        assert!(!is_complete(&[0xff; 1000][..]).unwrap());
    }
}
