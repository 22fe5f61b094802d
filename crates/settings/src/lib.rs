//! What a TOML file, the environment and compiled-in defaults say, and where they say it.
//!
//! A program describes what it wants to know by reading it: [`Reader::read`] hands it a [`Section`],
//! the section hands it each [`Value`], and the value turns into a typed, bounded Rust value or into
//! a [`Mistake`]. Nothing stops at the first mistake: the [`Report`] holds all of them, each with
//! file, line and column (or the variable's name), the key, what was found and what was expected.
//! What nobody asked for is a mistake too, and names the nearest key that somebody did ask for.
//!
//! Precedence, strongest first: environment, file, defaults. Secrets never stand in a report.
//!
//! Not here: any particular key (`service`, `store`), watching files, writing them.

mod document;
mod environment;
mod mistake;
mod nearest;
mod reader;
mod section;
mod size;
mod value;

pub use document::{Document, MAX_DOCUMENT_BYTES, MAX_SECRET_BYTES, read_bounded, read_regular};
pub use environment::Environment;
pub use mistake::{Mistake, Place, Problem, Report};
pub use nearest::nearest;
pub use reader::{Reader, Reading};
pub use section::Section;
pub use size::{InvalidSize, format_size, parse_size};
pub use value::{Value, Wrong};
