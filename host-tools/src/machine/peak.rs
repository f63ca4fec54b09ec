//! The largest resident size of this process: since the last reset where the system can reset the size, otherwise since
//! the start.

/// Starts a new measurement, on Linux.
pub fn reset() {
    let _ = std::fs::write("/proc/self/clear_refs", "5"); // elsewhere the peak is that of the whole run
}

/// Bytes; 0 if the system does not report the size.
pub fn bytes() -> usize {
    from_proc().unwrap_or_else(from_usage)
}

fn from_proc() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: usize = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(unix)]
fn from_usage() -> usize {
    use nix::sys::resource::{UsageWho, getrusage};
    let unit = if cfg!(target_vendor = "apple") { 1 } else { 1024 }; // bytes there, kilobytes elsewhere
    getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| usage.max_rss() as usize * unit)
}

#[cfg(not(unix))]
fn from_usage() -> usize {
    0
}

#[cfg(test)]
mod tests {
    #[test]
    fn memory_in_use_shows_in_the_peak() {
        let before = super::bytes();
        let memory = std::hint::black_box(vec![1u8; 64 << 20]);
        assert!(before > 0 && super::bytes() >= memory.len());
        #[cfg(unix)]
        assert!(super::from_usage() >= memory.len());
    }
}
