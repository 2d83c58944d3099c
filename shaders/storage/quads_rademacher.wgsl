// Numbers of `rademacher`, four at a time, from one word; behind rademacher.wgsl.

// Numbers 4c … 4c + 3 of a row. Past P they are what the hash goes on with: z is zero there, and nobody reads the sums.
fn quad(key: Row, c: u32) -> vec4<real> {
    let bits = vec4<u32>(hash_word(key, c / 8u) >> (4u * (c % 8u))) >> vec4<u32>(0u, 1u, 2u, 3u);
    return vec4<real>(1.0) - 2.0 * vec4<real>(bits & vec4<u32>(1u));
}
