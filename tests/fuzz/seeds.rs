//! The seeds of a fuzz target, for the ordinary tests of the crate that is fuzzed: they run with
//! every compiler, and hold what was found once.

/// As much as the program's own threads have: what is nested is read by calls within calls.
const STACK: usize = 64 * 1024 * 1024;

/// Feeds every seed of this target to `check`.
pub(crate) fn each(target: &'static str, check: impl Fn(&[u8]) + Send + 'static) {
    let feed = move || {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fuzz/seeds/");
        let files = std::fs::read_dir(format!("{folder}{target}")).expect("the target has seeds");
        let mut seen = 0;
        for file in files {
            let path = file.unwrap().path();
            // Shown where the seed breaks something.
            println!("{}", path.display());
            check(&std::fs::read(path).unwrap());
            seen += 1;
        }
        assert!(seen > 0, "{target} has no seeds");
    };
    std::thread::Builder::new().stack_size(STACK).spawn(feed).unwrap().join().unwrap();
}
