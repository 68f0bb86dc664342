#![doc = include_str!("../README.md")]

pub mod app;
pub mod archive;
pub mod cli;
pub mod clock;
pub mod config;
pub mod desk;
pub mod failpoint;
pub mod feed;
pub mod filter;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod http;
pub mod inbox;
pub mod large;
pub mod model;
pub mod net;
pub mod pipeline;
pub mod receive;
pub mod send;
pub mod store;
pub mod understand;
pub mod verify;
