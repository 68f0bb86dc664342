//! A copy of the desk in a folder.

pub(super) mod rest;
