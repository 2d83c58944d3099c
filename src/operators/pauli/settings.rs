//! Measurement settings: bases in which several Pauli strings are measured at once.

use crate::operators::pauli::{Pauli, PauliString};

/// A basis, and the strings whose values its outcomes give.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Setting {
    /// One letter X, Y or Z for each qubit, as in counts of outcomes.
    pub basis: String,
    /// Indices of the strings. Each agrees with the basis in all its letters other than I.
    pub strings: Vec<usize>,
}

/// Masks of a basis that is not complete yet: flips, signs, and the qubits that have a letter.
struct Partial {
    x: u32,
    z: u32,
    taken: u32,
    strings: Vec<usize>,
}

impl Pauli {
    /// Settings in which all strings can be measured, each string in one of them.
    ///
    /// Strings that have the same letter on every qubit where both have one commute qubit by qubit, so that one basis
    /// measures them all: the value of a string is the mean parity of the outcomes on its qubits. Strings with more letters
    /// come first, and each goes to the first setting that agrees with it. The number of settings is not always the
    /// smallest, which is NP-hard to find. Qubits without a letter are measured in Z. The cost is m times the number of
    /// settings, which is at most 3^q.
    pub fn settings(&self) -> Vec<Setting> {
        let support = |string: &PauliString| string.flips() | string.signs();
        let mut order: Vec<usize> = (0..self.strings.len()).collect();
        order.sort_by_key(|&i| (std::cmp::Reverse(support(&self.strings[i]).count_ones()), i));
        let mut settings: Vec<Partial> = Vec::new();
        for i in order {
            let (x, z, own) = (self.strings[i].flips(), self.strings[i].signs(), support(&self.strings[i]));
            let agrees = |of: &Partial| ((of.x ^ x) | (of.z ^ z)) & of.taken & own == 0;
            match settings.iter_mut().find(|of| agrees(of)) {
                Some(of) => {
                    (of.x, of.z, of.taken) = (of.x | x, of.z | z, of.taken | own);
                    of.strings.push(i);
                }
                None => settings.push(Partial { x, z, taken: own, strings: vec![i] }),
            }
        }
        settings.into_iter().map(|of| of.complete(self.qubits)).collect()
    }
}

impl Partial {
    fn complete(mut self, qubits: usize) -> Setting {
        let letter = |bit: usize| match (self.x >> bit & 1, self.z >> bit & 1) {
            (1, 0) => 'X',
            (1, 1) => 'Y',
            _ => 'Z',
        };
        let basis = (0..qubits).rev().map(letter).collect();
        self.strings.sort_unstable();
        Setting { basis, strings: self.strings }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[&str]) -> Pauli {
        Pauli::new(words.iter().map(|word| PauliString::from_word(word).unwrap()).collect()).unwrap()
    }

    #[test]
    fn every_string_is_in_one_setting_that_measures_it() {
        let pauli = Pauli::random(4, 90, 3).unwrap();
        let settings = pauli.settings();
        let mut found: Vec<usize> = settings.iter().flat_map(|of| of.strings.clone()).collect();
        found.sort_unstable();
        assert_eq!(found, (0..90).collect::<Vec<_>>());
        for setting in &settings {
            for &i in &setting.strings {
                let word = pauli.strings()[i].to_string();
                assert!(
                    word.chars().zip(setting.basis.chars()).all(|(a, b)| a == 'I' || a == b),
                    "{word}, {setting:?}"
                );
            }
        }
    }

    #[test]
    fn all_strings_need_all_bases_and_no_more() {
        assert_eq!(Pauli::all(3).unwrap().settings().len(), 27);
        let few = of(&["XX", "XI", "IZ", "II", "YZ"]).settings();
        let words: Vec<_> = few.iter().map(|of| (of.basis.as_str(), of.strings.as_slice())).collect();
        assert_eq!(words, [("XX", &[0, 1, 3][..]), ("YZ", &[2, 4])]);
    }
}
