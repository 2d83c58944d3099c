// Where stored rows are: a Row is the first word of a row in the panel. keys.wgsl defines the same names for rows that are made,
// and the host puts in one of the two.

alias Row = u32;

// Row `row` of the panel.
fn row_at(row: u32) -> Row {
    return row * ROW_WORDS;
}
