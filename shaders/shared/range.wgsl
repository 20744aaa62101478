// Whether a value is a number of at most a quarter of the largest, so that differences are finite. By its bits: comparisons with NaN
// are not reliable.
fn in_range(z: f32) -> bool {
    return (bitcast<u32>(z) & 0x7fffffffu) < 0x7e7fffffu;
}
