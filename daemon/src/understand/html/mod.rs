//! HTML of strangers: made safe to show, and read as lines of text with what its elements say about them. Linear in its size, on any
//! stack; nothing that comes out can act or fetch.

pub mod cid;
mod direct;
pub mod entities;
pub mod hints;
mod safe;
mod scan;
mod stable;
pub mod text;
pub mod tokens;

pub use safe::SafeHtml;
