//! Units on AVX2 and AVX-512 registers. The tokens prove that the processor has the instructions. `pulp` keeps the
//! calls safe, except loads, and the conversion of half precision on AVX2, which it lacks.
//!
//! What an AVX-512 conversion reads is loaded and not cast. A call that is not inlined passes a register by address, and rustc may
//! pass the address of the array that was cast, which is not aligned as the register is.

use std::arch::x86_64::{
    __m128, __m128d, __m128i, __m256, __m256d, __m512, __m512d, _MM_HINT_T1, _mm_loadu_si128, _mm_prefetch,
    _mm256_cvtph_ps, _mm256_loadu_ps, _mm256_loadu_si256,
};
use std::marker::PhantomData;

use half::f16;
use pulp::cast;
use pulp::x86::V4;

use crate::simd::{Arithmetic, Registers, Stored, Task, Unit, Widen};

pulp::simd_type! {
    /// AVX2 with fused multiply-add and the conversion of half precision.
    pub(super) struct Avx2 {
        avx: "avx",
        avx2: "avx2",
        fma: "fma",
        f16c: "f16c",
    }
}

#[inline(always)]
pub(super) fn prefetch<C>(place: &C) {
    // SAFETY: every x86-64 processor has the instruction, which is a hint and reads nothing at any address.
    unsafe { _mm_prefetch::<_MM_HINT_T1>(std::ptr::from_ref(place).cast()) }
}

/// A task with its token, to run where the instruction set is enabled.
pub(super) struct Call<K, A, S, T>(K, A, PhantomData<(S, T)>);

impl<K, A, S, T> Call<K, A, S, T> {
    pub(super) fn new(task: K, token: A) -> Self {
        Self(task, token, PhantomData)
    }
}

impl<S: Stored<T>, T: Unit, K: Task<S, T>, A: Widen<S, T>> pulp::NullaryFnOnce for Call<K, A, S, T> {
    type Output = K::Output;
    #[inline(always)]
    fn call(self) -> K::Output {
        self.0.run(self.1)
    }
}

impl Avx2 {
    #[inline(always)]
    fn half_to_single(self, eight: __m128i) -> __m256 {
        // SAFETY: a token of this type exists only where F16C was detected.
        unsafe { _mm256_cvtph_ps(eight) }
    }
}

