// Rows that a workgroup works on together: a key takes as long as a few numbers of its row, so each is computed once.

var<workgroup> staged_keys: array<Row, 256>;

// Puts row `row` of the panel at `place` < 256. A barrier comes before it is read there, and before it is overwritten.
fn stage_row(place: u32, row: u32) {
    staged_keys[place] = row_at(row);
}

// That barrier, where there is no other one.
fn rows_staged() {
    workgroupBarrier();
}

// Row `row` of the panel, which was staged at `place`.
fn staged_row(place: u32, row: u32) -> Row {
    return staged_keys[place];
}
