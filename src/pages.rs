//! Memory for large arrays, on large pages where the system has them: 2 MiB per table entry instead of 4 KiB, so
//! sequential reads wait less for page look-ups.

use bytemuck::Pod;
use memmap2::MmapMut;

/// Least bytes for which large pages are requested.
const MANY_BYTES: usize = 1 << 20;
const LARGE_PAGE: usize = 2 << 20;

/// An array of numbers, initially zero.
pub struct Pages<T> {
    held: Held<T>,
    count: usize,
}

enum Held<T> {
    Vector(Vec<T>),
    /// Mapped memory whose numbers begin at this byte.
    Mapped(MmapMut, usize),
}

impl<T: Pod> Pages<T> {
    /// Allocates `count` zeros; `None` where the system has no room.
    pub fn try_zeroed(count: usize) -> Option<Self> {
        let bytes = count.checked_mul(size_of::<T>())?;
        let many = bytes >= MANY_BYTES && align_of::<T>() <= LARGE_PAGE;
        if many && let Some(held) = mapped(bytes) {
            return Some(Self { held, count });
        }
        let mut numbers = Vec::new();
        numbers.try_reserve_exact(count).ok()?;
        numbers.resize(count, T::zeroed());
        Some(Self { held: Held::Vector(numbers), count })
    }

    /// Allocates `count` zeros; ends the program where there is no room, as vectors do.
    pub fn zeroed(count: usize) -> Self {
        Self::try_zeroed(count).unwrap_or_else(|| Self { held: Held::Vector(vec![T::zeroed(); count]), count })
    }

    /// Copies a slice into pages.
    pub fn copied(numbers: &[T]) -> Self {
        let mut own = Self::zeroed(numbers.len());
        own.as_mut_slice().copy_from_slice(numbers);
        own
    }

    /// Reinterprets the bytes as another type of the same size and alignment.
    pub fn cast<U: Pod>(self) -> Pages<U> {
        let held = match self.held {
            Held::Vector(numbers) => Held::Vector(bytemuck::allocation::cast_vec(numbers)),
            Held::Mapped(map, begin) => Held::Mapped(map, begin),
        };
        Pages { held, count: self.count }
    }

    /// The numbers as a slice.
    pub fn as_slice(&self) -> &[T] {
        match &self.held {
            Held::Vector(numbers) => numbers,
            Held::Mapped(map, begin) => bytemuck::cast_slice(&map[*begin..*begin + self.count * size_of::<T>()]),
        }
    }

    /// The numbers as a mutable slice.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        match &mut self.held {
            Held::Vector(numbers) => numbers,
            Held::Mapped(map, begin) => {
                bytemuck::cast_slice_mut(&mut map[*begin..*begin + self.count * size_of::<T>()])
            }
        }
    }
}

/// Fresh pages of the system, which are zero and take memory on first write.
fn mapped<T>(bytes: usize) -> Option<Held<T>> {
    let map = MmapMut::map_anon(bytes.checked_add(LARGE_PAGE)?).ok()?;
    // A system without large pages reports an error and provides small ones.
    #[cfg(target_os = "linux")]
    let _ = map.advise(memmap2::Advice::HugePage);
    let begin = map.as_ptr().align_offset(LARGE_PAGE);
    (begin <= LARGE_PAGE).then_some(Held::Mapped(map, begin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_numbers_are_zero_and_keep_what_is_written() {
        for count in [0, 1, 1000, (MANY_BYTES / 4) - 1, MANY_BYTES / 4, LARGE_PAGE + 3] {
            let mut pages = Pages::<f32>::zeroed(count);
            assert_eq!(pages.as_slice().len(), count);
            assert!(pages.as_slice().iter().all(|&v| v == 0.0));
            pages.as_mut_slice().iter_mut().enumerate().for_each(|(i, v)| *v = i as f32);
            assert!(pages.as_slice().iter().enumerate().all(|(i, &v)| v == i as f32));
            assert_eq!(Pages::copied(pages.as_slice()).as_slice(), pages.as_slice());
            let large = count * 4 >= MANY_BYTES;
            assert!(
                matches!(pages.held, Held::Mapped(..)) == large
                    && (!large || pages.as_slice().as_ptr().align_offset(64) == 0)
            );
        }
        assert!(Pages::<f64>::try_zeroed(usize::MAX / 4).is_none() && Pages::<f64>::try_zeroed(1 << 58).is_none());
    }
}
