// The measurements of a gradient: all of them. group.wgsl defines the same names where they are those of a group.

fn group_first() -> u32 {
    return 0u;
}

fn group_end() -> u32 {
    return M;
}

fn in_group(i: u32) -> bool {
    return true;
}
