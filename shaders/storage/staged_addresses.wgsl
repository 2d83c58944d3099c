// Rows that a workgroup works on together: an address is quickly computed, so nothing is staged. See staged_keys.wgsl.

fn stage_row(place: u32, row: u32) {
}

fn rows_staged() {
}

// Row `row` of the panel, which was staged at `place`.
fn staged_row(place: u32, row: u32) -> Row {
    return row_at(row);
}
