use std::{collections::BTreeMap, path::PathBuf};

use image::{GenericImageView, Rgb, RgbImage, Rgba, RgbaImage};

use super::*;

type Made = BTreeMap<Kind, Result<Derivative, DerivativeError>>;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn make_all(path: &Path, format: ImageFormat) -> Made {
    let mut made = Made::new();
    make(path, format, None, &Kind::ALL, |kind, result| {
        assert!(made.insert(kind, result).is_none());
    });
    assert_eq!(made.len(), Kind::ALL.len());
    made
}

fn decode(derivative: &Derivative) -> DynamicImage {
    image::load_from_memory_with_format(&derivative.bytes, ImageFormat::WebP).unwrap()
}

fn sizes(made: &Made) -> Vec<(u32, u32)> {
    made.values()
        .map(|result| {
            let derivative = result.as_ref().unwrap();
            let image = decode(derivative);
            assert_eq!(image.dimensions(), (derivative.width, derivative.height));
            assert!(derivative.bytes.len() <= derivative.kind.most_bytes());
            image.dimensions()
        })
        .collect()
}

fn saved(image: &DynamicImage, name: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    image.save(&path).unwrap();
    (dir, path)
}

#[test]
fn a_portrait_stored_on_its_side_stands_up() {
    let path = fixture("portrait-orientation-6.jpg");
    let stored = dimensions(&path, ImageFormat::Jpeg).unwrap();
    let made = make_all(&path, ImageFormat::Jpeg);
    for (width, height) in sizes(&made) {
        assert!(
            (width < height) == (stored.0 > stored.1) || stored.0 == stored.1,
            "stored {stored:?}, made {width} x {height}"
        );
    }
}

#[test]
fn every_orientation_ends_upright() {
    // Upright: red left, blue right, on the upper half; green below.
    let upright = RgbImage::from_fn(40, 80, |x, y| match (x < 20, y < 40) {
        (true, true) => Rgb([220, 20, 20]),
        (false, true) => Rgb([20, 20, 220]),
        _ => Rgb([20, 200, 20]),
    });
    for exif in 1..=8 {
        // Store it such that applying the orientation gives the upright image back.
        let mut stored = DynamicImage::ImageRgb8(upright.clone());
        let inverse = match exif {
            6 => 8,
            8 => 6,
            other => other,
        };
        stored.apply_orientation(Orientation::from_exif(inverse).unwrap());
        let (_dir, path) = saved(&stored, "x.png");
        make(
            &path,
            ImageFormat::Png,
            Some(exif),
            &[Kind::Display],
            |_, result| {
                let image = decode(&result.unwrap()).to_rgb8();
                assert_eq!(image.dimensions(), (40, 80), "orientation {exif}");
                let at = |x, y| {
                    let Rgb([r, g, b]) = *image.get_pixel(x, y);
                    [r > 128, g > 128, b > 128]
                };
                assert_eq!(at(8, 15), [true, false, false], "orientation {exif}");
                assert_eq!(at(32, 15), [false, false, true], "orientation {exif}");
                assert_eq!(at(20, 65), [false, true, false], "orientation {exif}");
            },
        );
    }
}

#[test]
fn sizes_are_kept_to_and_nothing_is_enlarged() {
    let large = DynamicImage::ImageRgb8(RgbImage::from_pixel(9000, 30, Rgb([1, 2, 3])));
    let (_dir, path) = saved(&large, "panorama.png");
    assert_eq!(
        sizes(&make_all(&path, ImageFormat::Png)),
        [(32, 1), (512, 2), (2048, 7)]
    );
    let small = DynamicImage::ImageRgb8(RgbImage::from_pixel(20, 10, Rgb([1, 2, 3])));
    let (_dir, path) = saved(&small, "small.png");
    assert_eq!(
        sizes(&make_all(&path, ImageFormat::Png)),
        [(20, 10), (20, 10), (20, 10)]
    );
    assert_eq!(fit(4000, 3000, 2048), (2048, 1536));
    assert_eq!(fit(1, 1_000_000, 32), (1, 32));
}

#[test]
fn noise_fits_too() {
    let mut state = 1u32;
    let noise = RgbImage::from_fn(2048, 1600, |_, _| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [_, r, g, b] = state.to_be_bytes();
        Rgb([r, g, b])
    });
    let (_dir, path) = saved(&DynamicImage::ImageRgb8(noise), "noise.png");
    sizes(&make_all(&path, ImageFormat::Png));
}

#[test]
fn transparency_is_kept_without_a_fringe() {
    // A white disc on transparent black: premultiplied scaling keeps the rim white.
    let disc = RgbaImage::from_fn(600, 600, |x, y| {
        let (dx, dy) = (f64::from(x) - 300.0, f64::from(y) - 300.0);
        if dx * dx + dy * dy < 200.0 * 200.0 {
            Rgba([255, 255, 255, 255])
        } else {
            Rgba([0, 0, 0, 0])
        }
    });
    let (_dir, path) = saved(&DynamicImage::ImageRgba8(disc), "disc.png");
    let made = make_all(&path, ImageFormat::Png);
    let thumbnail = decode(made[&Kind::Thumbnail].as_ref().unwrap()).to_rgba8();
    assert_eq!(thumbnail.get_pixel(0, 0).0[3], 0);
    assert_eq!(thumbnail.get_pixel(256, 256).0[3], 255);
    for pixel in thumbnail.pixels().filter(|p| p.0[3] > 32) {
        assert!(pixel.0[0] > 200, "a dark fringe: {pixel:?}");
    }
}

