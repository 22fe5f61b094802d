//! The page at `/admin/webhooks`, rendered by the server.
//!
//! Views (`view`) are functions from values to markup and know nothing of requests. Every text in
//! them is escaped by the template; the only bytes that go out as they are were written here. What a
//! form was sent with is a value of its own (`form`) that is shown again when something is wrong.

mod answer;
mod assets;
mod explain;
mod fields;
mod form;
mod gate;
mod live;
mod routes;
mod samples;
mod time;
mod view;

pub(crate) use self::gate::{is_screen, turned_away};
pub(crate) use self::routes::routes;

#[cfg(test)]
mod tests;
