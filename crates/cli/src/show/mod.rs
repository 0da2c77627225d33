//! How commands show what the API says: tables, facts, times, payloads, JSON, progress. Nothing here asks a server.
//!
//! Everything that users or workflows have named comes through `text::clean` on its way to the terminal: cells and facts
//! do that by themselves, and so does JSON.

pub(crate) mod event;
pub(crate) mod facts;
pub(crate) mod failure;
pub(crate) mod json;
pub(crate) mod pages;
pub(crate) mod payload;
pub(crate) mod progress;
pub(crate) mod status;
pub(crate) mod style;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod time;
