//! Sizes as text, and the memory that the system reports.

use std::cell::Cell;
use std::path::Path;

use crate::error::{Error, Result};

/// Bytes as text such as `50.1 GB`: powers of 1000, one decimal.
pub fn readable_bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} bytes");
    }
    let mut value = bytes as f64 / 1e3;
    let mut unit = 0;
    // 999.95 would be rounded to 1000.0.
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1e3;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// Parses a size such as `8G`, `1.5GiB` or `500 MB`: K, M, G, T are powers of 1000 and Ki, Mi, Gi, Ti powers of 1024,
/// with an optional B. A plain number is bytes.
///
/// # Errors
/// [`Error::Invalid`] under `name` for anything else, 0, and more than 2⁶⁴ − 1 bytes.
pub fn parse_size(name: &str, text: &str) -> Result<u64> {
    let refused = || {
        let allowed = "a positive size: a number of bytes, or one with K, M, G, T (powers of 1000) or Ki, Mi, Gi, Ti";
        Error::invalid(name, format!("'{text}'"), allowed, "for example 8G, 500M or 1.5GiB")
    };
    let compact = text.trim().to_ascii_lowercase();
    let end = compact.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(compact.len());
    let (number, unit) = compact.split_at(end);
    let unit = unit.trim_start();
    let unit = unit.strip_suffix('b').unwrap_or(unit);
    let power = |letter: Option<char>| letter.and_then(|letter| "kmgt".find(letter)).map(|at| at as i32 + 1);
    let mut letters = unit.chars();
    let factor = match (letters.next(), letters.next(), letters.next()) {
        (None, ..) => Some(1.0),
        (letter, None, _) => power(letter).map(|power| 1000_f64.powi(power)),
        (letter, Some('i'), None) => power(letter).map(|power| 1024_f64.powi(power)),
        _ => None,
    };
    let value = number.parse::<f64>().ok().zip(factor).map(|(number, factor)| (number * factor).floor());
    // 2⁶⁴ is the first number that u64 does not hold.
    value
        .filter(|bytes| (1.0..18_446_744_073_709_551_616.0).contains(bytes))
        .map(|bytes| bytes as u64)
        .ok_or_else(refused)
}

/// Bytes that this program can still take without swapping: Linux's available memory, or the limit of a control group
/// (a container, a batch job) where it is lower. `None` where the system does not report it.
pub fn available() -> Option<u64> {
    LIMIT.get().or_else(|| available_under(Path::new("/")))
}

