//! What a process takes of the machine's memory, as the kernel counts it.

use std::fs;

use anyhow::{Context, Result};

/// One memory figure of `/proc/PID/status`, in MB (10^6 bytes): `VmRSS` now, `VmHWM` at the peak.
///
/// # Errors
///
/// When there is no such process or no such figure.
pub fn memory_mb(pid: u32, figure: &str) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(figure)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.split_ascii_whitespace().next()).context("no figure")?;
    Ok(kib.parse::<f64>()? * 1_024.0 / 1e6)
}
