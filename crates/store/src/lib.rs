//! Where webhooks are kept, and how a change becomes a new snapshot.
//!
//! A [`Store`] is opened by one URL. It reads all webhooks, builds the immutable snapshot, puts it
//! where the delivery path finds it, and keeps a copy on disk for a start at which the store is
//! away. What cannot be read never replaces what could. It also remembers which webhooks the service
//! itself disabled.
//!
//! What differs between kinds of stores is behind `backend`: a TOML file that its owner writes
//! (`file`), or a database that people change through the page, the API and the command line
//! (`database`). Not here: what becomes of an event, metrics, logs.
//! What happened is told as a [`Notice`], and counted in [`Status`].

mod backend;
mod claim;
mod database;
mod disabled;
mod entry;
mod file;
mod key_file;
mod locator;
mod log;
mod notice;
mod open;
mod options;
mod saved;
mod state_file;
mod status;
mod store;
mod wire;

pub use database::{
    Action, AuditBounds, AuditFilter, AuditRow, ChangeError, Created, Database, DatabaseError,
    Draft, EndedSession, InvalidKey, Keys, LONGEST_OVERLAP, OpenDatabase, SealError,
};
pub use entry::fingerprint;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub use file::fuzzing;
pub use key_file::own_key;
pub use locator::{InvalidStoreUrl, check_log_url, check_url, identity};
pub use log::{
    AttemptRow, Behind, Counts, Decided, DeliveryDetail, DeliveryLog, DeliveryQuery, DeliveryRow,
    DeliveryState, Failing, HealthNote, LogBounds, LogStatus, LoggedAttempt, LoggedEvent,
    LoggedNext, NotKept, Page, Position, Recorder, Stretch,
};
pub use notice::{Notice, Origin};
pub use open::{
    KeyUse, LoadError, load_once, open_database, open_database_with_key, open_present_database,
};
pub use options::{OpenError, Options, ReadError, Rules};
pub use state_file::{StateError, StateProblem};
pub use status::Status;
pub use store::Store;
