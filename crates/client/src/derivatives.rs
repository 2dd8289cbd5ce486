//! Display, thumbnail and placeholder versions of a photo.
//!
//! Derivatives are upright, never larger than their photo, lossy WebP, and within a size: display 2048 px on
//! the long edge and 2 MiB, thumbnail 512 px and 200 KiB, placeholder 32 px and 10 KiB. Transparency and wide-gamut
//! colour profiles are kept; EXIF, and with it the place, is not.
//!
//! Decoding is guarded: photos come from anywhere. The number of pixels is checked before any is decoded,
//! memory is limited, and a decoder that panics costs this file its derivatives and nothing else.

use std::{
    cell::Cell,
    fs::File,
    io::BufReader,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, metadata::Orientation};
use keepsake_api::AssetType;
use webp::{Encoder, WebPConfig};

use crate::{jpeg, webp_container};

/// Media type of every derivative.
pub const MIME: &str = "image/webp";

/// Most pixels that are decoded: above the largest sensors and phone panoramas, at 600 MB as 8-bit RGBA.
pub const MOST_PIXELS: u64 = 150_000_000;

/// Most memory that a decoder may allocate (bytes).
const MOST_MEMORY: u64 = 768 * 1024 * 1024;

/// Longest file that is decoded (bytes); decoders of some formats read the whole file into memory.
const LONGEST_FILE: u64 = 512 * 1024 * 1024;

/// From good to whatever fits. The first is visually close to the original at these sizes.
const QUALITIES: [f32; 8] = [82.0, 75.0, 65.0, 55.0, 45.0, 35.0, 20.0, 5.0];

/// One of the versions made of a photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Placeholder,
    Thumbnail,
    Display,
}

impl Kind {
    /// All of them, the smallest first, in the order in which they are made.
    pub const ALL: [Kind; 3] = [Kind::Placeholder, Kind::Thumbnail, Kind::Display];

    /// Longest edge in pixels.
    pub fn edge(self) -> u32 {
        match self {
            Kind::Placeholder => 32,
            Kind::Thumbnail => 512,
            Kind::Display => 2048,
        }
    }

    /// Most bytes.
    pub fn most_bytes(self) -> usize {
        match self {
            Kind::Placeholder => 10 * 1024,
            Kind::Thumbnail => 200 * 1024,
            Kind::Display => 2 * 1024 * 1024,
        }
    }

    /// Its name, lower case.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Placeholder => "placeholder",
            Kind::Thumbnail => "thumbnail",
            Kind::Display => "display",
        }
    }

    /// The asset type it becomes.
    pub fn asset_type(self) -> AssetType {
        match self {
            Kind::Placeholder => AssetType::Placeholder,
            Kind::Thumbnail => AssetType::Thumbnail,
            Kind::Display => AssetType::Display,
        }
    }
}

/// A version of a photo, encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derivative {
    pub kind: Kind,
    /// A WebP file.
    pub bytes: Vec<u8>,
    pub width: u32,
    pub height: u32,
}

/// Why a photo has no derivatives, or not this one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DerivativeError {
    #[error("the file is empty")]
    Empty,
    #[error("the image is cut short: its end is missing")]
    CutShort,
    #[error("the image cannot be decoded: {0}")]
    Undecodable(String),
    #[error(
        "the image claims {width} x {height} pixels, more than the {MOST_PIXELS} that are decoded"
    )]
    TooManyPixels { width: u32, height: u32 },
    #[error("the file is longer than the {LONGEST_FILE} bytes that are decoded")]
    FileTooLong,
    #[error("the decoder failed on this image")]
    Panicked,
    #[error("scaling failed: {0}")]
    Scaling(String),
    #[error("encoding as WebP failed: {0}")]
    Encoding(String),
    #[error("the file cannot be read: {0}")]
    Unreadable(String),
}

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is inside a guarded decoder, whose panics are caught and reported as
/// [`DerivativeError::Panicked`]; a panic hook may stay silent then.
pub fn is_guarded() -> bool {
    GUARDED.get()
}

/// Width and height as stored, before any rotation, from the file's header. Blocking; cheap.
pub fn dimensions(path: &Path, format: ImageFormat) -> Result<(u32, u32), DerivativeError> {
    guarded(|| open(path, format).map(|decoder| decoder.dimensions()))
}

