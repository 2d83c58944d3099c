//! Number types of NumPy arrays and their conversion to `f64`.

use serde::{Deserialize, Serialize};

/// Numeric types that can be read. Complex numbers, strings, dates, objects and records are refused by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ElementKind {
    /// Boolean, one byte.
    Bool,
    /// Signed integer of 8 bits.
    I8,
    /// Signed integer of 16 bits.
    I16,
    /// Signed integer of 32 bits.
    I32,
    /// Signed integer of 64 bits.
    I64,
    /// Unsigned integer of 8 bits.
    U8,
    /// Unsigned integer of 16 bits.
    U16,
    /// Unsigned integer of 32 bits.
    U32,
    /// Unsigned integer of 64 bits.
    U64,
    /// Half precision.
    F16,
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

/// A numeric type and its byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DType {
    /// Numeric type.
    pub kind: ElementKind,
    /// Whether the bytes are in big-endian order.
    pub big_endian: bool,
}

impl DType {
    /// The type of that kind and byte order.
    pub const fn new(kind: ElementKind, big_endian: bool) -> Self {
        Self { kind, big_endian }
    }

    /// Bytes of one number.
    pub fn bytes(self) -> usize {
        match self.kind {
            ElementKind::Bool | ElementKind::I8 | ElementKind::U8 => 1,
            ElementKind::I16 | ElementKind::U16 | ElementKind::F16 => 2,
            ElementKind::I32 | ElementKind::U32 | ElementKind::F32 => 4,
            ElementKind::I64 | ElementKind::U64 | ElementKind::F64 => 8,
        }
    }

    /// Whether every value of this type is an `f32`.
    pub(crate) fn fits_f32(self) -> bool {
        !matches!(
            self.kind,
            ElementKind::F64 | ElementKind::I32 | ElementKind::U32 | ElementKind::I64 | ElementKind::U64
        )
    }
}

impl std::fmt::Display for DType {
    /// NumPy's name, such as `float32`; other byte orders than little-endian are appended: `float32 big-endian`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.kind {
            ElementKind::Bool => "bool",
            ElementKind::I8 => "int8",
            ElementKind::I16 => "int16",
            ElementKind::I32 => "int32",
            ElementKind::I64 => "int64",
            ElementKind::U8 => "uint8",
            ElementKind::U16 => "uint16",
            ElementKind::U32 => "uint32",
            ElementKind::U64 => "uint64",
            ElementKind::F16 => "float16",
            ElementKind::F32 => "float32",
            ElementKind::F64 => "float64",
        })?;
        if self.big_endian { f.write_str(" big-endian") } else { Ok(()) }
    }
}

/// One number of a file. `None` where the value is an integer that `f64` does not hold exactly.
pub(super) trait Element {
    const BYTES: usize;
    fn little(bytes: &[u8]) -> Option<f64>;
    fn big(bytes: &[u8]) -> Option<f64>;
}

/// A slice of the right length as an array. Another length gives zeros, which no caller can reach.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().unwrap_or([0; N])
}

macro_rules! element {
    ($($type:ty, $bytes:literal, $value:ident => $convert:expr;)*) => {$(
        impl Element for $type {
            const BYTES: usize = $bytes;
            #[inline(always)]
            fn little(bytes: &[u8]) -> Option<f64> {
                let $value = <$type>::from_le_bytes(array(bytes));
                $convert
            }
            #[inline(always)]
            fn big(bytes: &[u8]) -> Option<f64> {
                let $value = <$type>::from_be_bytes(array(bytes));
                $convert
            }
        }
    )*};
}

/// 2⁵³: every integer up to here is an `f64`.
const EXACT: u64 = 1 << 53;

element! {
    i8, 1, v => Some(f64::from(v));
    i16, 2, v => Some(f64::from(v));
    i32, 4, v => Some(f64::from(v));
    i64, 8, v => (v.unsigned_abs() <= EXACT).then_some(v as f64);
    u8, 1, v => Some(f64::from(v));
    u16, 2, v => Some(f64::from(v));
    u32, 4, v => Some(f64::from(v));
    u64, 8, v => (v <= EXACT).then_some(v as f64);
    half::f16, 2, v => Some(v.to_f64());
    f32, 4, v => Some(f64::from(v));
    f64, 8, v => Some(v);
}

/// A boolean byte.
pub(super) struct Truth;

impl Element for Truth {
    const BYTES: usize = 1;
    #[inline(always)]
    fn little(bytes: &[u8]) -> Option<f64> {
        Some(if bytes.first() == Some(&0) { 0.0 } else { 1.0 })
    }
    #[inline(always)]
    fn big(bytes: &[u8]) -> Option<f64> {
        Self::little(bytes)
    }
}

/// Runs `$body` with `$type` as the element type of `$dtype`.
macro_rules! with_element {
    ($dtype:expr, $type:ident => $body:expr) => {
        match $dtype.kind {
            $crate::io::ElementKind::Bool => {
                type $type = $crate::io::element::Truth;
                $body
            }
            $crate::io::ElementKind::I8 => {
                type $type = i8;
                $body
            }
            $crate::io::ElementKind::I16 => {
                type $type = i16;
                $body
            }
            $crate::io::ElementKind::I32 => {
                type $type = i32;
                $body
            }
            $crate::io::ElementKind::I64 => {
                type $type = i64;
                $body
            }
            $crate::io::ElementKind::U8 => {
                type $type = u8;
                $body
            }
            $crate::io::ElementKind::U16 => {
                type $type = u16;
                $body
            }
            $crate::io::ElementKind::U32 => {
                type $type = u32;
                $body
            }
            $crate::io::ElementKind::U64 => {
                type $type = u64;
                $body
            }
            $crate::io::ElementKind::F16 => {
                type $type = half::f16;
                $body
            }
            $crate::io::ElementKind::F32 => {
                type $type = f32;
                $body
            }
            $crate::io::ElementKind::F64 => {
                type $type = f64;
                $body
            }
        }
    };
}
pub(super) use with_element;
