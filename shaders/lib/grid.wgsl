// Grids. A dimension of a dispatch holds at most 65 535 workgroups, so the host folds `count` workgroups into
// x·y·z ≥ count of them, and every kernel unfolds the linear index and returns where it is past its own count.

// x + X·(y + Y·z) for the workgroup (x, y, z) of a grid of X×Y×Z.
fn linear_index(id: vec3<u32>, extent: vec3<u32>) -> u32 {
    return id.x + extent.x * (id.y + extent.y * id.z);
}

// ⌈a / b⌉
fn ceil_div(a: u32, b: u32) -> u32 {
    return (a + b - 1u) / b;
}
