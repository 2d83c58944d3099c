//! Vectors of 64 bytes on an instruction set chosen at run time: AVX-512, AVX2 with FMA and F16C, or plain arrays,
//! which compile to NEON with fused multiply-add on aarch64.
//!
//! Every kernel adds in units of 64 bytes (16 numbers in f32, 8 in f64) and sums a unit by halves. The order of a sum
//! is therefore the same on every instruction set. Its bits differ only by the fused multiply-add, which `portable`
//! lacks on x86-64.

mod bank;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(crate) use bank::{Bank, Sum};

use half::f16;

use crate::real::Real;

/// Instruction set of the compiled kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InstructionSet {
    /// Baseline of the architecture.
    Portable,
    /// The instructions AVX2, FMA and F16C.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// The instructions AVX-512 F, BW, CD, DQ and VL.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl InstructionSet {
    /// Instruction sets of this processor, best first.
    pub fn available() -> Vec<Self> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(pulp::x86::V4::try_new().map(|_| Self::Avx512));
            all.extend(x86::Avx2::try_new().map(|_| Self::Avx2));
        }
        all.push(Self::Portable);
        all
    }

    /// The best instruction set of this processor.
    pub(crate) fn best() -> Self {
        Self::available().first().copied().unwrap_or(Self::Portable)
    }

    /// Other sets of this processor with the same bits in every kernel.
    pub(crate) fn of_the_same_bits(self) -> Vec<Self> {
        let mut others = Self::available();
        others.retain(|set| *set != self && *set != Self::Portable && self != Self::Portable);
        others
    }

    /// Word of the set: `avx512`, `avx2`, `neon` or `portable`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Portable if cfg!(target_arch = "aarch64") => "neon",
            Self::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "avx512",
        }
    }
}

/// A number type of units.
pub(crate) trait Unit: Real {
    /// 64 bytes of numbers.
    type Chunk: bytemuck::Pod + Send + Sync + AsMut<[Self]>;
    const ZEROS: Self::Chunk;
    fn chunks(values: &[Self]) -> (&[Self::Chunk], &[Self]);
    fn chunks_mut(values: &mut [Self]) -> (&mut [Self::Chunk], &mut [Self]);
}

/// Registers of an instruction set, which decide how many sums a kernel keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
pub(crate) enum Registers {
    /// 32 registers of a whole unit.
    Whole,
    /// 16 registers of half a unit.
    Half,
    /// Arrays, which the compiler spreads over 32 registers of a quarter unit.
    Arrays,
    /// Arrays, of which the registers hold only a few.
    Few,
}

/// Prefetches the cache line of `place` into the second-level cache.
#[inline(always)]
pub(crate) fn prefetch<C>(place: &C) {
    #[cfg(target_arch = "x86_64")]
    x86::prefetch(place);
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}

/// Arithmetic on units.
pub(crate) trait Arithmetic<T: Unit>: Copy + Send + Sync {
    /// A unit.
    type V: Copy;
    /// Part of a unit in one register.
    type Part: Copy;
    const REGISTERS: Registers;
    // Comparisons of constants: no code is generated for what they exclude, as it is for the arms of a match.
    const WHOLE: bool = matches!(Self::REGISTERS, Registers::Whole);
    const HALF: bool = matches!(Self::REGISTERS, Registers::Half);
    const ARRAYS: bool = matches!(Self::REGISTERS, Registers::Arrays);
    const FEW: bool = matches!(Self::REGISTERS, Registers::Few);
    fn splat(self, value: T) -> Self::V;
    fn load(self, chunk: &T::Chunk) -> Self::V;
    fn store(self, v: Self::V) -> T::Chunk;
    /// a·b + c.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// Part H of a unit.
    fn part<const H: usize>(self, v: Self::V) -> Self::Part;
    fn store_part<const H: usize>(self, part: Self::Part, chunk: &mut T::Chunk);
    /// a·b + c.
    fn fma_part(self, a: Self::Part, b: Self::Part, c: Self::Part) -> Self::Part;

    /// The sum of a unit, by halves.
    #[inline(always)]
    fn sum(self, v: Self::V) -> T {
        sum_of::<T>(self.store(v))
    }

    /// The sums of four units. Their additions may have another order than those of `sum`.
    #[inline(always)]
    fn sums_of_four(self, units: [Self::V; 4]) -> [T; 4] {
        let [a, b, c, d] = units;
        [self.sum(a), self.sum(b), self.sum(c), self.sum(d)]
    }

