// The measurements of a gradient: those of the group whose turn it is, or all. all_measurements.wgsl defines the same names
// where there are no groups, and the host puts in one of the two.

struct Group {
    first: u32,
    end: u32,
    unused: vec2<u32>,
}

@group(2) @binding(1) var<uniform> group: Group;

fn group_first() -> u32 {
    return group.first;
}

fn group_end() -> u32 {
    return group.end;
}

fn in_group(i: u32) -> bool {
    return i >= group.first && i < group.end;
}
