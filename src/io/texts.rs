//! Names of rows and columns in archives: whole numbers of 64 bits, or NumPy's text of 32 bits per letter.

use std::io::{Result as IoResult, Write};
use std::path::Path;

use npyz::{NpyHeader, TypeChar};

use super::labels::Labels;
use super::npz::{LARGEST_ENTRY, npz_names, read_bytes};
use super::read_npz;
use super::write::{NpyWriter, write_header};
use crate::error::{Error, Result};

/// Writes names as a `.npy` file.
pub(super) fn write_labels(writer: &mut impl Write, labels: &Labels) -> IoResult<()> {
    let numbers = |writer: &mut dyn Write, count: usize, of: &dyn Fn(usize) -> i64| -> IoResult<()> {
        let mut array = NpyWriter::<_, i64>::new(writer, &[count])?;
        (0..count).try_for_each(|at| array.write(&[of(at)]))?;
        array.finish().map(|_| ())
    };
    match labels {
        Labels::Counted { first, count } => numbers(writer, *count, &|at| (*first + at as u64) as i64),
        Labels::Integers(all) => numbers(writer, all.len(), &|at| all[at]),
        Labels::Texts(all) => {
            let letters = all.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(1);
            let mut bytes = vec![0; 4 * letters];
            write_header(writer, &format!("<U{letters}"), &[all.len()])?;
            for name in all {
                bytes.fill(0);
                let places = bytes.chunks_exact_mut(4);
                places
                    .zip(name.chars())
                    .for_each(|(place, letter)| place.copy_from_slice(&u32::from(letter).to_le_bytes()));
                writer.write_all(&bytes)?;
            }
            Ok(())
        }
    }
}

/// Bytes of names in an archive, about.
pub(super) fn bytes(labels: &Labels) -> u64 {
    match labels {
        Labels::Texts(all) => {
            let letters = all.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(1);
            4 * letters as u64 * all.len() as u64
        }
        _ => 8 * labels.len() as u64,
    }
}

/// Reads names from an archive; `None` where it has no such array.
///
/// # Errors
/// [`Error::Io`]; [`Error::File`] for an array of another kind.
pub(crate) fn read_labels(path: &Path, name: &str) -> Result<Option<Labels>> {
    if !npz_names(path)?.iter().any(|other| other == name) {
        return Ok(None);
    }
    let bytes = read_bytes(path, name)?;
    let refused = |found: String| {
        let allowed = "a list of whole numbers or of texts, one for each row or column";
        Error::file(path, found, allowed, "Write the factors again with `lowrank solve --out`")
    };
    let mut rest = &bytes[..];
    let header = NpyHeader::from_reader(&mut rest)
        .map_err(|e| refused(format!("'{name}', whose header cannot be read ({e})")))?;
    let npyz::DType::Plain(kind) = header.dtype() else { return Err(refused(format!("'{name}', a structured array"))) };
    if kind.type_char() != TypeChar::UnicodeStr {
        let values = read_npz(path, name)?;
        let exact = kind.type_char() == TypeChar::Int && kind.size_field() == 8 && !values.dtype().big_endian;
        let all = match (values.shape().len(), exact) {
            (1, true) => Some(rest.chunks_exact(8).take(values.len()).map(read_i64).collect()),
            (1, false) => whole(&values.to_vec()?),
            _ => None,
        };
        return all
            .map(|all| Some(Labels::of_integers(all)))
            .ok_or_else(|| refused(format!("'{name}', numbers that are no ids")));
    }
    let (letters, &[count]) = (kind.size_field() as usize, header.shape()) else {
        return Err(refused(format!("'{name}' of {} axes", header.shape().len())));
    };
    let width = letters.saturating_mul(4);
    let wanted =
        (count as usize).checked_mul(width).filter(|wanted| *wanted as u64 <= LARGEST_ENTRY && *wanted <= rest.len());
    let (Some(wanted), 1..) = (wanted, width) else {
        return Err(refused(format!("'{name}' with {} bytes for {count} texts", rest.len())));
    };
    let letter = |four: &[u8]| char::from_u32(u32::from_le_bytes([four[0], four[1], four[2], four[3]]));
    let text = |bytes: &[u8]| bytes.chunks_exact(4).map(letter).take_while(|letter| *letter != Some('\0')).collect();
    let texts: Option<Vec<String>> = rest[..wanted].chunks_exact(width).map(text).collect();
    texts.map(|all| Some(Labels::Texts(all))).ok_or_else(|| refused(format!("'{name}' with letters that do not exist")))
}

fn read_i64(eight: &[u8]) -> i64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(eight);
    i64::from_le_bytes(bytes)
}

/// Whole numbers of another type.
fn whole(values: &[f64]) -> Option<Vec<i64>> {
    values.iter().map(|value| (value.fract() == 0.0).then_some(*value as i64)).collect()
}
