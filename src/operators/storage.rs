//! Number types of measurement data.

use crate::io::ElementKind;

/// Number type in which the measurements are held; from the narrowest to the widest. Arithmetic has its own,
/// [`crate::Precision`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
#[non_exhaustive]
pub enum Storage {
    /// Half precision with a power-of-two scale per measurement: 11 significant bits.
    F16,
    /// Single precision, 24 significant bits.
    #[default]
    F32,
    /// Double precision, 53 significant bits.
    F64,
}

impl Storage {
    /// Bytes of one number.
    pub fn bytes(self) -> usize {
        match self {
            Self::F16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// The type that holds the numbers of a file where none is asked for: `float32` as f32, everything else as f64.
    pub(crate) fn of_file(kind: ElementKind) -> Self {
        if kind == ElementKind::F32 { Self::F32 } else { Self::F64 }
    }

    /// Bytes per measurement beside its numbers: the scale.
    pub(crate) fn row_overhead(self) -> usize {
        if self == Self::F16 { size_of::<f32>() } else { 0 }
    }
}

words!(Storage as "storage", serde { F16 => "f16", F32 => "f32", F64 => "f64" });
