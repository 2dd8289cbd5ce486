//! Puts a colour profile into a WebP file (WebP Container Specification, "Extended File Format").
//!
//! The encoder writes pixels only. Photos of phones are often in a wider colour space than sRGB, and would look
//! pale without their profile.

/// Longest profile that is carried over (bytes). Wide-gamut profiles take about 600; longer ones belong to
/// printing, and would be a burden on every thumbnail.
const LONGEST_PROFILE: usize = 16 * 1024;

const FLAG_ICC: u8 = 0x20;
const FLAG_ALPHA: u8 = 0x10;

/// Whether a profile changes what a viewer shows: an RGB profile (ICC.1:2010, 7.2) other than sRGB, which is
/// what a viewer assumes without one.
pub fn matters(icc: &[u8]) -> bool {
    let contains = |needle: &[u8]| icc.windows(needle.len()).any(|w| w == needle);
    icc.len() >= 128
        && icc.len() <= LONGEST_PROFILE
        && icc.get(16..20) == Some(b"RGB ")
        && icc.get(36..40) == Some(b"acsp")
        && !contains(b"sRGB")
        && !contains(b"s\0R\0G\0B")
}

/// `webp` with `icc` in it. `None` where `webp` is not a still image of `width` × `height` as encoders write it.
pub fn with_profile(webp: &[u8], icc: &[u8], width: u32, height: u32) -> Option<Vec<u8>> {
    let body = webp
        .strip_prefix(b"RIFF")?
        .get(4..)?
        .strip_prefix(b"WEBP")?;
    let mut image = Vec::new();
    let mut alpha = false;
    let mut rest = body;
    while !rest.is_empty() {
        let name = rest.get(..4)?;
        let len = u32::from_le_bytes(rest.get(4..8)?.try_into().ok()?);
        let data = rest.get(8..8usize.checked_add(usize::try_from(len).ok()?)?)?;
        match name {
            b"VP8X" => {}
            b"ALPH" | b"VP8 " => {
                alpha |= name == b"ALPH";
                push_chunk(&mut image, name, data)?;
            }
            _ => return None,
        }
        let padded = data.len() + data.len() % 2;
        rest = rest.get(8 + padded..)?;
    }

    let mut header = [0; 10];
    header[0] = FLAG_ICC | if alpha { FLAG_ALPHA } else { 0 };
    header[4..7].copy_from_slice(&three_bytes(width)?);
    header[7..10].copy_from_slice(&three_bytes(height)?);

    let mut out = Vec::with_capacity(webp.len() + icc.len() + 40);
    out.extend_from_slice(b"RIFF\0\0\0\0WEBP");
    push_chunk(&mut out, b"VP8X", &header)?;
    push_chunk(&mut out, b"ICCP", icc)?;
    out.extend_from_slice(&image);
    let size = u32::try_from(out.len() - 8).ok()?;
    out[4..8].copy_from_slice(&size.to_le_bytes());
    Some(out)
}

/// A dimension of 1 to 2^24, less one, little endian.
fn three_bytes(dimension: u32) -> Option<[u8; 3]> {
    let [a, b, c, high] = dimension.checked_sub(1)?.to_le_bytes();
    (high == 0).then_some([a, b, c])
}

fn push_chunk(out: &mut Vec<u8>, name: &[u8], data: &[u8]) -> Option<()> {
    out.extend_from_slice(name);
    out.extend_from_slice(&u32::try_from(data.len()).ok()?.to_le_bytes());
    out.extend_from_slice(data);
    if data.len() % 2 == 1 {
        out.push(0);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::{ImageDecoder, codecs::webp::WebPDecoder};

    use super::*;

    fn profile(text: &[u8]) -> Vec<u8> {
        let mut icc = vec![0; 201];
        icc[16..20].copy_from_slice(b"RGB ");
        icc[36..40].copy_from_slice(b"acsp");
        icc[140..140 + text.len()].copy_from_slice(text);
        icc
    }

    #[test]
    fn a_profile_goes_in_and_comes_out_with_and_without_alpha() {
        let icc = profile(b"Display P3");
        for (layout, bytes) in [
            (webp::PixelLayout::Rgb, vec![90; 7 * 5 * 3]),
            (webp::PixelLayout::Rgba, vec![90; 7 * 5 * 4]),
        ] {
            let encoded = webp::Encoder::new(&bytes, layout, 7, 5)
                .encode_simple(false, 80.0)
                .unwrap();
            let whole = with_profile(&encoded, &icc, 7, 5).unwrap();
            let mut decoder = WebPDecoder::new(Cursor::new(&whole)).unwrap();
            assert_eq!(decoder.dimensions(), (7, 5));
            assert_eq!(decoder.icc_profile().unwrap(), Some(icc.clone()));
            let mut pixels = vec![0; usize::try_from(decoder.total_bytes()).unwrap()];
            decoder.read_image(&mut pixels).unwrap();
        }
    }

    #[test]
    fn only_profiles_that_change_something_are_kept() {
        assert!(matters(&profile(b"Display P3")));
        assert!(!matters(&profile(b"sRGB IEC61966-2.1")));
        assert!(!matters(&profile(b"s\0R\0G\0B\0")));
        assert!(!matters(b"short"));
        assert!(!matters(&vec![0; 4096]));
    }

    #[test]
    fn what_is_no_webp_is_left_alone() {
        for bad in [
            &b""[..],
            b"RIFF",
            b"RIFF\0\0\0\0WEBPVP8 \xff\xff\xff\xff",
            b"GIF89a",
        ] {
            assert_eq!(with_profile(bad, &profile(b""), 1, 1), None);
        }
    }
}