/// Makes the versions `wanted` of the photo at `path` and hands each to `emit` as soon as it is ready, the
/// smallest first; where the photo cannot be decoded, the reason once for each. `orientation` (1 to 8, EXIF)
/// overrides what the decoder finds. Blocking, for up to seconds.
pub fn make(
    path: &Path,
    format: ImageFormat,
    orientation: Option<u8>,
    wanted: &[Kind],
    mut emit: impl FnMut(Kind, Result<Derivative, DerivativeError>),
) {
    let mut order = wanted.to_vec();
    order.sort_unstable();
    order.dedup();
    let Some(&largest) = order.last() else {
        return;
    };
    let photo = match guarded(|| read(path, format, orientation, largest.edge())) {
        Ok(photo) => photo,
        Err(error) => {
            for kind in order {
                emit(kind, Err(error.clone()));
            }
            return;
        }
    };
    // Each size is scaled from the next larger one, which is both faster and no worse to the eye.
    let mut scaled: Vec<(Kind, DynamicImage)> = Vec::new();
    for &kind in order.iter().rev() {
        let source = scaled.last().map_or(&photo.pixels, |(_, image)| image);
        match guarded(|| shrink(source, kind.edge())) {
            Ok(image) => scaled.push((kind, image)),
            Err(error) => emit(kind, Err(error)),
        }
    }
    for (kind, image) in scaled.into_iter().rev() {
        let profile = photo
            .profile
            .as_deref()
            .filter(|_| kind != Kind::Placeholder);
        emit(kind, guarded(|| encode(kind, image, profile)));
    }
}

struct Photo {
    /// Upright, 8-bit RGB or premultiplied RGBA, its long edge at most what was asked for.
    pixels: DynamicImage,
    profile: Option<Vec<u8>>,
}

fn guarded<T>(work: impl FnOnce() -> Result<T, DerivativeError>) -> Result<T, DerivativeError> {
    GUARDED.set(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(false);
    result.unwrap_or(Err(DerivativeError::Panicked))
}

fn open(path: &Path, format: ImageFormat) -> Result<impl ImageDecoder + use<>, DerivativeError> {
    let unreadable = |e: std::io::Error| DerivativeError::Unreadable(e.to_string());
    let file = File::open(path).map_err(unreadable)?;
    let len = file.metadata().map_err(unreadable)?.len();
    if len == 0 {
        return Err(DerivativeError::Empty);
    }
    if len > LONGEST_FILE {
        return Err(DerivativeError::FileTooLong);
    }
    let mut reader = ImageReader::with_format(BufReader::new(file), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(MOST_MEMORY);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(undecodable)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(DerivativeError::TooManyPixels { width, height });
    }
    if width == 0 || height == 0 {
        return Err(DerivativeError::Undecodable("it has no pixels".to_owned()));
    }
    Ok(decoder)
}

fn read(
    path: &Path,
    format: ImageFormat,
    orientation: Option<u8>,
    edge: u32,
) -> Result<Photo, DerivativeError> {
    let mut decoder = open(path, format)?;
    if format == ImageFormat::Jpeg {
        let complete = File::open(path)
            .and_then(|file| jpeg::is_complete(BufReader::with_capacity(64 * 1024, file)))
            .map_err(|e| DerivativeError::Unreadable(e.to_string()))?;
        if !complete {
            return Err(DerivativeError::CutShort);
        }
    }
    let orientation = orientation
        .and_then(Orientation::from_exif)
        .or_else(|| decoder.orientation().ok())
        .unwrap_or(Orientation::NoTransforms);
    let profile = decoder
        .icc_profile()
        .ok()
        .flatten()
        .filter(|icc| webp_container::matters(icc));
    let image = DynamicImage::from_decoder(decoder).map_err(undecodable)?;
    let mut pixels = shrink(&eight_bit(image), edge)?;
    pixels.apply_orientation(orientation);
    Ok(Photo { pixels, profile })
}

fn undecodable(error: image::ImageError) -> DerivativeError {
    match error {
        image::ImageError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            DerivativeError::CutShort
        }
        other => DerivativeError::Undecodable(other.to_string()),
    }
}

/// 8-bit RGB; or, where a pixel is not opaque, RGBA with colours multiplied by their alpha, so that scaling does not
/// bleed the invisible colour of transparent pixels into their neighbours.
fn eight_bit(image: DynamicImage) -> DynamicImage {
    if !image.color().has_alpha() {
        return DynamicImage::ImageRgb8(image.into_rgb8());
    }
    let mut rgba = image.into_rgba8();
    if rgba.pixels().all(|p| p.0[3] == u8::MAX) {
        return DynamicImage::ImageRgb8(DynamicImage::ImageRgba8(rgba).into_rgb8());
    }
    for pixel in rgba.pixels_mut() {
        let [r, g, b, a] = pixel.0;
        pixel.0 = [scale(r, a, 255), scale(g, a, 255), scale(b, a, 255), a];
    }
    DynamicImage::ImageRgba8(rgba)
}

