// Normal weights and biases of a layer, and the Kac-Rice formula (src/theory/rice.rs).
struct NormalLaw {
    // The largest of the standard deviations of the layer's weights and biases, and the variances of the weights at hand and of the
    // biases in units of its square: the law alone makes nothing leave the range of f32.
    scale: f32,
    weight_variance: f32,
    bias_variance: f32,
    // Changes for each crossing of a level by one pre-activation.
    multiplicity: f32,
}

const FRAC_1_PI: f32 = 0.31830987;
const FRAC_1_SQRT_2: f32 = 0.70710677;
const FRAC_1_SQRT_2_PI: f32 = 0.3989423;
const SQRT_FRAC_2_PI: f32 = 0.7978846;
const SMALLEST: f32 = 1.17549435e-38;

// The mean size of a normal variable of mean m >= 0 and standard deviation v.
fn mean_size(m: f32, v: f32) -> f32 {
    if v <= 0.0 {
        return m;
    }
    // Farther from zero there is nothing that f32 can tell from m.
    let t = min(m / v, 10.0);
    let bell = exp(-0.5 * t * t);
    // The error function of t / sqrt(2) within 1.5e-7: Abramowitz and Stegun 7.1.26.
    let s = 1.0 / (1.0 + 0.3275911 * FRAC_1_SQRT_2 * t);
    let tail = ((((1.0614054 * s - 1.4531521) * s + 1.4214138) * s - 0.28449672) * s + 0.2548296) * s;
    return SQRT_FRAC_2_PI * v * bell + m * (1.0 - tail * bell);
}

// The rate of one process at a level `tau`, which moves at the given pace. With z in units of its standard deviation `spread`, its
// derivative has standard deviation `speed` where `drift` times z does not explain it.
fn crossing_rate(spread: f32, drift: f32, speed: f32, tau: f32, pace: f32) -> f32 {
    if tau == 0.0 && pace == 0.0 {
        return FRAC_1_PI * speed;
    }
    let level = tau / spread;
    // The density is 0 in f32.
    if abs(level) > 14.0 {
        return 0.0;
    }
    return FRAC_1_SQRT_2_PI * exp(-0.5 * level * level) * mean_size(abs(drift * level - pace / spread), speed);
}
