// Kinks of the outputs of maxout units.

fn passes(old_row: OldRow, output: u32) -> bool {
    let at = old_row.at + first_of(output);
    return selected(old_row, output, largest(at, at - step.units), largest(at, at + step.units));
}

fn crosses(old_row: OldRow, source: Source, crossing: u32, output: u32) -> bool {
    return crossing / n_pairs() == output;
}
