//! The space of the measured matrices.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Space of the matrices that an operator measures: their size and symmetry.
///
/// It does not define a factorisation: that is the task of a [model](crate::models).
///
/// **Complex matrices** are written in real numbers: an n1×n2 matrix A + iB as the 2n1×2n2 matrix E = [[A, −B], [B, A]], which is
/// symmetric for a Hermitian one, and a complex factor X + iY as X above Y. Then E·(X; Y) is (A + iB)(X + iY), Eᵀ·(X; Y) is
/// (A + iB)ᴴ(X + iY), and ⟨E, (X; Y)(V; W)ᵀ⟩ = Re⟨A + iB, (X + iY)(V + iW)ᴴ⟩: gradients, steps and inner products of the real form
/// are those of the complex one. Sizes of a domain are those of the real form; [`Domain::shape`] is (n1, n2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Domain {
    rows: usize,
    columns: usize,
    symmetric: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    complex: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_false(value: &bool) -> bool {
    !*value
}

impl Domain {
    /// The symmetric n×n matrices.
    pub fn symmetric(n: usize) -> Self {
        Self { rows: n, columns: n, symmetric: true, complex: false }
    }

    /// The Hermitian n×n matrices, in their real form of 2n rows.
    pub fn hermitian(n: usize) -> Self {
        let rows = n.saturating_mul(2);
        Self { rows, columns: rows, symmetric: true, complex: true }
    }

    /// The complex n1×n2 matrices, square or not, in their real form of 2n1 rows and 2n2 columns.
    pub fn complex_rectangular(n1: usize, n2: usize) -> Self {
        Self { rows: n1.saturating_mul(2), columns: n2.saturating_mul(2), symmetric: false, complex: true }
    }

    /// The n1×n2 matrices, square or not.
    pub fn rectangular(n1: usize, n2: usize) -> Self {
        Self { rows: n1, columns: n2, symmetric: false, complex: false }
    }

    /// The n1×n2 matrices of a model: symmetric ones for most models, which need n1 = n2.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] for two different sizes of symmetric matrices.
    pub(crate) fn of_model(model: &str, symmetric: bool, n1: usize, n2: usize) -> Result<Self> {
        match symmetric {
            false => Ok(Self::rectangular(n1, n2)),
            true if n1 == n2 => Ok(Self::symmetric(n1)),
            true => {
                let fix = "say --model asymmetric for rectangular matrices";
                Err(Error::invalid("shape", format!("{n1},{n2}"), format!("n,n for the model {model}"), fix))
            }
        }
    }

    /// Number of rows: n1, n for symmetric matrices, or twice as many for the real form of complex matrices.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns: n2, or that of the rows for symmetric matrices.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Whether the matrices, and so the Aᵢ, are symmetric.
    pub fn is_symmetric(&self) -> bool {
        self.symmetric
    }

    /// Whether this is the real form of complex matrices.
    pub fn is_complex(&self) -> bool {
        self.complex
    }

    /// Size (n1, n2) of the matrices: half of the rows and columns of a real form.
    pub fn shape(&self) -> (usize, usize) {
        let parts = if self.complex { 2 } else { 1 };
        (self.rows / parts, self.columns / parts)
    }

    /// Smaller size of the matrices, which is their largest rank.
    pub fn order(&self) -> usize {
        let (n1, n2) = self.shape();
        n1.min(n2)
    }

    /// Real dimension of the space: n(n+1)/2, n² for Hermitian matrices, n1·n2, or 2·n1·n2 for complex ones. It is also the length
    /// of a stored row of a dense operator.
    pub fn dimension(&self) -> usize {
        let (n1, n2) = self.shape();
        match (self.complex, self.symmetric) {
            (true, true) => n1 * n1,
            (true, false) => 2 * n1 * n2,
            (false, true) => n1 * (n1 + 1) / 2,
            (false, false) => n1 * n2,
        }
    }

    /// Refuses an empty domain, and one that is too large to count.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] in these cases.
    pub fn validate(&self) -> Result<()> {
        // 2³¹ keeps every packed index and byte count well inside 64 bits, and rows·columns inside usize.
        const LARGEST: usize = 1 << 31;
        for (name, size) in [("rows", self.rows), ("columns", self.columns)] {
            if size == 0 || size > LARGEST {
                return Err(Error::invalid(name, size, "1 to 2³¹", "pass the size of the unknown matrix"));
            }
        }
        Ok(())
    }
}

impl std::fmt::Display for Domain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (n1, n2) = self.shape();
        write!(f, "{}{n1}x{n2}", if self.complex { "complex " } else { "" })
    }
}
