#![doc = include_str!("../README.md")]

mod feed;

pub use feed::{Change, Doc, Feed, Key, Seq};
