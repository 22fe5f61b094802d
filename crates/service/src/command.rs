//! The subcommands that do one thing and end; each file is one of them.

pub(crate) mod backup;
pub(crate) mod change;
pub(crate) mod check;
pub(crate) mod dead;
pub(crate) mod fields;
pub(crate) mod health;
mod input;
pub(crate) mod listen;
pub(crate) mod live;
pub(crate) mod manual;
pub(crate) mod send;
pub(crate) mod verify;
pub(crate) mod webhooks;
