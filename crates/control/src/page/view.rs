//! What each screen looks like: functions from values to markup.

pub(super) mod audit;
pub(super) mod chart;
pub(super) mod confirm;
pub(super) mod dead;
pub(super) mod delivery;
pub(super) mod edit;
pub(super) mod fault;
pub(super) mod frame;
pub(super) mod icon;
pub(super) mod json;
pub(super) mod list;
pub(super) mod pieces;
pub(super) mod rows;
pub(super) mod secret;
pub(super) mod sign_in;
pub(super) mod test_event;
pub(super) mod webhook;

#[cfg(test)]
pub(super) mod sample;
#[cfg(test)]
mod tests;
