//! Units on AVX2 and AVX-512 registers. The tokens prove that the processor has the instructions; `pulp` keeps the
//! calls safe, all but the conversion of half precision on AVX2, which it does not know.

use std::arch::x86_64::{__m128, __m128i, __m256, __m256d, __m512, __m512d, _mm256_cvtph_ps};
use std::marker::PhantomData;

use half::f16;
use pulp::cast;
use pulp::x86::V4;

use crate::simd::{Arithmetic, Stored, Task, Unit, Widen};

pulp::simd_type! {
    /// AVX2 with fused multiply-add and the conversion of half precision.
    pub(super) struct Avx2 {
        avx: "avx",
        avx2: "avx2",
        fma: "fma",
        f16c: "f16c",
    }
}

/// A task with its token, to be run where the instruction set is switched on.
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
    const WIDE: bool = false;
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
}
impl Arithmetic<f64> for Avx2 {
    type V = [__m256d; 2];
    const WIDE: bool = false;
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
}
impl Arithmetic<f32> for V4 {
    type V = __m512;
    const WIDE: bool = true;
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
}
impl Arithmetic<f64> for V4 {
    type V = __m512d;
    const WIDE: bool = true;
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
        self.avx512f._mm512_cvtph_ps(cast(chunk.map(f16::to_bits)))
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
        let single = self.avx512f._mm512_cvtph_ps(cast([chunk.map(f16::to_bits), [0; 8]]));
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
        self.avx512f._mm512_cvtps_pd(cast(*chunk))
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
