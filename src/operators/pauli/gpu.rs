//! Pauli strings for the Gpu backend: the nonzeros of their real forms, 2^q of them or twice as many for each string.

use crate::operators::GpuNonzeros;
use crate::operators::pauli::{Pauli, sign};

impl GpuNonzeros for Pauli {
    fn count(&self) -> usize {
        let of = |(x, range): &(u32, std::ops::Range<usize>)| range.len() * self.size() * if *x == 0 { 2 } else { 1 };
        self.groups.iter().map(of).sum()
    }

    fn all_ones(&self) -> bool {
        false
    }

    fn visit(&self, each: &mut dyn FnMut(usize, usize, usize, f64)) {
        let n = self.size();
        for (i, string) in self.strings.iter().enumerate() {
            let x = string.flips() as usize;
            // P_ab = (−i)^c (−1)^(z·a) is real for an even number c of letters Y, else imaginary.
            let turns = string.turns() % 4;
            for a in 0..n {
                let (b, sign) = (a ^ x, sign(string.signs(), a));
                let part = if turns == 1 || turns == 2 { -sign } else { sign };
                match (a.cmp(&b), turns % 2) {
                    (std::cmp::Ordering::Greater, _) => {}
                    (std::cmp::Ordering::Equal, _) => {
                        each(i, a, a, part);
                        each(i, n + a, n + a, part);
                    }
                    // A nonzero and its mirror image share the entry.
                    (_, 0) => {
                        each(i, a, b, 2.0 * part);
                        each(i, n + a, n + b, 2.0 * part);
                    }
                    _ => {
                        each(i, n + a, b, 2.0 * part);
                        each(i, n + b, a, -2.0 * part);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::Operator;

    #[test]
    fn nonzeros_add_up_to_the_definition() {
        let pauli = Pauli::all(2).unwrap();
        let mut found = vec![vec![0.0; 64]; 16];
        let mut count = 0;
        pauli.visit(&mut |i, a, b, v| {
            found[i][a * 8 + b] += 0.5 * v;
            found[i][b * 8 + a] += 0.5 * v;
            count += 1;
        });
        assert_eq!(count, pauli.count());
        for (i, found) in found.iter().enumerate() {
            assert_eq!(*found, pauli.sensing_matrix(i), "{}", pauli.strings()[i]);
        }
    }
}