    /// The sums of R units, four of them by `sums_of_four`.
    #[inline(always)]
    fn sums<const R: usize>(self, units: [Self::V; R]) -> [T; R] {
        let mut sums = [T::ZERO; R];
        if R == 4 {
            sums.copy_from_slice(&self.sums_of_four([units[0], units[1], units[2], units[3]]));
        } else {
            for (sum, unit) in sums.iter_mut().zip(units) {
                *sum = self.sum(unit);
            }
        }
        sums
    }
}

/// The sum of a unit, by halves.
#[inline(always)]
pub(crate) fn sum_of<T: Unit>(mut chunk: T::Chunk) -> T {
    let lanes = chunk.as_mut();
    let mut width = lanes.len() / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// Reads stored numbers as units.
pub(crate) trait Widen<S: Stored<T>, T: Unit>: Arithmetic<T> {
    fn widen(self, chunk: &S::Chunk) -> Self::V;
}

/// A storage type of measurements that kernels read as `T`.
pub(crate) trait Stored<T: Unit>: Copy + Send + Sync + 'static {
    /// As many numbers as in a unit of `T`.
    type Chunk: Send + Sync;
    fn chunks(values: &[Self]) -> (&[Self::Chunk], &[Self]);
    fn number(self) -> T;
    /// Runs a task on an instruction set, or on `Portable` where this processor lacks it.
    fn run<K: Task<Self, T>>(set: InstructionSet, task: K) -> K::Output;
}

/// A computation that is compiled once for every instruction set. Everything it calls must be `#[inline(always)]`.
pub(crate) trait Task<S: Stored<T>, T: Unit> {
    type Output;
    fn run<A: Widen<S, T>>(self, simd: A) -> Self::Output;
}

#[derive(Clone, Copy)]
struct Portable;

macro_rules! portable {
    ($t:ty, $len:literal) => {
        impl Unit for $t {
            type Chunk = [$t; $len];
            const ZEROS: Self::Chunk = [0.0; $len];
            #[inline(always)]
            fn chunks(values: &[Self]) -> (&[Self::Chunk], &[Self]) {
                values.as_chunks()
            }
            #[inline(always)]
            fn chunks_mut(values: &mut [Self]) -> (&mut [Self::Chunk], &mut [Self]) {
                values.as_chunks_mut()
            }
        }

        impl Arithmetic<$t> for Portable {
            type V = [$t; $len];
            type Part = [$t; $len];
            const REGISTERS: Registers = if cfg!(target_arch = "aarch64") { Registers::Arrays } else { Registers::Few };
            #[inline(always)]
            fn splat(self, value: $t) -> Self::V {
                [value; $len]
            }
            #[inline(always)]
            fn load(self, chunk: &[$t; $len]) -> Self::V {
                *chunk
            }
            #[inline(always)]
            fn store(self, v: Self::V) -> [$t; $len] {
                v
            }
            #[inline(always)]
            fn fma(self, a: Self::V, b: Self::V, mut c: Self::V) -> Self::V {
                for i in 0..$len {
                    // On aarch64 this is one instruction; on x86-64 without FMA it would be a slow call.
                    c[i] = if cfg!(target_arch = "aarch64") { a[i].mul_add(b[i], c[i]) } else { a[i] * b[i] + c[i] };
                }
                c
            }
            #[inline(always)]
            fn part<const H: usize>(self, v: Self::V) -> Self::V {
                v
            }
            #[inline(always)]
            fn store_part<const H: usize>(self, part: Self::V, chunk: &mut [$t; $len]) {
                *chunk = part;
            }
            #[inline(always)]
            fn fma_part(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
                Arithmetic::<$t>::fma(self, a, b, c)
            }
        }
    };
}

portable!(f32, 16);
portable!(f64, 8);

macro_rules! stored {
    ($s:ty, $t:ty, $len:literal, $number:expr) => {
        impl Stored<$t> for $s {
            type Chunk = [$s; $len];
            #[inline(always)]
            fn chunks(values: &[Self]) -> (&[Self::Chunk], &[Self]) {
                values.as_chunks()
            }
            #[inline(always)]
            fn number(self) -> $t {
                $number(self)
            }
            fn run<K: Task<Self, $t>>(set: InstructionSet, task: K) -> K::Output {
                #[cfg(target_arch = "x86_64")]
                match set {
                    InstructionSet::Avx512 => {
                        if let Some(token) = pulp::x86::V4::try_new() {
                            return token.vectorize(x86::Call::new(task, token));
                        }
                    }
                    InstructionSet::Avx2 => {
                        if let Some(token) = x86::Avx2::try_new() {
                            return token.vectorize(x86::Call::new(task, token));
                        }
                    }
                    InstructionSet::Portable => {}
                }
                #[cfg(not(target_arch = "x86_64"))]
                let InstructionSet::Portable = set;
                // One place only: a kernel is compiled into every place that calls it.
                task.run(Portable)
            }
        }

        impl Widen<$s, $t> for Portable {
            #[inline(always)]
            fn widen(self, chunk: &[$s; $len]) -> [$t; $len] {
                chunk.map($number)
            }
        }
    };
}

