//! Pictures with known pixels, stored as cameras store them.

use std::io::Cursor;

use image::{
    DynamicImage, ImageFormat, Rgb, RgbImage, codecs::jpeg::JpegEncoder, metadata::Orientation,
};

/// Colours of the corners of [`upright`]: top left, top right, bottom left, bottom right.
pub const CORNERS: [[u8; 3]; 4] = [[210, 30, 30], [30, 170, 40], [30, 40, 200], [225, 215, 60]];

/// A picture of four fields, each with its colour.
pub fn upright(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let field = usize::from(x >= width / 2) + 2 * usize::from(y >= height / 2);
        Rgb(CORNERS[field])
    })
}

/// `picture` as a JPEG whose pixels lie as a camera held that way leaves them: only with the EXIF orientation (1 to 8)
/// applied it is upright again.
pub fn jpeg_stored_as(picture: &RgbImage, orientation: u8) -> Vec<u8> {
    let inverse = match orientation {
        6 => 8,
        8 => 6,
        other => other,
    };
    let mut stored = DynamicImage::ImageRgb8(picture.clone());
    stored
        .apply_orientation(Orientation::from_exif(inverse).expect("EXIF orientations are 1 to 8"));
    let mut plain = Vec::new();
    JpegEncoder::new_with_quality(&mut plain, 90)
        .encode_image(&stored)
        .expect("pixels encode");
    // After the start-of-image marker comes the EXIF segment: one entry, the orientation.
    let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    let length = u16::try_from(exif.len() + 2).expect("the segment is short");
    let (start, rest) = plain.split_at(2);
    let mut jpeg = start.to_vec();
    jpeg.extend([0xff, 0xe1]);
    jpeg.extend(length.to_be_bytes());
    jpeg.extend(exif);
    jpeg.extend(rest);
    jpeg
}

/// `picture` as a PNG.
pub fn png(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, ImageFormat::Png)
        .expect("pixels encode");
    bytes.into_inner()
}

/// Asserts that the four fields of [`upright`] are where they belong.
#[track_caller]
pub fn assert_upright(picture: &DynamicImage, what: &str) {
    let picture = picture.to_rgb8();
    let (width, height) = picture.dimensions();
    for (field, expected) in CORNERS.iter().enumerate() {
        let x = if field % 2 == 0 {
            width / 8
        } else {
            width - 1 - width / 8
        };
        let y = if field < 2 {
            height / 8
        } else {
            height - 1 - height / 8
        };
        let found = picture.get_pixel(x, y).0;
        let differs = expected
            .iter()
            .zip(found)
            .any(|(expected, found)| expected.abs_diff(found) > 32);
        assert!(
            !differs,
            "{what}: field {field} of {width} x {height} is {found:?}, expected about {expected:?}"
        );
    }
}
