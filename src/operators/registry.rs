//! The built-in operators. One entry here adds an operator to `--operator`, the conformance tests, the benches, sweeps,
//! `lowrank check` and `lowrank list operators`.

use std::fmt::{Debug, Formatter};
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::error::{Error, Result};
use crate::operators::{CodedDiffraction, Dense, Entries, Opening, Operator, RankOne, Seeded, Sparse, Storage, Wanted};
use crate::operators::{cdp, dense, entries, pauli, rank_one, seeded, sparse};
use crate::options::{OptionCard, Request};
use crate::problem::Domain;

/// Sizes (n, m) of the conformance cases: single numbers, primes, one below and above a workgroup, several workgroups.
pub const CASES: &[(usize, usize)] = &[(1, 1), (2, 3), (3, 257), (16, 64), (17, 131), (31, 40), (61, 255)];

/// Sizes (n1, n2, m) of the cases with two factors: a single number, wide, tall, square, larger than a workgroup.
pub const ASYMMETRIC_CASES: &[(usize, usize, usize)] =
    &[(1, 1, 1), (2, 5, 3), (17, 16, 131), (7, 7, 40), (23, 61, 255)];

/// Subset of [`CASES`] for the variants of an operator: odd and even row lengths, a row that is longer than a
/// workgroup.
pub const VARIANT_CASES: &[(usize, usize)] = &[(2, 3), (17, 131), (31, 40)];

/// Constructor from a domain, a number of measurements and a seed.
pub type Make = fn(Domain, usize, u64) -> Result<Box<dyn Operator>>;

/// Constructor from a domain, a number of measurements, a seed and the number type of stored data.
pub type Generate = fn(Domain, usize, u64, Storage) -> Result<Arc<dyn Operator>>;

/// Variant of an operator with another form of its data, under the same laws.
pub struct Variant {
    /// Name of the variant.
    pub name: &'static str,
    /// Constructor of a random instance, see [`Registration::random`].
    pub random: Make,
    /// Constructor of an integer instance, see [`Registration::integers`].
    pub integers: Make,
    /// Whether the backend gpu runs it.
    pub gpu: bool,
}

/// Description of an operator, without an instance.
pub struct Registration {
    /// Word of `--operator` and stem of the operator's source and shader files.
    pub name: &'static str,
    /// Summary in one line, for lists.
    pub summary: &'static str,
    /// Formula of a measurement ⟨Aᵢ, Z⟩.
    pub formula: &'static str,
    /// Formula of the normalisation s.
    pub normalization: &'static str,
    /// Formula of the bytes read by one iteration.
    pub bytes_per_iteration: &'static str,
    /// Formula of the arithmetic operations of one iteration.
    pub flops_per_iteration: &'static str,
    /// Memory of the data.
    pub memory: &'static str,
    /// Backends that run the operator.
    pub backends: &'static str,
    /// Domain of its matrices for a case of that domain, of about the same size; `None` where it has none.
    pub domain: fn(Domain) -> Option<Domain>,
    /// Constructor of a random problem's operator, with the defaults of `lowrank generate`. The first m measurements of
    /// a larger operator are the operator of m measurements under the same seed.
    ///
    /// # Errors
    /// Those of the operator; [`Error::Invalid`] for a number type other than f32 where the operator stores no matrices.
    pub generate: Generate,
    /// Largest number of measurements that [`Registration::generate`] draws on a domain; `None` without a limit.
    pub limit: fn(Domain) -> Option<usize>,
    /// Constructor of a random instance for the laws, of any size.
    pub random: Make,
    /// Constructor of an instance with small integer entries, on which every backend must be exact.
    pub integers: Make,
    /// Variants that are checked under the same laws.
    pub variants: &'static [Variant],
    /// Options that name and describe measurements of the operator.
    pub options: &'static [OptionCard],
    /// The option whose presence names measurements of the operator.
    pub source: &'static str,
    /// Whether a request names measurements of the operator.
    pub is_asked: fn(&Request) -> bool,
    /// Whether the measurements of a request are symmetric, so that its usual model is one of symmetric matrices.
    pub is_symmetric: fn(&Request) -> bool,
    /// Understands a request for measurements of the operator; no file is opened.
    pub open: fn(&Wanted<'_>) -> Result<Box<dyn Opening>>,
}

impl Registration {
    /// The description of an operator's word.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an unknown word.
    pub fn find(name: &str) -> Result<&'static Self> {
        REGISTRY.iter().find(|registration| registration.name == name).ok_or_else(|| {
            let allowed = REGISTRY.iter().map(|registration| registration.name).collect::<Vec<_>>().join(", ");
            Error::invalid("operator", format!("'{name}'"), allowed, "`lowrank list operators` describes them")
        })
    }
}

