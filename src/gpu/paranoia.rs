//! Poison and guard words. They show that kernels write all of their outputs and nothing else.

use crate::error::Result;
use crate::gpu::buffers::{GUARD_WORDS, Storage, read};
use crate::gpu::call::Fill;
use crate::gpu::device::Device;

/// A quiet NaN that arithmetic does not produce but propagates from an input, both as f32 and as f64 made of two such
/// words.
const POISON: u32 = 0x7FFF_DEAD;
/// A number, not a NaN: a kernel that copies a guard word writes a wrong result.
const GUARD: u32 = 0xC2F6_E979;

/// Poisons the numbers of `fills`.
pub(super) fn poison(device: &Device, buffers: &[Storage], fills: &[Fill]) {
    for fill in fills {
        let words = buffers[fill.buffer].number_words;
        let content = vec![POISON; fill.numbers * words];
        let offset = (fill.first * words * 4) as u64;
        device.queue().write_buffer(&buffers[fill.buffer].buffer, offset, bytemuck::cast_slice(&content));
    }
}

/// Fills the guard words.
pub(super) fn guard(device: &Device, output: &Storage) {
    let words = [GUARD; GUARD_WORDS];
    device.queue().write_buffer(&output.buffer, output.words as u64 * 4, bytemuck::cast_slice(&words));
}

/// Checks guard words and outputs.
///
/// # Errors
/// [`crate::Error::Device`] where a guard word changed or a number still holds the poison.
pub(super) fn inspect(device: &Device, buffers: &[Storage], guarded: &[bool], fills: &[Fill]) -> Result<()> {
    let fix = "a kernel or the driver has a bug: report it, and use the backend 'cpu'";
    for (index, storage) in buffers.iter().enumerate().filter(|(index, _)| guarded[*index]) {
        let words = read(device, &storage.buffer, storage.words + GUARD_WORDS)?;
        let (content, guard) = words.split_at(storage.words);
        if let Some(at) = guard.iter().position(|&word| word != GUARD) {
            let message = format!("{}: word {at} after the end was overwritten", storage.label);
            return Err(device.error(message, fix));
        }
        for fill in fills.iter().filter(|fill| fill.buffer == index) {
            let each = storage.number_words;
            let mut numbers = content[fill.first * each..(fill.first + fill.numbers) * each].chunks(each);
            if let Some(at) = numbers.position(|number| number.iter().all(|&word| word == POISON)) {
                return Err(device.error(format!("{}: number {at} was not written", storage.label), fix));
            }
        }
    }
    Ok(())
}
