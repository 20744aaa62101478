//! From text to architectures and back.

use crate::error::Result;
use crate::network::{Activation, ActivationKind, Architecture, Layer};

fn parse(text: &str) -> Result<Architecture> {
    Architecture::parse(text, Activation::relu(), 1)
}

#[test]
fn text_round_trips_in_its_shortest_form() {
    for (text, shortest) in [
        ("2-64x3", "2-64x3"),
        ("784-512-256-128", "784-512-256-128"),
        ("1-3-3-5x1-5", "1-3x2-5x2"),
        ("20-64-64+x9-64+2", "20-64-64+x9-64+2"),
        ("3x32x32-c16k3s1p1-max2-c32k3x3s2p1g1-100", "3x32x32-c16k3p1-max2-c32k3s2p1-100"),
        ("2x9-c4k3s2-avg2s1-max-5", "2x9-c4k3s2-avg2s1-max-5"),
        ("2x6x8-c4k3x2p1x0g2-avg3x4-7", "2x6x8-c4k3x2p1x0g2-avg3x4-7"),
        ("2x6x6-max3s2p1-avg3", "2x6x6-max3s2p1-avg"),
        ("1x8x9-c4k5p2-max3s2p0:1x0:0-c4k4x2", "1x8x9-c4k5p2-max3s2p0:1x0:0-c4k4x2"),
        ("2x8-max3s2p1:0-c3k2p1:1", "2x8-max3s2p1:0-c3k2p1"),
        (
            "3x8x8-c4k3p1-[c4k3p1-c4k3p1]x2-[c8k3s2p1-c8k3p1]",
            "3x8x8-c4k3p1-c4k3p1-c4k3p1~1-c4k3p1-c4k3p1~3-c8k3s2p1-c8k3p1+5",
        ),
        ("8-[16-8]x2-[8-9]", "8-16-8~0-16-8~2-8-9+4"),
    ] {
        let shape = parse(text).unwrap();
        assert_eq!(shape.to_string(), shortest);
        assert_eq!(parse(shortest).unwrap().to_string(), shortest);
    }
}

/// What a block adds has the shape of pre-activations, of which there are half as many as outputs, or more.
#[test]
fn blocks_add_to_pre_activations() {
    for (text, activation, expected) in [
        ("8-[8-8]", "relu", "8-8-8~0"),
        ("8-[8-8]", "crelu", "8-8-8+"),
        ("4-[8-8]", "crelu", "4-8-8~0"),
        ("8-[8-8]", "maxout:2", "8-8-8+"),
        ("8-[8-8]", "group-sort:4", "8-8-8~0"),
        ("2x6x6-[c4k3p1-c4k3p1]", "crelu", "2x6x6-c4k3p1-c4k3p1~0"),
        ("4x6x6-[c4k3p1-c4k3p1]", "crelu", "4x6x6-c4k3p1-c4k3p1+"),
    ] {
        let shape = Architecture::parse(text, activation.parse().unwrap(), 1);
        assert_eq!(shape.unwrap().to_string(), expected, "{text} {activation}");
    }
}

#[test]
fn images_become_what_comes_out_of_their_windows() {
    let shape = parse("3x32x30-c16k5s2p1g1-max3s2-c8k1-avg-10").unwrap();
    let units: Vec<usize> = shape.layers().iter().map(|layer| layer.affine.units()).collect();
    // (32 + 2 - 5) / 2 + 1 = 15 by (30 + 2 - 5) / 2 + 1 = 14; then 7 by 6.
    assert_eq!(units, [16 * 15 * 14, 16 * 7 * 6 * 9, 8 * 7 * 6, 8, 10]);
    let outputs: Vec<usize> = shape.layers().iter().map(Layer::outputs).collect();
    assert_eq!(outputs[1], 16 * 7 * 6);
    assert_eq!(shape.layers()[0].affine.fan_in(), 75);
    // The 20 layers of He, Zhang, Ren and Sun 2016 for images of 32 x 32 have 0.27 million parameters.
    let resnet = parse(
        "3x32x32-c16k3p1-[c16k3p1-c16k3p1]x3-[c32k3s2p1-c32k3p1]-[c32k3p1-c32k3p1]x2-[c64k3s2p1-c64k3p1]-[c64k3p1-c64k3p1]x2-avg",
    );
    let resnet = resnet.unwrap();
    assert_eq!((resnet.depth(), resnet.affine_map(20).inputs()), (20, 64));
    assert_eq!(
        resnet.n_hidden_parameters(),
        432 + 6 * 2304 + 4608 + 5 * 9216 + 18432 + 5 * 36864 + 512 + 2048 + 7 * 16 + 6 * 32 + 6 * 64
    );
}

