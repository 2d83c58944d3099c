// Numbers of `seeded`, four at a time; behind seeded.wgsl.

// Numbers 4c … 4c + 3 of a row. Past P they are what the hash goes on with: z is zero there, and nobody reads the sums.
fn quad(key: Row, c: u32) -> vec4<real> {
    let q = 4u * c;
    return vec4<real>(stored(key, q), stored(key, q + 1u), stored(key, q + 2u), stored(key, q + 3u));
}