/// `value` × `by` / `over`, rounded, at most 255.
fn scale(value: u8, by: u8, over: u8) -> u8 {
    let over = u32::from(over);
    let product = u32::from(value) * u32::from(by) + over / 2;
    u8::try_from(product / over).unwrap_or(u8::MAX)
}

/// The image with its long edge at most `edge`; never enlarged. The filter's intermediate image has the target's width and the source's
/// height, so that it is smaller than the source.
///
/// # Errors
/// [`DerivativeError::Scaling`] for pixels that are neither 8-bit RGB nor RGBA.
fn shrink(image: &DynamicImage, edge: u32) -> Result<DynamicImage, DerivativeError> {
    let (width, height) = fit(image.width(), image.height(), edge);
    if (width, height) == (image.width(), image.height()) {
        return Ok(image.clone());
    }
    let mut scaled = DynamicImage::new(width, height, image.color());
    // Colours are multiplied by their alpha already.
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3))
        .use_alpha(false);
    Resizer::new()
        .resize(image, &mut scaled, &options)
        .map_err(|error| DerivativeError::Scaling(error.to_string()))?;
    Ok(scaled)
}

/// The size within `edge` of the same shape, each side at least 1.
fn fit(width: u32, height: u32, edge: u32) -> (u32, u32) {
    let long = width.max(height);
    if long <= edge {
        return (width, height);
    }
    let side = |length: u32| {
        let exact = (u64::from(length) * u64::from(edge) + u64::from(long) / 2) / u64::from(long);
        // At most `edge`, because `length` is at most `long`.
        u32::try_from(exact).unwrap_or(edge).max(1)
    };
    (side(width), side(height))
}

/// Encodes within the kind's size: quality goes down first, and the number of pixels where that is not enough.
fn encode(
    kind: Kind,
    image: DynamicImage,
    profile: Option<&[u8]>,
) -> Result<Derivative, DerivativeError> {
    let mut pixels = image;
    loop {
        let (width, height) = (pixels.width(), pixels.height());
        let straight = straight_alpha(&pixels);
        for quality in QUALITIES {
            let plain = encode_once(straight.as_ref().unwrap_or(&pixels), quality)?;
            let bytes = match profile {
                Some(icc) => {
                    webp_container::with_profile(&plain, icc, width, height).unwrap_or(plain)
                }
                None => plain,
            };
            if bytes.len() <= kind.most_bytes() {
                return Ok(Derivative {
                    kind,
                    bytes,
                    width,
                    height,
                });
            }
        }
        let edge = width.max(height);
        if edge <= 1 {
            return Err(DerivativeError::Encoding("it does not fit".to_owned()));
        }
        pixels = shrink(&pixels, edge * 3 / 4)?;
    }
}

/// Colours divided by their alpha again; `None` for an image without alpha.
fn straight_alpha(image: &DynamicImage) -> Option<DynamicImage> {
    let DynamicImage::ImageRgba8(premultiplied) = image else {
        return None;
    };
    let mut rgba = premultiplied.clone();
    for pixel in rgba.pixels_mut() {
        let [r, g, b, a] = pixel.0;
        if a != 0 {
            pixel.0 = [scale(r, 255, a), scale(g, 255, a), scale(b, 255, a), a];
        }
    }
    Some(DynamicImage::ImageRgba8(rgba))
}

fn encode_once(image: &DynamicImage, quality: f32) -> Result<Vec<u8>, DerivativeError> {
    let encoder = match image {
        DynamicImage::ImageRgb8(rgb) => Encoder::from_rgb(rgb, rgb.width(), rgb.height()),
        DynamicImage::ImageRgba8(rgba) => Encoder::from_rgba(rgba, rgba.width(), rgba.height()),
        other => {
            return Err(DerivativeError::Encoding(format!(
                "unexpected pixels {:?}",
                other.color()
            )));
        }
    };
    let mut config = WebPConfig::new()
        .map_err(|()| DerivativeError::Encoding("the encoder does not start".to_owned()))?;
    config.quality = quality;
    encoder
        .encode_advanced(&config)
        .map(|bytes| bytes.to_vec())
        .map_err(|e| DerivativeError::Encoding(format!("{e:?}")))
}

#[cfg(test)]
mod tests;
