//! Stack enough for what a stranger may write into the headers of a message.
//!
//! AMQP headers are tables and lists within each other, as deep as a frame has room: 26,000 levels in
//! the 128 KiB that RabbitMQ takes. The broker's client reads them one call within another, on
//! threads that it starts itself, and a stack that overflows ends the process, whose successor gets
//! the same message again. How much stack a thread gets is read from the environment before the
//! first is started. So the program begins anew in the same process, with that variable set.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Read by Rust's standard library; whoever has set it has decided.
const VARIABLE: &str = "RUST_MIN_STACK";

/// In bytes: a level takes up to 2 KiB, and several times as much where nothing is optimised. Of
/// what a thread does not use no memory is taken.
const STACK: &str = if cfg!(debug_assertions) { "268435456" } else { "67108864" };

/// Makes sure that all threads will have it. Called before there is any.
pub(crate) fn make_room() {
    if env::var_os(VARIABLE).is_some() {
        return;
    }
    let Ok(program) = env::current_exe() else { return };
    let mut words = env::args_os();
    let mut anew = Command::new(program);
    if let Some(name) = words.next() {
        anew.arg0(name);
    }
    // It comes back only where that cannot be done; then all goes on with less stack.
    let _unable = anew.args(words).env(VARIABLE, STACK).exec();
}
