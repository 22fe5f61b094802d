//! `[runtime]`: what the program takes of the machine.

use std::num::NonZeroUsize;

use settings::Section;

/// What the program takes of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Runtime {
    /// Worker threads; `None` means one per processor.
    pub(crate) threads: Option<NonZeroUsize>,
}

impl Runtime {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        let threads = section.optional("threads", |value| value.integer(1..=1024usize));
        Self { threads: threads.and_then(NonZeroUsize::new) }
    }
}
