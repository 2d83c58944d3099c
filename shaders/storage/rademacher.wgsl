// Numbers of `rademacher`: −1 where bit q mod 32 of word ⌊q/32⌋ is set, else 1.

fn stored(key: Row, q: u32) -> real {
    return 1.0 - 2.0 * real((hash_word(key, q / 32u) >> (q % 32u)) & 1u);
}

// value·SCALE, a power of two, so exact.
fn scaled(key: Row, value: real) -> real {
    return value * SCALE;
}
