//! What a fuzz target begins with, for the ordinary tests of the crate that is fuzzed: they run with
//! every compiler, and hold what was found once.

use std::fs;
use std::path::Path;
use std::thread;

/// As much as the program's own threads have: what is nested is read by calls within calls.
const STACK: usize = 64 * 1_024 * 1_024;

/// Feeds every seed of this target to `check`, and what was kept of earlier runs.
pub(crate) fn each(target: &'static str, check: impl Fn(&[u8]) + Send + 'static) {
    let feed = move || {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fuzz"));
        let seeds = fs::read_dir(folder.join("seeds").join(target)).expect("the target has seeds");
        for file in seeds {
            let path = file.unwrap().path();
            // Shown where it breaks something.
            println!("{}", path.display());
            check(&fs::read(path).unwrap());
        }
        let kept = fs::read_to_string(folder.join("kept").join(format!("{target}.hex"))).unwrap();
        for line in kept.lines() {
            println!("{line}");
            let digits = line.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).unwrap());
            let input: Vec<u8> = digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
            check(&input);
        }
    };
    thread::Builder::new().stack_size(STACK).spawn(feed).unwrap().join().unwrap();
}