#[test]
fn an_opaque_alpha_channel_is_dropped() {
    let opaque = RgbaImage::from_pixel(10, 10, Rgba([9, 9, 9, 255]));
    let image = eight_bit(DynamicImage::ImageRgba8(opaque));
    assert!(matches!(image, DynamicImage::ImageRgb8(_)));
}

#[test]
fn corrupt_and_hostile_files_cost_only_their_derivatives() {
    let whole = std::fs::read(fixture("portrait-orientation-6.jpg")).unwrap();
    let png = std::fs::read(fixture("density_plot.png")).unwrap();
    // A PNG header that claims 60,000 x 60,000 pixels, with a right checksum.
    let bomb = {
        let header = image_header_png(60_000, 60_000);
        [&header[..], &png[33..]].concat()
    };
    let mut flipped = png.clone();
    let middle = flipped.len() / 2;
    flipped[middle..middle + 64].fill(0xaa);
    let cases: [(&str, ImageFormat, Vec<u8>); 6] = [
        ("empty.jpg", ImageFormat::Jpeg, Vec::new()),
        ("text.jpg", ImageFormat::Jpeg, b"this is no image".to_vec()),
        (
            "cut.jpg",
            ImageFormat::Jpeg,
            whole[..whole.len() / 2].to_vec(),
        ),
        ("cut.png", ImageFormat::Png, png[..png.len() / 2].to_vec()),
        ("bomb.png", ImageFormat::Png, bomb),
        ("flipped.png", ImageFormat::Png, flipped),
    ];
    let dir = tempfile::tempdir().unwrap();
    for (name, format, bytes) in cases {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        for (kind, result) in make_all(&path, format) {
            let error = result.expect_err(name);
            match name {
                "empty.jpg" => assert_eq!(error, DerivativeError::Empty),
                "cut.jpg" => assert_eq!(error, DerivativeError::CutShort),
                "bomb.png" => assert!(
                    matches!(error, DerivativeError::TooManyPixels { .. }),
                    "{error:?}"
                ),
                _ => assert!(!error.to_string().is_empty(), "{kind:?}"),
            }
        }
    }
    let missing = make_all(&dir.path().join("missing.jpg"), ImageFormat::Jpeg);
    assert!(
        missing
            .values()
            .all(|r| matches!(r, Err(DerivativeError::Unreadable(_))))
    );
}

#[test]
fn panics_are_caught() {
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| assert!(is_guarded())));
    let result: Result<(), _> = guarded(|| panic!("hostile"));
    std::panic::set_hook(previous);
    assert_eq!(result, Err(DerivativeError::Panicked));
    assert!(!is_guarded());
}

/// Signature and IHDR chunk of an 8-bit RGB PNG.
fn image_header_png(width: u32, height: u32) -> Vec<u8> {
    let mut chunk = b"IHDR".to_vec();
    chunk.extend_from_slice(&width.to_be_bytes());
    chunk.extend_from_slice(&height.to_be_bytes());
    chunk.extend_from_slice(&[8, 2, 0, 0, 0]);
    let crc = chunk.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |c, _| {
            if c & 1 == 1 {
                (c >> 1) ^ 0xedb8_8320
            } else {
                c >> 1
            }
        })
    });
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
    png.extend_from_slice(&chunk);
    png.extend_from_slice(&(!crc).to_be_bytes());
    png
}

/// Seconds of a processor that this thread has had; Linux only.
fn processor_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos: f64 = text
        .split_whitespace()
        .next()
        .and_then(|first| first.parse().ok())
        .unwrap_or(0.0);
    nanos / 1e9
}

/// Prints what each step costs, as the mean over the JPEGs of the folder that `KEEPSAKE_PHOTOS` names (benches/clients).
#[test]
#[ignore = "a measurement"]
fn what_the_steps_cost() {
    let folder = std::env::var_os("KEEPSAKE_PHOTOS").expect("a folder of photos is named");
    let mut costs: Vec<(String, f64)> = Vec::new();
    let mut photos = 0.0;
    let mut megapixels = 0.0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mut last = processor_seconds();
        let mut done = |step: String| {
            let now = processor_seconds();
            match costs.iter_mut().find(|(name, _)| *name == step) {
                Some((_, cost)) => *cost += now - last,
                None => costs.push((step, now - last)),
            }
            last = now;
        };
        let file = BufReader::with_capacity(64 * 1024, File::open(&path).unwrap());
        assert!(jpeg::is_complete(file).unwrap(), "{}", path.display());
        done("look for the end".to_owned());
        let decoder = open(&path, ImageFormat::Jpeg).unwrap();
        let image = eight_bit(DynamicImage::from_decoder(decoder).unwrap());
        photos += 1.0;
        megapixels += f64::from(image.width()) * f64::from(image.height()) / 1e6;
        done("decode".to_owned());
        let mut scaled = image;
        for kind in Kind::ALL.into_iter().rev() {
            scaled = shrink(&scaled, kind.edge()).unwrap();
            done(format!("resize, {}", kind.name()));
            encode(kind, scaled.clone(), None).unwrap();
            done(format!("encode, {}", kind.name()));
        }
    }
    println!(
        "{photos} photos, {:.1} megapixels each",
        megapixels / photos
    );
    for (step, cost) in costs {
        println!("| {step} | {:.1} |", cost / photos * 1e3);
    }
}