stored!(f32, f32, 16, |v: f32| v);
stored!(f64, f64, 8, |v: f64| v);
stored!(f32, f64, 8, |v: f32| f64::from(v));
stored!(f64, f32, 16, |v: f64| v as f32);
stored!(f16, f32, 16, half_to_single);
stored!(f16, f64, 8, |v: f16| f64::from(half_to_single(v)));

/// Converts a finite half-precision number by integer steps that compilers turn into vector instructions: the bits are
/// moved to their f32 position and multiplied by the difference of the exponent offsets, 127 − 15 = 112. This also
/// holds for subnormal numbers.
#[inline(always)]
fn half_to_single(v: f16) -> f32 {
    const OFFSET: f32 = f32::from_bits((127 + 112) << 23);
    let bits = u32::from(v.to_bits());
    let magnitude = f32::from_bits((bits & 0x7fff) << 13) * OFFSET;
    f32::from_bits(magnitude.to_bits() | (bits & 0x8000) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Everything<'a, S>(&'a [S]);

    impl<S: Stored<T>, T: Unit> Task<S, T> for Everything<'_, S> {
        type Output = Vec<T>;
        #[inline(always)]
        fn run<A: Widen<S, T>>(self, simd: A) -> Vec<T> {
            let (chunks, _) = S::chunks(self.0);
            chunks.iter().flat_map(|chunk| simd.store(simd.widen(chunk)).as_mut().to_vec()).collect()
        }
    }

    #[test]
    fn every_finite_half_number_is_read_exactly() {
        let all: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).filter(|v| v.is_finite()).collect();
        for set in InstructionSet::available() {
            let single: Vec<f32> = <f16 as Stored<f32>>::run(set, Everything(&all));
            let double: Vec<f64> = <f16 as Stored<f64>>::run(set, Everything(&all));
            assert!(single.len() == all.len() && double.len() == all.len());
            for (i, v) in all.iter().enumerate() {
                assert_eq!(single[i].to_bits(), v.to_f32().to_bits(), "{} {v}", set.word());
                assert_eq!(double[i].to_bits(), v.to_f64().to_bits(), "{} {v}", set.word());
            }
        }
    }

    /// From places of every alignment.
    #[test]
    fn single_numbers_are_widened_and_double_ones_narrowed_exactly() {
        let single: Vec<f32> = (0..96).map(|i| (i as f32 - 40.0) * 0.3).collect();
        let double: Vec<f64> = single.iter().map(|v| f64::from(*v)).collect();
        for (set, from) in InstructionSet::available().into_iter().flat_map(|set| (0..16).map(move |from| (set, from)))
        {
            let (single, double) = (&single[from..from + 64], &double[from..from + 64]);
            assert_eq!(<f32 as Stored<f64>>::run(set, Everything(single)), double, "{}", set.word());
            assert_eq!(<f64 as Stored<f32>>::run(set, Everything(double)), single, "{}", set.word());
        }
    }

    struct Sums<'a, T>(&'a [T]);

    impl<T: Unit + Stored<T>> Task<T, T> for Sums<'_, T> {
        type Output = (Vec<T>, Vec<T>);
        #[inline(always)]
        fn run<A: Widen<T, T>>(self, simd: A) -> Self::Output {
            let (units, _) = <T as Unit>::chunks(self.0);
            let four = simd.sums([0, 1, 2, 3].map(|i| simd.load(&units[i])));
            let two = simd.sums([4, 5].map(|i| simd.load(&units[i])));
            let each = units.iter().map(|unit| simd.sum(simd.load(unit))).collect();
            (four.into_iter().chain(two).collect(), each)
        }
    }

    #[test]
    fn sums_of_several_units_are_those_of_each() {
        // Powers of two that differ by lane and unit: each order of additions is exact.
        let numbers =
            |lanes: usize| (0..6 * lanes).map(move |i| (1_u64 << (i % lanes)) as f64 * (1 + i / lanes) as f64);
        let double: Vec<f64> = numbers(8).collect();
        let single: Vec<f32> = numbers(16).map(|v| v as f32).collect();
        for set in InstructionSet::available() {
            let (found, each) = <f64 as Stored<f64>>::run(set, Sums(&double));
            assert!(found == each && found[2] == 3.0 * 255.0, "{} {found:?} {each:?}", set.word());
            let (found, each) = <f32 as Stored<f32>>::run(set, Sums(&single));
            assert!(found == each && found[5] == 6.0 * 65535.0, "{} {found:?} {each:?}", set.word());
        }
    }
}
