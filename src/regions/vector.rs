//! Products of vectors, by vector instructions where they are long.

/// Columns from which vector instructions pay.
const WIDE: usize = 16;

/// `to += factor * from`.
pub(super) fn add_multiple(factor: f64, from: &[f64], to: &mut [f64]) {
    if from.len() < WIDE {
        to.iter_mut().zip(from).for_each(|(to, from)| *to += factor * from);
    } else {
        pulp::Arch::new().dispatch(AddMultiple { factor, from, to });
    }
}

struct AddMultiple<'a> {
    factor: f64,
    from: &'a [f64],
    to: &'a mut [f64],
}

impl pulp::WithSimd for AddMultiple<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) {
        let (from, from_tail) = S::as_simd_f64s(self.from);
        let (to, to_tail) = S::as_mut_simd_f64s(self.to);
        let factor = simd.splat_f64s(self.factor);
        for (to, &from) in to.iter_mut().zip(from) {
            *to = simd.mul_add_f64s(factor, from, *to);
        }
        for (to, &from) in to_tail.iter_mut().zip(from_tail) {
            *to = self.factor.mul_add(from, *to);
        }
    }
}

/// The scalar product.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    if a.len() < WIDE {
        return a.iter().zip(b).map(|(a, b)| a * b).sum();
    }
    pulp::Arch::new().dispatch(Dot { a, b })
}

struct Dot<'a> {
    a: &'a [f64],
    b: &'a [f64],
}

impl pulp::WithSimd for Dot<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) -> f64 {
        let (a, a_tail) = S::as_simd_f64s(self.a);
        let (b, b_tail) = S::as_simd_f64s(self.b);
        let mut sums = [simd.splat_f64s(0.0); 4];
        let (a4, a_rest) = a.as_chunks::<4>();
        let (b4, b_rest) = b.as_chunks::<4>();
        for (a, b) in a4.iter().zip(b4) {
            for lane in 0..4 {
                sums[lane] = simd.mul_add_f64s(a[lane], b[lane], sums[lane]);
            }
        }
        for (&a, &b) in a_rest.iter().zip(b_rest) {
            sums[0] = simd.mul_add_f64s(a, b, sums[0]);
        }
        let sum = simd.add_f64s(simd.add_f64s(sums[0], sums[1]), simd.add_f64s(sums[2], sums[3]));
        simd.reduce_sum_f64s(sum) + a_tail.iter().zip(b_tail).map(|(a, b)| a * b).sum::<f64>()
    }
}
