// Numbers of `seeded`: b0 + b1 + b2 + b3 − 510 for the bytes of a hash, shifted right by SHIFT bits (0, but for tests).

fn stored(key: Row, q: u32) -> real {
    let h = hash_word(key, q);
    // Two sums of two bytes each in the halves of a word.
    let pairs = (h & 0x00ff00ffu) + ((h >> 8u) & 0x00ff00ffu);
    return real((i32((pairs & 0xffffu) + (pairs >> 16u)) - 510) >> SHIFT);
}

// value·SCALE, a power of two, so exact.
fn scaled(key: Row, value: real) -> real {
    return value * SCALE;
}
