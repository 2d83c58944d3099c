//! Pauli strings as pairs of bit masks.

use std::fmt::{Display, Formatter};

use crate::error::{Error, Result};

/// Most qubits: 2^15 rows of a factor are as many as of the largest real problems.
pub(crate) const MOST_QUBITS: usize = 15;

/// A Pauli string P = i^|x∧z| X^x Z^z on q qubits, given by two q-bit masks: bit j of `x` where the factor on a qubit is X
/// or Y, of `z` where it is Z or Y. The first letter of a word belongs to the highest bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PauliString {
    qubits: u8,
    x: u32,
    z: u32,
}

impl PauliString {
    /// The string of two masks.
    ///
    /// # Errors
    /// [`Error::Invalid`] for no qubit or more than 15, and for masks with higher bits.
    pub fn new(qubits: usize, x: u32, z: u32) -> Result<Self> {
        require_qubits(qubits)?;
        if (x | z) >> qubits != 0 {
            let found = format!("masks {x:#b} and {z:#b}");
            let fix = "one bit belongs to each qubit";
            return Err(Error::invalid("pauli", found, format!("masks of {qubits} bits"), fix));
        }
        Ok(Self { qubits: qubits as u8, x, z })
    }

    /// The string with an index below 4^q: two bits a letter, 0 for I, 1 for X, 2 for Y and 3 for Z, the first letter
    /// in the highest bits.
    ///
    /// # Errors
    /// Those of [`PauliString::new`]; [`Error::Invalid`] for an index of 4^q or more.
    pub fn of_index(qubits: usize, index: u64) -> Result<Self> {
        require_qubits(qubits)?;
        if index >> (2 * qubits) != 0 {
            let allowed = format!("0 to 4^{qubits} - 1 = {}", (1_u64 << (2 * qubits)) - 1);
            return Err(Error::invalid("pauli", index, allowed, "two bits of an index belong to each qubit"));
        }
        let (mut x, mut z) = (0, 0);
        for bit in 0..qubits {
            let letter = index >> (2 * bit) & 3;
            x |= u32::from(letter == 1 || letter == 2) << bit;
            z |= u32::from(letter >= 2) << bit;
        }
        Self::new(qubits, x, z)
    }

    /// The string of a word of letters I, X, Y and Z, such as `XYZI`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for another letter, an empty word, and one of more than 15 letters.
    pub fn from_word(word: &str) -> Result<Self> {
        let (mut x, mut z) = (0_u32, 0_u32);
        let qubits = word.chars().count();
        require_qubits(qubits)?;
        for letter in word.chars() {
            let (flips, signs) = match letter.to_ascii_uppercase() {
                'I' => (0, 0),
                'X' => (1, 0),
                'Y' => (1, 1),
                'Z' => (0, 1),
                other => {
                    let found = format!("the letter '{other}' in '{word}'");
                    return Err(Error::invalid("pauli", found, "I, X, Y, Z", "write one letter for each qubit"));
                }
            };
            (x, z) = (x << 1 | flips, z << 1 | signs);
        }
        Self::new(qubits, x, z)
    }

    /// Number of qubits q.
    pub fn qubits(&self) -> usize {
        usize::from(self.qubits)
    }

    /// Mask of the bits that it flips.
    pub fn flips(&self) -> u32 {
        self.x
    }

    /// Mask of the bits whose parity is its sign.
    pub fn signs(&self) -> u32 {
        self.z
    }

    /// Number c of letters Y, by which row a of P has the entry (−i)^c (−1)^(z·a) at column a⊕x.
    pub(super) fn turns(self) -> u32 {
        (self.x & self.z).count_ones()
    }
}

impl Display for PauliString {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        for bit in (0..self.qubits).rev() {
            let letter = match (self.x >> bit & 1, self.z >> bit & 1) {
                (0, 0) => 'I',
                (1, 0) => 'X',
                (1, _) => 'Y',
                (_, _) => 'Z',
            };
            write!(f, "{letter}")?;
        }
        Ok(())
    }
}

fn require_qubits(qubits: usize) -> Result<()> {
    if (1..=MOST_QUBITS).contains(&qubits) {
        return Ok(());
    }
    let allowed = format!("1 to {MOST_QUBITS} qubits");
    Err(Error::invalid("pauli", format!("{qubits} qubits"), allowed, "write one letter for each qubit"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_indices_and_masks_name_the_same_strings() {
        let string = PauliString::from_word("XYZI").unwrap();
        assert_eq!((string.flips(), string.signs(), string.turns()), (0b1100, 0b0110, 1));
        assert_eq!(string.to_string(), "XYZI");
        assert_eq!(PauliString::of_index(4, 0b01_10_11_00).unwrap(), string);
        for index in 0..64 {
            let string = PauliString::of_index(3, index).unwrap();
            assert_eq!(PauliString::from_word(&string.to_string()).unwrap(), string);
        }
    }

    #[test]
    fn wrong_words_name_the_letter() {
        let message = PauliString::from_word("XQ").unwrap_err().to_string();
        assert!(message.contains("'Q' in 'XQ'"), "{message}");
        for made in [
            PauliString::from_word(""),
            PauliString::from_word("XXXXXXXXXXXXXXXX"),
            PauliString::of_index(2, 16),
            PauliString::new(2, 4, 0),
        ] {
            assert!(made.is_err());
        }
    }
}