impl Arithmetic<f32> for Avx2 {
    type V = [__m256; 2];
    type Part = __m256;
    const REGISTERS: Registers = Registers::Half;
    #[inline(always)]
    fn splat(self, value: f32) -> Self::V {
        [self.avx._mm256_set1_ps(value); 2]
    }
    #[inline(always)]
    fn load(self, chunk: &[f32; 16]) -> Self::V {
        cast(*chunk)
    }
    #[inline(always)]
    fn store(self, v: Self::V) -> [f32; 16] {
        cast(v)
    }
    #[inline(always)]
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        [self.fma._mm256_fmadd_ps(a[0], b[0], c[0]), self.fma._mm256_fmadd_ps(a[1], b[1], c[1])]
    }
    #[inline(always)]
    fn part<const H: usize>(self, v: Self::V) -> __m256 {
        v[H]
    }
    #[inline(always)]
    fn store_part<const H: usize>(self, part: __m256, chunk: &mut [f32; 16]) {
        bytemuck::cast_mut::<_, [[f32; 8]; 2]>(chunk)[H] = cast(part);
    }
    #[inline(always)]
    fn fma_part(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        self.fma._mm256_fmadd_ps(a, b, c)
    }
}
impl Arithmetic<f64> for Avx2 {
    type V = [__m256d; 2];
    type Part = __m256d;
    const REGISTERS: Registers = Registers::Half;
    #[inline(always)]
    fn splat(self, value: f64) -> Self::V {
        [self.avx._mm256_set1_pd(value); 2]
    }
    #[inline(always)]
    fn load(self, chunk: &[f64; 8]) -> Self::V {
        cast(*chunk)
    }
    #[inline(always)]
    fn store(self, v: Self::V) -> [f64; 8] {
        cast(v)
    }
    #[inline(always)]
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        [self.fma._mm256_fmadd_pd(a[0], b[0], c[0]), self.fma._mm256_fmadd_pd(a[1], b[1], c[1])]
    }
    #[inline(always)]
    fn part<const H: usize>(self, v: Self::V) -> __m256d {
        v[H]
    }
    #[inline(always)]
    fn store_part<const H: usize>(self, part: __m256d, chunk: &mut [f64; 8]) {
        bytemuck::cast_mut::<_, [[f64; 4]; 2]>(chunk)[H] = cast(part);
    }
    #[inline(always)]
    fn fma_part(self, a: __m256d, b: __m256d, c: __m256d) -> __m256d {
        self.fma._mm256_fmadd_pd(a, b, c)
    }
}
impl Arithmetic<f32> for V4 {
    type V = __m512;
    type Part = __m512;
    const REGISTERS: Registers = Registers::Whole;
    #[inline(always)]
    fn splat(self, value: f32) -> Self::V {
        self.avx512f._mm512_set1_ps(value)
    }
    #[inline(always)]
    fn load(self, chunk: &[f32; 16]) -> Self::V {
        cast(*chunk)
    }
    #[inline(always)]
    fn store(self, v: Self::V) -> [f32; 16] {
        cast(v)
    }
    #[inline(always)]
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        self.avx512f._mm512_fmadd_ps(a, b, c)
    }
    #[inline(always)]
    fn part<const H: usize>(self, v: __m512) -> __m512 {
        v
    }
    #[inline(always)]
    fn store_part<const H: usize>(self, part: __m512, chunk: &mut [f32; 16]) {
        *chunk = cast(part);
    }
    #[inline(always)]
    fn fma_part(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        self.avx512f._mm512_fmadd_ps(a, b, c)
    }
    /// Quarter by quarter: each shuffle serves all four.
    #[inline(always)]
    fn sums_of_four(self, [a, b, c, d]: [__m512; 4]) -> [f32; 4] {
        let (sse, avx, avx512) = (self.sse, self.avx, self.avx512f);
        // (a0 + a2, b0 + b2, a1 + a3, b1 + b3) in each quarter.
        let pair = |a, b| avx512._mm512_add_ps(avx512._mm512_unpacklo_ps(a, b), avx512._mm512_unpackhi_ps(a, b));
        let (ab, cd) = (pair(a, b), pair(c, d));
        let low = avx512._mm512_shuffle_ps::<0b01_00_01_00>(ab, cd);
        let high = avx512._mm512_shuffle_ps::<0b11_10_11_10>(ab, cd);
        let [low, high]: [__m256; 2] = cast(avx512._mm512_add_ps(low, high));
        let [low, high]: [__m128; 2] = cast(avx._mm256_add_ps(low, high));
        cast(sse._mm_add_ps(low, high))
    }
}

