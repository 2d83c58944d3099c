//! The header of a `.npy` file, checked before use.

use std::path::Path;

use npyz::{NpyHeader, Order, TypeChar};

use super::element::{DType, ElementKind};
use crate::error::{Error, Result};

const MAGIC: &[u8; 6] = b"\x93NUMPY";
const SAVE: &str = "Write the array with numpy.save(path, array)";
/// Longest header in bytes. That of a numeric array has about a hundred; NumPy itself refuses to parse more than 10
/// 000.
const LONGEST_HEADER: usize = 10_000;

/// Content of a header.
pub(super) struct Header {
    /// Lengths of the axes; complex numbers have a last axis of 2.
    pub shape: Vec<usize>,
    /// Whether the numbers are complex.
    pub complex: bool,
    pub dtype: DType,
    pub fortran: bool,
    /// Offset of the first number.
    pub offset: usize,
    /// Count of numbers.
    pub count: usize,
}

/// Reads the header at the start of `bytes`, the whole file, and checks that all numbers are present. Complex numbers are
/// refused unless they are allowed.
///
/// Bytes after the last number are tolerated, as in NumPy.
pub(super) fn parse(path: &Path, bytes: &[u8], allows_complex: bool) -> Result<Header> {
    let (start, end) = text_range(path, bytes)?;
    check_text(path, &bytes[start..end])?;
    let header = NpyHeader::from_reader(&bytes[..end])
        .map_err(|e| Error::file(path, format!("a header that cannot be read ({e})"), "a NumPy array header", SAVE))?;
    let part = part_of(&header.dtype()).filter(|_| allows_complex);
    let complex = part.is_some();
    let dtype = part.map_or_else(|| numeric(path, &header.dtype()), Ok)?;
    if complex && header.order() == Order::Fortran && header.shape().len() > 1 {
        let fix = "Save it in C order: numpy.save(path, numpy.ascontiguousarray(array))";
        return Err(Error::file(path, "complex numbers in Fortran order", "complex numbers in C order", fix));
    }
    let shape = header.shape().iter().map(|&d| usize::try_from(d).ok());
    let shape = shape.chain(complex.then_some(Some(2))).collect::<Option<Vec<_>>>();
    let wanted = shape.as_ref().and_then(|s| s.iter().try_fold(1_usize, |product, &d| product.checked_mul(d)));
    let (Some(shape), Some(count)) = (shape, wanted) else {
        return Err(too_large(path));
    };
    let (wanted, found) = (count.checked_mul(dtype.bytes()), bytes.len() - end);
    match wanted {
        Some(wanted) if wanted <= found => {}
        _ => {
            let text = super::shape_text(&shape);
            let wanted = wanted.map_or("more than 2^64".into(), |w| w.to_string());
            return Err(Error::file(
                path,
                format!("{found} bytes of numbers after the header"),
                format!("{wanted} bytes according to the header (shape {text}, {dtype})"),
                "The file is truncated: copy or write it again",
            ));
        }
    }
    let fortran = header.order() == Order::Fortran && !complex;
    Ok(Header { shape, complex, dtype, fortran, offset: end, count })
}

/// Range of the header text.
fn text_range(path: &Path, bytes: &[u8]) -> Result<(usize, usize)> {
    if bytes.len() < 10 || &bytes[..6] != MAGIC {
        let first = &bytes[..bytes.len().min(8)];
        let found = match bytes {
            [] => "an empty file".to_owned(),
            [b'P', b'K', ..] => "a zip archive (.npz?)".to_owned(),
            _ if MAGIC.starts_with(first) || first.starts_with(MAGIC) => {
                format!("only the first {} bytes of a .npy file", bytes.len())
            }
            _ => format!("a file that begins with \"{}\"", first.escape_ascii()),
        };
        let fix = if bytes.starts_with(b"PK") {
            "Save one array with numpy.save(path, array); .npz archives are read for observations, truths and factors"
        } else {
            SAVE
        };
        return Err(Error::file(path, found, "a NumPy .npy file (\"\\x93NUMPY\" first)", fix));
    }
    let (start, length) = match (bytes[6], bytes[7]) {
        (1, 0) => (10, usize::from(u16::from_le_bytes([bytes[8], bytes[9]]))),
        (2 | 3, 0) if bytes.len() >= 12 => {
            (12, u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]) as usize)
        }
        (2 | 3, 0) => (12, 0),
        (major, minor) => {
            return Err(Error::file(path, format!(".npy format {major}.{minor}"), "format 1.0, 2.0 or 3.0", SAVE));
        }
    };
    let left = bytes.len().saturating_sub(start);
    if length > left || bytes.len() < start {
        return Err(Error::file(
            path,
            format!("{left} bytes after the first {start}"),
            format!("a header of {length} bytes, as its length field states"),
            "The file is truncated or damaged: copy or write it again",
        ));
    }
    if length > LONGEST_HEADER {
        let found = format!("a header of {length} bytes");
        return Err(Error::file(path, found, format!("at most {LONGEST_HEADER} bytes (a plain array)"), SAVE));
    }
    Ok((start, start + length))
}

