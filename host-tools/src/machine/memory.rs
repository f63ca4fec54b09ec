//! The memory of the machine.

/// Bytes of memory that the operating system reports; `None` where it reports none.
pub fn total() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn the_machine_has_memory() {
        assert!(super::total().is_some_and(|bytes| bytes > 1 << 20));
    }
}
