// A kernel whose result is known: whoever reads the buffer as it was had a driver that carries out nothing.

@group(0) @binding(0) var<storage, read_write> words: array<u32>;

@compute @workgroup_size(64)
fn canary(@builtin(global_invocation_id) at: vec3<u32>) {
    words[at.x] = words[at.x] * 1664525u + at.x;
}