impl PartialEq for Registration {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Debug for Registration {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Serialize for Registration {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name)
    }
}

/// Shares an operator that holds no matrices of a chosen number type.
fn shared(operator: Result<impl Operator + 'static>, storage: Storage) -> Result<Arc<dyn Operator>> {
    let operator = operator?;
    if storage != Storage::F32 {
        let allowed = format!("f32 for the operator {}", operator.name());
        return Err(Error::invalid("storage", storage.word(), allowed, "only stored matrices have a choice"));
    }
    Ok(Arc::new(operator))
}

/// The complex matrices whose real form has about that size.
fn complex(domain: Domain) -> Domain {
    let (n1, n2) = (domain.rows().div_ceil(2), domain.columns().div_ceil(2));
    if domain.is_symmetric() { Domain::hermitian(n1) } else { Domain::complex_rectangular(n1, n2) }
}

/// The same of at least three rows, for outer products: in the real form of a aᴴ some products of its two vectors cancel exactly, and the
/// bounds of the laws, which come from the entries of Aᵢ, do not see their rounding. With a single pair of rows nothing else hides it.
fn complex_of_three(domain: Domain) -> Domain {
    let (rows, columns) = (domain.rows().max(6), domain.columns().max(6));
    complex(if domain.is_symmetric() { Domain::symmetric(rows) } else { Domain::rectangular(rows, columns) })
}