/// Accepts only the header of a plain array. The parser behind it recurses and multiplies without checks, so it must
/// see no deep nesting, no arithmetic and no overflowing product of dimensions.
fn check_text(path: &Path, text: &[u8]) -> Result<()> {
    let damaged = |what: String| {
        let allowed = "a header like {'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }";
        Error::file(path, what, allowed, SAVE)
    };
    if text.contains(&b'[') {
        return Err(Error::file(
            path,
            "a structured or date dtype",
            "bool, integers of 1 to 8 bytes, float16, float32, float64",
            "Save one plain field: numpy.save(path, array['field'].astype('f8'))",
        ));
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || b" \n\t'\"{}():,_<>|=".contains(&b);
    if let Some(at) = text.iter().position(|&b| !plain(b)) {
        return Err(damaged(format!("the byte \"{}\" at position {at} of the header", text[at].escape_ascii())));
    }
    for bracket in [b'(', b'{'] {
        if text.iter().filter(|&&b| b == bracket).count() > 1 {
            return Err(damaged(format!("more than one '{}' in the header", char::from(bracket))));
        }
    }
    let mut product = 1_u64;
    let mut at = 0;
    while at < text.len() {
        let digits = text[at..].iter().take_while(|b| b.is_ascii_digit()).count();
        if digits > 0 {
            if text.get(at + digits).is_some_and(|&b| b.is_ascii_alphabetic() || b == b'_') {
                return Err(damaged("a number with letters in the header".into()));
            }
            let number = std::str::from_utf8(&text[at..at + digits]).ok().and_then(|t| t.parse::<u64>().ok());
            // The item size of the dtype is one of the factors, so this bounds the bytes and every partial product.
            product = number.and_then(|number| product.checked_mul(number.max(1))).ok_or_else(|| too_large(path))?;
        }
        at += digits.max(1);
    }
    Ok(())
}

fn too_large(path: &Path) -> Error {
    Error::file(
        path,
        "a header whose shape has more than 2^64 bytes",
        "a shape that the file can hold",
        "The header is damaged: write the file again with numpy.save(path, array)",
    )
}

/// The type of a real or imaginary part, for complex numbers.
fn part_of(dtype: &npyz::DType) -> Option<DType> {
    let npyz::DType::Plain(text) = dtype else { return None };
    let kind = match (text.type_char(), text.size_field()) {
        (TypeChar::Complex, 8) => ElementKind::F32,
        (TypeChar::Complex, 16) => ElementKind::F64,
        _ => return None,
    };
    Some(DType { kind, big_endian: text.endianness() == npyz::Endianness::Big })
}

/// The numeric type, or the reason why it is none.
fn numeric(path: &Path, dtype: &npyz::DType) -> Result<DType> {
    let refuse = |found: String, fix: &str| {
        Err(Error::file(path, found, "bool, integers of 1 to 8 bytes, float16, float32, float64", fix))
    };
    let npyz::DType::Plain(text) = dtype else {
        return refuse(
            "a structured dtype".into(),
            "Save one plain field: numpy.save(path, array['field'].astype('f8'))",
        );
    };
    let kind = match (text.type_char(), text.size_field()) {
        (TypeChar::Bool, 1) => ElementKind::Bool,
        (TypeChar::Int, 1) => ElementKind::I8,
        (TypeChar::Int, 2) => ElementKind::I16,
        (TypeChar::Int, 4) => ElementKind::I32,
        (TypeChar::Int, 8) => ElementKind::I64,
        (TypeChar::Uint, 1) => ElementKind::U8,
        (TypeChar::Uint, 2) => ElementKind::U16,
        (TypeChar::Uint, 4) => ElementKind::U32,
        (TypeChar::Uint, 8) => ElementKind::U64,
        (TypeChar::Float, 2) => ElementKind::F16,
        (TypeChar::Float, 4) => ElementKind::F32,
        (TypeChar::Float, 8) => ElementKind::F64,
        (TypeChar::Complex, size) => {
            return refuse(
                format!("complex numbers (complex{})", size.saturating_mul(8)),
                "Complex factors, truths and observations belong to complex problems: those of --pauli and --masks, and of complex \
                 --vectors, --matrices and --entries. Other problems are lifted to real numbers: a Hermitian n x n unknown H = P + iQ becomes the symmetric 2n x 2n \
                 [[P, -Q], [Q, P]], and a measurement z = a + ib becomes two real ones, a and b: stack the real and \
                 imaginary parts of y, and give two real 2n x 2n matrices for each complex one",
            );
        }
        (TypeChar::Object, _) => {
            return refuse("Python objects (dtype object)".into(), "Save numbers: array.astype('f8')");
        }
        (TypeChar::ByteStr | TypeChar::UnicodeStr, _) => {
            return refuse(format!("strings (dtype {text})"), "Save numbers: array.astype('f8')");
        }
        _ => return refuse(format!("dtype {text}"), "Convert before saving: array.astype('f8')"),
    };
    Ok(DType { kind, big_endian: text.endianness() == npyz::Endianness::Big })
}
