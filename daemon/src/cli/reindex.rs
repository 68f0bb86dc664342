//! `ombud reindex`: the search index is built anew.

use serde::Serialize;

use super::failure::Failure;
use super::out::{Answer, Done};
use crate::app::Opened;
use crate::store::{Cmd, Outcome};

#[derive(Serialize)]
struct Raised {
    epoch: i64,
}

pub(super) async fn run(opened: &Opened, json: bool) -> Done {
    let Outcome::Id(epoch) = opened.store.run(Cmd::Reindex).await? else {
        return Err(Failure::bug("the epoch of the search index was not raised"));
    };
    Answer::of(json, &Raised { epoch }, || {
        "Each daemon on this database builds its search index anew, within a second if it runs, else when it starts. \
         Searches are answered from the old one meanwhile."
            .to_owned()
    })
}
