//! Bytes to what a mail says. Pure: no clock, no network, no database; any bytes have an answer, in bounded time and
//! memory and without recursion that input could drive.

mod automatic;
mod body;
mod calendar;
mod doubts;
mod fields;
mod fingerprint;
mod function_words;
mod html;
mod language;
pub mod limits;
mod message;
mod mime;
mod names;
mod reply;

pub use automatic::{reason as refusal_reason, status_in as refusal_status};
pub use fields::{Kept, glimpse, origin, scanned_origin, when};
pub use html::SafeHtml;
pub use html::hints::OUR_ATTRIBUTE;
pub use html::text::shown_text;
pub use limits::Limits;
pub use message::{Part, parts, understand};
pub use mime::prescan::{Refusal, Scan, prescan};
pub use reply::{MARKER, is_header_line};
