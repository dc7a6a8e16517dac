//! The most memory that this process has had, where Linux tells it.

/// Begins to measure anew; the memory of now in MiB.
pub(super) fn reset() -> Option<f64> {
    // 5 resets the peak of the resident set, see proc(5).
    std::fs::write("/proc/self/clear_refs", "5").ok()?;
    read("VmRSS:")
}

/// The most since then, in MiB.
pub(super) fn most() -> Option<f64> {
    read("VmHWM:")
}

fn read(name: &str) -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib / 1024.0)
}
