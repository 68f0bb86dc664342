//! What of a text its writer wrote this time, and what is a quote, a signature or a forwarded mail: every line has one kind, and no
//! line is lost.

mod attribution;
mod disclaimer;
pub mod forwarded;
mod quoted_header;
mod separator;
mod signature;
mod split;

pub use quoted_header::is_header_line;
pub use split::{Context, MARKER, Split, split};