thread_local! {
    /// Bytes that [`with_available`] pretends.
    static LIMIT: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Runs `work` as if this thread found `bytes` of free memory, for tests of refusals.
pub fn with_available<R>(bytes: u64, work: impl FnOnce() -> R) -> R {
    struct Restore(Option<u64>);
    impl Drop for Restore {
        fn drop(&mut self) {
            LIMIT.set(self.0);
        }
    }
    let _restore = Restore(LIMIT.replace(Some(bytes)));
    work()
}

/// Largest resident memory of this program so far, or since [`reset_peak`].
pub fn peak() -> Option<u64> {
    field(&std::fs::read_to_string("/proc/self/status").ok()?, "VmHWM:")
}

/// Resident memory of this program.
pub fn resident() -> Option<u64> {
    field(&std::fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

/// Resets [`peak`]; returns whether the system did it.
pub fn reset_peak() -> bool {
    std::fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// Parses `Name:   123 kB` as bytes.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

fn available_under(root: &Path) -> Option<u64> {
    let system = field(&std::fs::read_to_string(root.join("proc/meminfo")).ok()?, "MemAvailable:")?;
    let groups = std::fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let limits = groups.lines().filter_map(|line| {
        // hierarchy:controllers:path; version 2 has no controllers here.
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let (base, limit, usage, cache) = match controllers {
            "" => ("sys/fs/cgroup", "memory.max", "memory.current", ["inactive_file ", "active_file "]),
            list if list.split(',').any(|word| word == "memory") => (
                "sys/fs/cgroup/memory",
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                ["total_inactive_file ", "total_active_file "],
            ),
            _ => return None,
        };
        let base = root.join(base);
        // A group's parents limit it too. Inside a container the path may be the host's and not exist; the container's
        // own group is then at the base.
        let own = base.join(path.trim_start_matches('/'));
        own.ancestors()
            .take_while(|group| group.starts_with(&base))
            .filter_map(|group| {
                let number = |name: &str| std::fs::read_to_string(group.join(name)).ok()?.trim().parse::<u64>().ok();
                // `max` is not a number and means no limit.
                let (limit, usage) = (number(limit)?, number(usage)?);
                // Pages of files count as used and are released on demand.
                let stat = std::fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
                let given_back: u64 = (cache.iter())
                    .filter_map(|name| {
                        stat.lines().find_map(|line| line.strip_prefix(name))?.trim().parse::<u64>().ok()
                    })
                    .sum();
                Some(limit.saturating_sub(usage.saturating_sub(given_back)))
            })
            .min()
    });
    Some(limits.min().map_or(system, |limit| limit.min(system)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        for (text, bytes) in [
            ("1", 1),
            ("8G", 8_000_000_000),
            ("8gb", 8_000_000_000),
            ("1.5GiB", 3 << 29),
            (" 500 MB ", 500_000_000),
            ("64Ki", 65_536),
            ("2T", 2_000_000_000_000),
            ("100 b", 100),
        ] {
            assert_eq!(parse_size("device_memory", text).unwrap(), bytes, "{text}");
        }
        for text in
            ["", "G", "0", "0G", "-1G", "8X", "8GG", "8Gx", "8iB", "1e9", "nan", "inf", "1..5G", "99999999T", "8 G i"]
        {
            let error = parse_size("device_memory", text).unwrap_err();
            let Error::Invalid { name, found, .. } = &error else { panic!("{error}") };
            assert!(name == "device_memory" && found.contains(&format!("'{text}'")), "{error}");
        }
    }

    #[test]
    fn sizes_are_written() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1000, "1.0 kB"),
            (999_960, "1.0 MB"),
            (50_100_000_000, "50.1 GB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(readable_bytes(bytes), text);
        }
    }

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn the_tightest_limit_counts() {
        let found = |files: &[(&str, &str)]| available_under(tree(files).path());
        let meminfo = ("proc/meminfo", "MemTotal: 2000 kB\nMemAvailable:   1000 kB\n");
        assert_eq!(found(&[]), None);
        assert_eq!(found(&[meminfo]), Some(1_024_000));
        // Version 2: a group without a limit below one with a limit; file pages are released.
        let second = [
            meminfo,
            ("proc/self/cgroup", "0::/job/step\n"),
            ("sys/fs/cgroup/job/step/memory.max", "max\n"),
            ("sys/fs/cgroup/job/step/memory.current", "5\n"),
            ("sys/fs/cgroup/job/memory.max", "500000\n"),
            ("sys/fs/cgroup/job/memory.current", "300000\n"),
            ("sys/fs/cgroup/job/memory.stat", "anon 1\ninactive_file 100000\nactive_file 1000\n"),
        ];
        assert_eq!(found(&second), Some(301_000));
        // The same inside a container.
        let inside = [
            meminfo,
            ("proc/self/cgroup", "0::/elsewhere\n"),
            ("sys/fs/cgroup/memory.max", "400\n"),
            ("sys/fs/cgroup/memory.current", "500\n"),
        ];
        assert_eq!(found(&inside), Some(0));
        let first = [
            meminfo,
            ("proc/self/cgroup", "3:cpu:/a\n5:memory,hugetlb:/a\n"),
            ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/memory/a/memory.usage_in_bytes", "1\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "700000\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "200000\n"),
        ];
        assert_eq!(found(&first), Some(500_000));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_machine_says() {
        assert!(available().is_some_and(|bytes| bytes > 0));
        assert!(peak().is_some_and(|peak| Some(peak) >= resident().map(|now| now / 2)));
    }
}
