//! The ensemble as the user writes it, before any of it is checked.

use std::str::FromStr;

/// A number, or what is best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// What takes the least time, found by a pilot.
    Auto,
    /// This many.
    Number(u64),
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            _ => text.parse().map(Self::Number).map_err(|_| "give a whole number, or auto".to_owned()),
        }
    }
}

/// The flags that describe an ensemble; [`Plan`](super::Plan) is their checked form.
#[derive(Clone, Debug, clap::Args)]
pub struct EnsembleFlags {
    /// Inputs and hidden layers: 2-64x3 (2 inputs, three layers of 64 units) or 784-512-256-128; a maxout unit is one.
    /// Images are channels x height x width, lines channels x length: 3x32x32-c16k3s2p1g1-max2-avg-100 has a convolution of 16
    /// filters, kernel 3, stride 2, padding 1 and 1 group (sizes may be height x width, all but the kernel may be left out), pools
    /// (of the whole channel without a size) and a dense layer. 64+ adds a linear map of the input, 64+2 one of layer 2's outputs,
    /// 64~2 these themselves; [c16k3p1-c16k3p1]x3 are residual blocks
    #[arg(long, default_value = "2-64x3")]
    pub arch: String,

    /// Units of the linear read-out (matters for knots only)
    #[arg(long, default_value_t = 1, allow_negative_numbers = true)]
    pub outputs: usize,

    /// relu, leaky-relu:SLOPE, abs, hard-tanh, relu6, soft-threshold:LAMBDA, identity, spline:FILE (TOML with breakpoints,
    /// slopes and anchor), crelu (relu of z and of -z: two outputs a unit), maxout:RANK (each unit the largest of RANK
    /// pre-activations), group-sort:SIZE (each group sorted, SIZE divides the width) or max-min (group-sort:2); of a
    /// convolution these join consecutive filters at one position
    #[arg(long, default_value = "relu")]
    pub activation: String,

    /// Law of the weights: he-normal, he-uniform, glorot-normal, glorot-uniform, lecun-normal, torch, normal:STD, uniform:STD,
    /// laplace:STD, student-t:DF:STD or orthogonal; whatever the activation, fans are those of the weight matrix
    #[arg(long, default_value = "he-normal")]
    pub weights: String,

    /// Law of the biases: zero, normal:STD, uniform:HALFWIDTH or torch
    #[arg(long, default_value = "normal:0.1")]
    pub bias: String,

    /// Law of the path: segment, chord, polyline:K, through-origin, file:FILE or data:FILE (chords between
    /// random rows of .csv, .npy or IDX, .gz or not; unsigned bytes become [0, 1])
    #[arg(long, default_value = "segment")]
    pub path: String,

    /// Law of start points and anchors: normal:STD, uniform:HALFWIDTH or origin
    #[arg(long, default_value = "normal:1")]
    pub start: String,

    /// Length of a segment
    #[arg(long, default_value_t = 2.0, allow_negative_numbers = true)]
    pub length: f64,

    /// Number of networks; with --target-error the most there may be [default: 1000, or no limit with --target-error]
    #[arg(long, allow_negative_numbers = true)]
    pub networks: Option<u64>,

    /// Paths of each network; auto chooses what reaches a given error soonest [default: 1, or auto with --method rice]
    #[arg(long, value_name = "N|auto", allow_negative_numbers = true)]
    pub paths_per_network: Option<Choice>,

    /// Stop when the relative standard error of the density is below this: 1% or 0.01
    #[arg(long, value_name = "ERROR")]
    pub target_error: Option<String>,

    /// exact counts crossings, sampled counts changes on a grid (a lower bound), rice integrates expected crossings
    /// instead of counting (unbiased, much faster, no knots), rice-features does so without weights: one path of a network, on which it
    /// draws what layers give (dense layers of normal weights, of any width)
    #[arg(long, default_value = "exact")]
    pub method: String,

    /// Grid points per path of the sampled method
    #[arg(long, default_value_t = 1024, allow_negative_numbers = true)]
    pub grid: usize,

    /// Points per path of the rice method [default: auto]
    #[arg(long, value_name = "N|auto", allow_negative_numbers = true)]
    pub points: Option<Choice>,

    /// Seed of all random numbers
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    pub seed: u64,
}