impl Arithmetic<f64> for V4 {
    type V = __m512d;
    type Part = __m512d;
    const REGISTERS: Registers = Registers::Whole;
    #[inline(always)]
    fn splat(self, value: f64) -> Self::V {
        self.avx512f._mm512_set1_pd(value)
    }
    #[inline(always)]
    fn load(self, chunk: &[f64; 8]) -> Self::V {
        cast(*chunk)
    }
    #[inline(always)]
    fn store(self, v: Self::V) -> [f64; 8] {
        cast(v)
    }
    #[inline(always)]
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        self.avx512f._mm512_fmadd_pd(a, b, c)
    }
    #[inline(always)]
    fn part<const H: usize>(self, v: __m512d) -> __m512d {
        v
    }
    #[inline(always)]
    fn store_part<const H: usize>(self, part: __m512d, chunk: &mut [f64; 8]) {
        *chunk = cast(part);
    }
    #[inline(always)]
    fn fma_part(self, a: __m512d, b: __m512d, c: __m512d) -> __m512d {
        self.avx512f._mm512_fmadd_pd(a, b, c)
    }
    #[inline(always)]
    fn sums_of_four(self, [a, b, c, d]: [__m512d; 4]) -> [f64; 4] {
        let (sse2, avx, avx512) = (self.sse2, self.avx, self.avx512f);
        let pair = |a, b| {
            // (a0 + a1, b0 + b1) in each quarter.
            let sum = avx512._mm512_add_pd(avx512._mm512_unpacklo_pd(a, b), avx512._mm512_unpackhi_pd(a, b));
            let [low, high]: [__m256d; 2] = cast(sum);
            let [low, high]: [__m128d; 2] = cast(avx._mm256_add_pd(low, high));
            sse2._mm_add_pd(low, high)
        };
        cast([pair(a, b), pair(c, d)])
    }
}
impl Widen<f16, f32> for Avx2 {
    #[inline(always)]
    fn widen(self, chunk: &[f16; 16]) -> Self::V {
        let [low, high]: [__m128i; 2] = cast(chunk.map(f16::to_bits));
        [self.half_to_single(low), self.half_to_single(high)]
    }
}
impl Widen<f16, f32> for V4 {
    #[inline(always)]
    fn widen(self, chunk: &[f16; 16]) -> Self::V {
        // SAFETY: the token has AVX; the load needs no alignment and reads the 32 bytes of the chunk.
        let sixteen = unsafe { _mm256_loadu_si256(std::ptr::from_ref(chunk).cast()) };
        self.avx512f._mm512_cvtph_ps(sixteen)
    }
}
impl Widen<f16, f64> for Avx2 {
    #[inline(always)]
    fn widen(self, chunk: &[f16; 8]) -> Self::V {
        let [low, high]: [__m128; 2] = cast(self.half_to_single(cast(chunk.map(f16::to_bits))));
        [self.avx._mm256_cvtps_pd(low), self.avx._mm256_cvtps_pd(high)]
    }
}
impl Widen<f16, f64> for V4 {
    #[inline(always)]
    fn widen(self, chunk: &[f16; 8]) -> Self::V {
        // SAFETY: the token has SSE2; the load needs no alignment and reads the 16 bytes of the chunk.
        let eight = unsafe { _mm_loadu_si128(std::ptr::from_ref(chunk).cast()) };
        let single = self.avx512f._mm512_cvtph_ps(self.avx._mm256_zextsi128_si256(eight));
        let [low, _]: [__m256; 2] = cast(single);
        self.avx512f._mm512_cvtps_pd(low)
    }
}
impl Widen<f32, f64> for Avx2 {
    #[inline(always)]
    fn widen(self, chunk: &[f32; 8]) -> Self::V {
        let [low, high]: [__m128; 2] = cast(*chunk);
        [self.avx._mm256_cvtps_pd(low), self.avx._mm256_cvtps_pd(high)]
    }
}
impl Widen<f32, f64> for V4 {
    #[inline(always)]
    fn widen(self, chunk: &[f32; 8]) -> Self::V {
        // SAFETY: the token has AVX; the load needs no alignment and reads the 32 bytes of the chunk.
        let eight = unsafe { _mm256_loadu_ps(chunk.as_ptr()) };
        self.avx512f._mm512_cvtps_pd(eight)
    }
}
impl Widen<f64, f32> for Avx2 {
    #[inline(always)]
    fn widen(self, chunk: &[f64; 16]) -> Self::V {
        let [a, b, c, d]: [__m256d; 4] = cast(*chunk);
        let narrow = |v| self.avx._mm256_cvtpd_ps(v);
        cast([narrow(a), narrow(b), narrow(c), narrow(d)])
    }
}
impl Widen<f64, f32> for V4 {
    #[inline(always)]
    fn widen(self, chunk: &[f64; 16]) -> Self::V {
        let [a, b]: [__m512d; 2] = cast(*chunk);
        cast([self.avx512f._mm512_cvtpd_ps(a), self.avx512f._mm512_cvtpd_ps(b)])
    }
}
macro_rules! same {
    ($a:ty) => {
        impl Widen<f32, f32> for $a {
            #[inline(always)]
            fn widen(self, chunk: &[f32; 16]) -> Self::V {
                Arithmetic::<f32>::load(self, chunk)
            }
        }
        impl Widen<f64, f64> for $a {
            #[inline(always)]
            fn widen(self, chunk: &[f64; 8]) -> Self::V {
                Arithmetic::<f64>::load(self, chunk)
            }
        }
    };
}
same!(Avx2);
same!(V4);
