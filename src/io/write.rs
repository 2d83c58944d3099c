//! Writing `.npy` files.

use std::io::{Error, ErrorKind, Result, Write};

use super::shape_text;

mod sealed {
    pub trait Sealed {
        const DESCR: &'static str;
        type Bytes: AsRef<[u8]>;
        fn bytes(self) -> Self::Bytes;
    }
    impl Sealed for f32 {
        const DESCR: &'static str = "<f4";
        type Bytes = [u8; 4];
        fn bytes(self) -> [u8; 4] {
            self.to_le_bytes()
        }
    }
    impl Sealed for i64 {
        const DESCR: &'static str = "<i8";
        type Bytes = [u8; 8];
        fn bytes(self) -> [u8; 8] {
            self.to_le_bytes()
        }
    }
    impl Sealed for f64 {
        const DESCR: &'static str = "<f8";
        type Bytes = [u8; 8];
        fn bytes(self) -> [u8; 8] {
            self.to_le_bytes()
        }
    }
    impl Sealed for [f32; 2] {
        const DESCR: &'static str = "<c8";
        type Bytes = [u8; 8];
        fn bytes(self) -> [u8; 8] {
            u64::to_le_bytes(u64::from(self[0].to_bits()) | u64::from(self[1].to_bits()) << 32)
        }
    }
    impl Sealed for [f64; 2] {
        const DESCR: &'static str = "<c16";
        type Bytes = [u8; 16];
        fn bytes(self) -> [u8; 16] {
            u128::to_le_bytes(u128::from(self[0].to_bits()) | u128::from(self[1].to_bits()) << 64)
        }
    }
}

/// Number types that can be written: `f32`, `f64` and `i64`, and complex numbers as pairs of their real and imaginary parts.
pub trait NpyNumber: Copy + sealed::Sealed {}
impl NpyNumber for [f32; 2] {}
impl NpyNumber for [f64; 2] {}
impl NpyNumber for f32 {}
impl NpyNumber for f64 {}
impl NpyNumber for i64 {}

/// Writer of an array piece by piece, so that an array produced row by row is never held whole.
pub struct NpyWriter<W, T> {
    writer: W,
    left: usize,
    number: std::marker::PhantomData<T>,
}

impl<W: Write, T: NpyNumber> NpyWriter<W, T> {
    /// Writes the header of a little-endian array in C order.
    ///
    /// # Errors
    /// Those of `writer`; `InvalidInput` where the shape has more elements than fit in `usize`.
    pub fn new(writer: W, shape: &[usize]) -> Result<Self> {
        let left = shape.iter().try_fold(1_usize, |product, &d| product.checked_mul(d));
        let left = left.ok_or_else(|| mismatch(format!("shape {} is too large", shape_text(shape))))?;
        Ok(Self { writer: Self::header(writer, shape)?, left, number: std::marker::PhantomData })
    }

    /// Writes the header alone and returns the writer, for numbers that are already bytes.
    #[doc(hidden)]
    pub fn header(mut writer: W, shape: &[usize]) -> Result<W> {
        write_header(&mut writer, T::DESCR, shape)?;
        Ok(writer)
    }

    /// Appends numbers in row-major order.
    ///
    /// # Errors
    /// Those of the writer; `InvalidInput` for numbers beyond the shape.
    pub fn write(&mut self, values: &[T]) -> Result<()> {
        self.left = self
            .left
            .checked_sub(values.len())
            .ok_or_else(|| mismatch(format!("{} numbers for {} remaining positions", values.len(), self.left)))?;
        let mut buffer = Vec::with_capacity(values.len().min(8192) * size_of::<T>());
        for chunk in values.chunks(8192) {
            buffer.clear();
            for &value in chunk {
                buffer.extend_from_slice(value.bytes().as_ref());
            }
            self.writer.write_all(&buffer)?;
        }
        Ok(())
    }

    /// Ends the array and returns the writer.
    ///
    /// # Errors
    /// `InvalidInput` for missing numbers.
    pub fn finish(self) -> Result<W> {
        if self.left > 0 {
            return Err(mismatch(format!("{} numbers are missing", self.left)));
        }
        Ok(self.writer)
    }
}

/// Writes the header of an array in C order of elements `descr`.
pub(super) fn write_header(writer: &mut impl Write, descr: &str, shape: &[usize]) -> Result<()> {
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {}, }}", shape_text(shape));
    // Ten bytes come before. The numbers start at a multiple of 64, so that they can be mapped in place.
    let padding = 64 - (10 + text.len() + 1) % 64;
    text.extend(std::iter::repeat_n(' ', padding % 64));
    text.push('\n');
    let length = u16::try_from(text.len()).map_err(|_| mismatch("a shape with too many axes".into()))?;
    writer.write_all(b"\x93NUMPY\x01\x00")?;
    writer.write_all(&length.to_le_bytes())?;
    writer.write_all(text.as_bytes())
}

fn mismatch(what: String) -> Error {
    Error::new(
        ErrorKind::InvalidInput,
        format!(
            "array to write: {what}; pass as many numbers as the shape has \
                                                 entries"
        ),
    )
}

fn write_all<T: NpyNumber>(writer: &mut impl Write, shape: &[usize], values: &[T]) -> Result<()> {
    let mut array = NpyWriter::new(writer, shape)?;
    array.write(values)?;
    array.finish()?;
    Ok(())
}

/// Writes an array of `f32`, little-endian, C order.
///
/// # Errors
/// Those of `writer`; `InvalidInput` where shape and numbers differ.
pub fn write_npy_f32(writer: &mut impl Write, shape: &[usize], values: &[f32]) -> Result<()> {
    write_all(writer, shape, values)
}

/// Writes an array of `f64`, little-endian, C order.
///
/// # Errors
/// Those of `writer`; `InvalidInput` where shape and numbers differ.
pub fn write_npy_f64(writer: &mut impl Write, shape: &[usize], values: &[f64]) -> Result<()> {
    write_all(writer, shape, values)
}

/// Writes an array of complex numbers of 128 bits, little-endian, C order, from their real and imaginary parts in turn.
///
/// # Errors
/// Those of `writer`; `InvalidInput` where shape and numbers differ.
pub fn write_npy_c128(writer: &mut impl Write, shape: &[usize], parts: &[f64]) -> Result<()> {
    if shape.iter().try_fold(2_usize, |all, n| all.checked_mul(*n)) != Some(parts.len()) {
        return Err(mismatch(format!("{} parts of complex numbers for shape {}", parts.len(), shape_text(shape))));
    }
    write_all(writer, shape, bytemuck::cast_slice::<f64, [f64; 2]>(parts))
}