/// Descriptions of all built-in operators.
pub const REGISTRY: &[Registration] = &[
    Registration {
        name: "dense",
        summary: "stored sensing matrices: Gaussian from a seed, or your own from a .npy file",
        formula: "<A_i, Z>, A_i symmetric, upper triangle stored; or complex, Hermitian (n^2 numbers) or not (2 n1 n2)",
        normalization: "1/m (Gaussian); own matrices: theirs",
        bytes_per_iteration: "4 m n(n+1)/2 (f32; half or twice that in f16, f64)",
        flops_per_iteration: "4 m n(n+1)/2 per trial",
        memory: "the matrices, 4 m n(n+1)/2 or 4 m n1 n2 bytes (f32), in memory or in the mapped file",
        backends: "reference, cpu, gpu",
        domain: Some,
        generate: |domain, m, seed, storage| Ok(Arc::new(Dense::gaussian_stored(domain, m, seed, storage)?)),
        limit: |_| None,
        random: |domain, measurements, seed| Ok(Box::new(Dense::gaussian(domain, measurements, seed)?)),
        integers: |domain, measurements, seed| Ok(Box::new(Dense::small_integers(domain, measurements, seed)?)),
        variants: &[
            Variant {
                name: "f16",
                gpu: true,
                random: |domain, m, seed| Ok(Box::new(Dense::gaussian_stored(domain, m, seed, Storage::F16)?)),
                integers: |domain, m, seed| {
                    Ok(Box::new(Dense::small_integers(domain, m, seed)?.with_storage(Storage::F16)?))
                },
            },
            Variant {
                name: "f64",
                gpu: true,
                random: |domain, m, seed| Ok(Box::new(Dense::gaussian_stored(domain, m, seed, Storage::F64)?)),
                integers: |domain, m, seed| {
                    Ok(Box::new(Dense::small_integers(domain, m, seed)?.with_storage(Storage::F64)?))
                },
            },
            Variant {
                name: "complex",
                gpu: true,
                random: |domain, m, seed| Ok(Box::new(Dense::gaussian(complex(domain), m, seed)?)),
                integers: |domain, m, seed| Ok(Box::new(Dense::small_integers(complex(domain), m, seed)?)),
            },
        ],
        options: dense::open::OPTIONS,
        source: "matrices",
        is_asked: |of| of.has("matrices"),
        is_symmetric: |_| true,
        open: dense::open::open,
    },
    Registration {
        name: "rank_one",
        summary: "sums of outer products: quadratic sensing, phase retrieval, covariance sketching; vectors from a seed or a file",
        formula: "<a a^T, Z> = a^T Z a about its mean, or <a b^T, Z>; sums of q of them",
        normalization: "1/(2 q m) for a a^T, 1/(q m) for a b^T (entries of variance 1)",
        bytes_per_iteration: "4 m q n, or 4 m q (n1+n2)",
        flops_per_iteration: "6 m q n k per trial (4 not centred; a b^T: 4 m q (n1+n2) k)",
        memory: "the vectors, 4 m q n or 4 m q (n1+n2) bytes (f32)",
        backends: "reference, cpu, gpu",
        domain: Some,
        generate: |domain, m, seed, storage| shared(RankOne::gaussian(domain, m, seed), storage),
        limit: |_| None,
        random: |domain, m, seed| Ok(Box::new(RankOne::gaussian(domain, m, seed)?)),
        integers: |domain, m, seed| Ok(Box::new(RankOne::small_integers(domain, m, 1, seed)?)),
        variants: &[
            Variant {
                name: "sums of two, not centred",
                gpu: true,
                random: |domain, m, seed| Ok(Box::new(RankOne::gaussian_sums(domain, m, 2, seed)?.centred(false)?)),
                integers: |domain, m, seed| Ok(Box::new(RankOne::small_integers(domain, m, 2, seed)?)),
            },
            Variant {
                name: "complex",
                gpu: true,
                random: |domain, m, seed| {
                    Ok(Box::new(RankOne::gaussian(complex_of_three(domain), m, seed)?.centred(false)?))
                },
                integers: |domain, m, seed| {
                    Ok(Box::new(RankOne::small_integers(complex_of_three(domain), m, 1, seed)?))
                },
            },
        ],
        options: rank_one::open::OPTIONS,
        source: "vectors",
        is_asked: |of| of.has("vectors"),
        is_symmetric: |of| !of.has("vectors_right"),
        open: rank_one::open::open,
    },
    Registration {
        name: "seeded",
        summary: "matrix-free: entries made from a seed by an integer hash, sums of four bytes, nearly Gaussian",
        formula: "<A_i, Z>, entries (b0+b1+b2+b3-510)/128 (1/sqrt(2) of that beside the diagonal of symmetric A_i)",
        normalization: "1/(m v), v = 21845/16384",
        bytes_per_iteration: "0",
        flops_per_iteration: "4 m p per trial, p = n(n+1)/2 or n1 n2, and 22 m p to make the entries (n > 255: 44)",
        memory: "none",
        backends: "reference, cpu, gpu",
        domain: Some,
        generate: |domain, m, seed, storage| shared(Seeded::new(domain, m, seed), storage),
        limit: |_| None,
        random: |domain, measurements, seed| Ok(Box::new(Seeded::new(domain, measurements, seed)?)),
        integers: |domain, m, seed| Ok(Box::new(Seeded::new(domain, m, seed)?.small_integers())),
        variants: &[Variant {
            name: "complex",
            gpu: true,
            random: |domain, m, seed| Ok(Box::new(Seeded::new(complex(domain), m, seed)?)),
            integers: |domain, m, seed| Ok(Box::new(Seeded::new(complex(domain), m, seed)?.small_integers())),
        }],
        options: seeded::open::OPTIONS,
        source: "operator",
        is_asked: |of| of.text("operator") == Some("seeded"),
        is_symmetric: |_| true,
        open: |wanted| seeded::open::open(wanted, Seeded::new),
    },
    Registration {
        name: "rademacher",
        summary: "matrix-free: entries of size 1 with random signs, 32 of them from one hash",
        formula: "<A_i, Z>, entries +-1 (+-1/sqrt(2) beside the diagonal of symmetric A_i)",
        normalization: "1/m",
        bytes_per_iteration: "0",
        flops_per_iteration: "4 m p per trial, p = n(n+1)/2 or n1 n2, and 3.4 m p to make the entries (n > 255: 6.8)",
        memory: "none",
        backends: "reference, cpu, gpu",
        domain: Some,
        generate: |domain, m, seed, storage| shared(Seeded::rademacher(domain, m, seed), storage),
        limit: |_| None,
        random: |domain, measurements, seed| Ok(Box::new(Seeded::rademacher(domain, measurements, seed)?)),
        integers: |domain, m, seed| Ok(Box::new(Seeded::rademacher(domain, m, seed)?.small_integers())),
        variants: &[Variant {
            name: "complex",
            gpu: true,
            random: |domain, m, seed| Ok(Box::new(Seeded::rademacher(complex(domain), m, seed)?)),
            integers: |domain, m, seed| Ok(Box::new(Seeded::rademacher(complex(domain), m, seed)?.small_integers())),
        }],
        options: seeded::open::OPTIONS,
        source: "operator",
        is_asked: |of| of.text("operator") == Some("rademacher"),
        is_symmetric: |_| true,
        open: |wanted| seeded::open::open(wanted, Seeded::rademacher),
    },
    Registration {
        name: "pauli",
        summary: "expectation values of Pauli strings: quantum state tomography; strings from a file or counts, complex unknown",
        formula: "tr(P_i Z), P_i a product of I, X, Y, Z on q qubits, Z Hermitian, n = 2^q",
        normalization: "n/m",
        bytes_per_iteration: "12 m, and two factors for each of g groups of strings with the same flips",
        flops_per_iteration: "g n (16 k + 4 min(q, m/g)) per trial",
        memory: "24 m bytes; on a gpu about 36 m n",
        backends: "reference, cpu, gpu",
        domain: pauli::domain,
        generate: |domain, m, seed, storage| shared(pauli::on(domain, m, seed), storage),
        limit: |domain| Some(domain.order() * domain.order()),
        random: |domain, m, seed| Ok(Box::new(pauli::repeated(domain, m, seed)?)),
        integers: |domain, m, seed| Ok(Box::new(pauli::repeated(domain, m, seed)?)),
        variants: &[],
        options: pauli::open::OPTIONS,
        source: "pauli",
        is_asked: |of| of.has("pauli") || of.has("counts"),
        is_symmetric: |_| true,
        open: pauli::open::open,
    },
    Registration {
        name: "cdp",
        summary: "coded diffraction patterns: intensities of Fourier transforms behind masks; phase retrieval of signals and pictures",
        formula: "|F(d_l x)|^2 for Z = x x^H, F the Fourier transform, d_l a mask; about its mean",
        normalization: "1/(m v^2), v = mean of |d|^2",
        bytes_per_iteration: "16 m, and two factors for each mask",
        flops_per_iteration: "m k (10 log2 n + 30) per trial",
        memory: "the masks, 16 m bytes; on a gpu 8 m, and 8 m k per trial for transforms (f64: twice that)",
        backends: "reference, cpu, gpu",
        domain: cdp::domain,
        generate: |domain, m, seed, storage| shared(cdp::on(domain, m, seed), storage),
        limit: |_| None,
        random: |domain, m, seed| Ok(Box::new(cdp::on(domain, m, seed)?)),
        integers: |domain, m, seed| Ok(Box::new(CodedDiffraction::small_integers(domain, m, seed)?)),
        variants: &[],
        options: cdp::open::OPTIONS,
        source: "masks",
        is_asked: |of| of.has("masks"),
        is_symmetric: |_| true,
        open: cdp::open::open,
    },
    Registration {
        name: "entries",
        summary: "sampled entries, from CSV, TSV or Matrix Market files: matrix completion",
        formula: "Z_ab, or (Z_ab + Z_ba)/2 of a symmetric unknown",
        normalization: "n1 n2/m",
        bytes_per_iteration: "24 m + 4 (n1 + n2), and a row of a factor for each of 3 m listings",
        flops_per_iteration: "6 m k per trial",
        memory: "24 m + 4 (n1 + n2) bytes",
        backends: "reference, cpu, gpu",
        domain: Some,
        generate: |domain, m, seed, storage| shared(Entries::distinct(domain, m, seed), storage),
        limit: |domain| Some(domain.dimension()),
        random: |domain, measurements, seed| Ok(Box::new(Entries::uniform(domain, measurements, seed)?)),
        integers: |domain, measurements, seed| Ok(Box::new(Entries::uniform(domain, measurements, seed)?)),
        variants: &[],
        options: entries::options::OPTIONS,
        source: "entries",
        is_asked: |of| of.has("entries"),
        is_symmetric: |_| false,
        open: entries::open::open,
    },
    Registration {
        name: "sparse",
        summary: "own sensing matrices with few nonzeros, from Matrix Market or scipy.sparse files",
        formula: "<A_i, Z>, A_i compressed; the symmetric part of A_i for a symmetric unknown",
        normalization: "1/m (made); own matrices: theirs",
        bytes_per_iteration: "24 or 36 nnz + 4 (m + n1 + n2), and a row of a factor for each of 3 nnz listings",
        flops_per_iteration: "6 nnz k per trial",
        memory: "24 nnz (values of 1), 36 (f32) or 48 (f64) bytes, and 4 (m + n1 + n2)",
        backends: "reference, cpu, gpu",
        domain: Some,
        generate: |domain, m, seed, storage| shared(Sparse::random(domain, m, 4, seed), storage),
        limit: |_| None,
        random: |domain, measurements, seed| Ok(Box::new(Sparse::random(domain, measurements, 4, seed)?)),
        integers: |domain, measurements, seed| Ok(Box::new(Sparse::small_integers(domain, measurements, seed)?)),
        variants: &[],
        options: sparse::open::OPTIONS,
        source: "sparse",
        is_asked: |of| of.has("sparse"),
        is_symmetric: |_| true,
        open: sparse::open::open,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_larger_operator_begins_with_the_smaller_one() {
        for registration in REGISTRY {
            for domain in [Domain::symmetric(5), Domain::rectangular(5, 4)].into_iter().filter_map(registration.domain)
            {
                let make = |m: usize| (registration.generate)(domain, m, 3, Storage::F32).unwrap();
                let (few, many) = (make(7), make(15));
                assert_eq!((few.domain(), few.measurements(), few.name()), (domain, 7, registration.name));
                for i in 0..7 {
                    assert_eq!(few.sensing_matrix(i), many.sensing_matrix(i), "{} {domain} {i}", registration.name);
                }
                let other = (registration.generate)(domain, 7, 4, Storage::F32).unwrap();
                assert!((0..7).any(|i| few.sensing_matrix(i) != other.sensing_matrix(i)), "{}", registration.name);
                let Some(limit) = (registration.limit)(domain) else { continue };
                assert_eq!(make(limit).measurements(), limit);
                assert!((registration.generate)(domain, limit + 1, 3, Storage::F32).is_err());
            }
        }
    }

    #[test]
    fn words_are_found_and_number_types_belong_to_stored_matrices() {
        assert_eq!(Registration::find("sparse").unwrap().name, "sparse");
        let message = Registration::find("fourier").unwrap_err().to_string();
        assert!(message.starts_with("operator: found 'fourier'; allowed: dense, rank_one"), "{message}");
        for registration in REGISTRY {
            let domain = (registration.domain)(Domain::symmetric(4)).unwrap();
            let made = (registration.generate)(domain, 3, 1, Storage::F64);
            match made {
                Ok(operator) => assert_eq!(operator.stored_in(), Some(Storage::F64)),
                Err(error) => assert!(error.to_string().starts_with("storage: found f64; allowed: f32"), "{error}"),
            }
        }
    }
}
