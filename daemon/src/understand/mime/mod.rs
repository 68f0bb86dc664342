//! Octets taken apart: header fields, a tree of parts, their encodings and character sets, and what other programs pack into a part.
//! Any octets have an answer, in time and memory that their number bounds, and nothing recurses as deep as they like.

pub mod charset;
pub mod headers;
pub mod params;
pub mod prescan;
mod rtf;
pub mod tnef;
mod transfer;
mod tree;
pub mod uuencode;
pub mod words;
pub mod wrappers;

pub use tree::{Part, Tree, is_media_type, tree};
