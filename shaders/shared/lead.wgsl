// The row of a maxout unit that is larger than all others, from 1; 0 where several are. `at` is where its pre-activations begin.
fn lead(at: u32) -> i32 {
    var largest = 0u;
    var is_shared = false;
    for (var i = 1u; i < step.group_size; i++) {
        let value = z[rows_after(at, i)];
        is_shared = (is_shared && !(value > z[rows_after(at, largest)])) || value == z[rows_after(at, largest)];
        if value > z[rows_after(at, largest)] {
            largest = i;
        }
    }
    return select(i32(largest) + 1, 0, is_shared);
}
