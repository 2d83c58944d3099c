//! Number types of measurement data.

use serde::{Deserialize, Serialize};

/// Number type of the measurement data, from the narrowest to the widest. The arithmetic has its own type,
/// [`crate::Precision`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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

    /// Bytes per measurement beside its numbers: the scale.
    pub fn row_overhead(self) -> usize {
        if self == Self::F16 { size_of::<f32>() } else { 0 }
    }

    /// Word of the type: `f16`, `f32` or `f64`.
    pub fn word(self) -> &'static str {
        match self {
            Self::F16 => "f16",
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }
}

impl std::fmt::Display for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.word())
    }
}