#[test]
fn bad_shapes_are_refused_with_their_place() {
    for (text, place) in [
        ("", "''"),
        ("2", "hidden layer"),
        ("2-0x3", "hidden layer 1: has width 0"),
        ("0-3", "input dimension"),
        ("2-64x0", "'64x0'"),
        ("2--3", "''"),
        ("2-3x", "'3x'"),
        ("2-a", "'a'"),
        ("-2-3", "''"),
        ("2-3x99999999", "more than"),
        ("1-99999999999999999999", "'99999999999999999999'"),
        ("1-200000x2", "2^34"),
        ("1x3x3x3-c2k2", "'1x3x3x3'"),
        ("5-c2k2", "hidden layer 1 'c2k2': needs an image"),
        ("1x5x5-7-c2k2", "hidden layer 2 'c2k2': needs an image"),
        ("1x5x5-c2k6", "kernel of height 6 on an input of height 5"),
        ("1x5x5-c2k3-c2k0", "hidden layer 2 'c2k0': a kernel of height 0"),
        ("1x5x5-c0k2", "0 filters"),
        ("1x5x5-c2k3s0", "stride of 0"),
        ("1x5x5-c2k3s6", "stride of 6 is larger"),
        ("1x5x5-c2k3p3", "padding of 3 is beyond"),
        ("2x5x5-c3k3g2", "2 groups: give a number that divides both 2 channels and 3 filters"),
        ("+2-8", "'+2': begin with the input"),
        ("2-+8", "hidden layer 1 '+8': write a width"),
        ("2x+9-c4k3", "'2x+9': begin with the input"),
        ("1x9x9-c4k3-8+a", "hidden layer 2 '8+a': write 64+"),
        ("2x5x5-c2k3g0", "0 groups"),
        ("1x5x5-c2", "'c2'"),
        ("1x5x5-c2s1k3", "'c2s1k3'"),
        ("1x9-c2k2x2", "'c2k2x2'"),
        ("1x9-max10s1", "kernel of width 10"),
        ("1x9-avg2k3", "'avg2k3'"),
        ("1x9-max2p0:1x0:1", "'max2p0:1x0:1'"),
        ("1x9x9-max2p0:", "'max2p0:'"),
        ("1x9x9-max2p0:2", "padding of 2 is beyond"),
        ("3-4-4~0", "to which 3 values"),
        ("3-4-4~2", "hidden layer 2 '4~2': adds the outputs of hidden layer 2"),
        ("1x8x8-c2k3-c2k3~1", "to which 72 values"),
        ("1x5x5-c2k2+", "no stride takes a source of 5 x 5"),
        ("3-[4-4", "'3-[4-4': blocks begin with ["),
        ("3x8x8-c4k3-max2+", "hidden layer 2 'max2+': a pool adds nothing"),
        ("1x4x4-avg2~foo", "'avg2~foo': a pool adds nothing"),
        ("3x8x8-[c4k3-max2]", "'[c4k3-max2]': a block ends with"),
        ("1x33x33-max", "a maximum of 1089 values: the most are 1000"),
        ("3-[4-[4]]", "'3-[4-[4]]'"),
        ("3-[4-4]y", "'[4-4]y'"),
        ("3-[4-4]x0", "'[4-4]x0'"),
        ("1099511627777x1x2-max", "the most are"),
        ("18446744073709551615x2x2-3", "the most are"),
    ] {
        let message = parse(text).map(|shape| shape.to_string()).expect_err(text).to_string();
        assert!(message.contains(place), "{text}: {message}");
        // Nothing is quoted twice one after the other.
        let quotes: Vec<&str> = message.split('\'').skip(1).step_by(2).collect();
        assert!(quotes.windows(2).all(|pair| pair[0].is_empty() || pair[0] != pair[1]), "{text}: {message}");
    }
    let error = Architecture::parse("2x5x5-c6k3g2", "crelu".parse().unwrap(), 1).unwrap_err().to_string();
    assert!(error.contains("2 channels and 3 filters (of which crelu makes 6 channels)"), "{error}");
    for (text, activation, message) in [
        ("1x5x5-c3k3", "max-min", "hidden layer 1 'c3k3': has width 3, no multiple of the group size 2 of max-min"),
        ("4x5x5-c6k3g2", "max-min", "6 filters in 2 groups are no whole units or groups of max-min"),
        ("4x5x5-c3k3g2", "maxout:2", "6 filters in 2 groups are no whole units or groups of maxout:2"),
    ] {
        let error = Architecture::parse(text, activation.parse().unwrap(), 1).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    let maxout = Architecture::parse("1x5x5-c3k3-c2k2", "maxout:4".parse().unwrap(), 1).unwrap();
    assert_eq!(maxout.to_string(), "1x5x5-c3k3-c2k2");
    let sizes = |layer: &Layer| (layer.affine.units(), layer.outputs(), layer.grouping().stride);
    assert_eq!(maxout.layers().iter().map(sizes).collect::<Vec<_>>(), [(12 * 9, 3 * 9, 9), (8 * 4, 2 * 4, 4)]);
    assert!(matches!(parse("1x4x4-max2").unwrap().layers()[0].activation.kind(), ActivationKind::Maxout { rank: 4 }));
}
