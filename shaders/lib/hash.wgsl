// The integer hash behind ensembles that are made and not stored, as `src/operators/seeded/hash.rs` defines it, all modulo 2³².
// The host puts the seed's words SEED0, SEED1 into the prelude. Measurements have 32 bits here, so the upper half of their
// number is 0.

fn mix_bits(bits: u32) -> u32 {
    var x = bits;
    x ^= x >> 16u;
    x *= 0x21f0aaadu;
    x ^= x >> 15u;
    x *= 0x735a2d97u;
    return x ^ (x >> 15u);
}

// The key of measurement i: four rounds, a permutation of (i, 0).
fn row_key(i: u32) -> vec2<u32> {
    var a = i;
    var b = mix_bits(a + SEED0);
    a ^= mix_bits(b + SEED1);
    b ^= mix_bits(a + SEED0 + 0x9e3779b9u);
    a ^= mix_bits(b + SEED1 + 0x9e3779b9u);
    return vec2<u32>(a, b);
}

// Word q of the row with that key.
fn hash_word(key: vec2<u32>, q: u32) -> u32 {
    var x = q * 0x9e3779b9u + key.x;
    x ^= x >> 15u;
    x *= 0x21f0aaadu;
    x ^= key.y;
    x ^= x >> 13u;
    x *= 0x735a2d97u;
    return x ^ (x >> 16u);
}
