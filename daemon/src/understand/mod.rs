//! Bytes to what a mail says. Pure: no clock, no network, no database; any bytes have an answer, in bounded time and
//! memory and without recursion that input could drive.

mod addresses;
mod attribution;
mod automatic;
mod body;
mod bounce;
mod bounce_reason;
mod charset;
mod dates;
mod dsn;
mod entities;
mod fingerprint;
mod forwarded;
mod glimpse;
mod headers;
pub mod html;
mod html_scan;
mod html_text;
mod html_tokens;
mod ids;
mod language;
pub mod limits;
mod message;
mod mime;
mod names;
mod origin;
mod params;
mod prescan;
mod quoted_header;
mod reply;
mod rtf;
mod ses;
mod signature;
mod tnef;
mod transfer;
mod when;
mod words;

pub use glimpse::glimpse;
pub use html::SafeHtml;
pub use limits::Limits;
pub use message::{Part, parts, understand};
pub use origin::{origin, scanned_origin};
pub use prescan::{Refusal, Scan, prescan};
pub use reply::MARKER;
pub use when::{Kept, when};
