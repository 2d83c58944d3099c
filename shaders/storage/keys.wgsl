// Rows that are made and stored nowhere: a Row is the key of a measurement. addresses.wgsl defines the same names for stored rows.

alias Row = vec2<u32>;

// Row `row` of the panel.
fn row_at(row: u32) -> Row {
    return row_key(FIRST + panel.first + row);
}
