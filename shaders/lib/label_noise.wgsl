// Label noise, as `src/tape/noise.rs` defines it. NORMAL is one over the standard deviation of the sum of eight bytes.

fn byte_sum(word: u32) -> u32 {
    let pairs = (word & 0x00ff00ffu) + ((word >> 8u) & 0x00ff00ffu);
    return (pairs & 0xffffu) + (pairs >> 16u);
}

fn label_noise(stream: u32, turn: u32, i: u32) -> real {
    let key = row_key(turn) ^ row_key(stream | 0x80000000u);
    let sum = byte_sum(hash_word(key, i)) + byte_sum(hash_word(key, i ^ 0x80000000u));
    return real(i32(sum) - 1020) * NORMAL;
}
