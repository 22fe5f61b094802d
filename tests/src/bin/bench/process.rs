//! What a process has used so far, as the kernel accounts for it.

use std::fs;

use anyhow::{Context, Result};

/// Clock ticks per second of `/proc/PID/stat`; 100 on every Linux that Rust runs on
/// (`sysconf(_SC_CLK_TCK)`, proc(5)).
const TICKS: f64 = 100.0;

/// CPU seconds, user and system, of all threads so far.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))
        .with_context(|| format!("process {pid} is gone"))?;
    // The name, in parentheses, may hold blanks: fields are counted behind it.
    let (_, fields) = stat.rsplit_once(')').context("no process state")?;
    let ticks = |index: usize| -> Result<f64> {
        Ok(fields.split_ascii_whitespace().nth(index).context("no such field")?.parse()?)
    };
    Ok((ticks(11)? + ticks(12)?) / TICKS)
}
