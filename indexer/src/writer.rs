//! Writing the index. Everything here blocks; the loop in `follow` calls it where that is allowed.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use tantivy::indexer::{IndexWriterOptions, LogMergePolicy};
use tantivy::{Index, IndexWriter, TantivyError};
use thiserror::Error;

use crate::cursor::Cursor;
use crate::disk::{Folder, FolderError, Generation, Open, OpenError, open_current};
use crate::doc::Doc;
use crate::feed::Key;
use crate::schema::{Fields, teach};
use crate::search::Live;

/// What the writer may hold before it writes a segment: about the least that tantivy takes. Twice as much would build
/// somewhat faster and make every small commit clear twice the memory.
const HEAP: usize = 15 * 1024 * 1024;

/// Why the index was not written.
#[derive(Debug, Error)]
pub(crate) enum WriteError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error("{path}: the search index can't be written ({why}); make the folder writable and have room on its disk")]
    Index { path: String, why: TantivyError },
    #[error("the writer of the search index has panicked; it is opened again")]
    Panicked,
    #[error("a search found the index damaged; its files are looked at, and it is built anew if they are")]
    Alarm,
}

/// One generation and the one who writes it.
pub(crate) struct Writer {
    writer: IndexWriter,
    fields: Fields,
    live: Live,
    folder: Arc<Folder>,
}

/// What was found in a folder.
pub(crate) struct Found {
    pub(crate) folder: Arc<Folder>,
    /// The index, whole, with the place it holds.
    pub(crate) usable: Option<(Writer, Cursor)>,
}

/// Locks a folder and opens what is in it, after reading all of it: a damaged index is as good as none.
pub(crate) fn open(dir: &Path) -> Result<Found, WriteError> {
    let folder = Arc::new(Folder::lock(dir)?);
    folder.sweep();
    let usable = match open_current(dir).and_then(|open| sound(dir, open)) {
        Ok(open) => {
            let cursor = open.cursor;
            Some((Writer::over(&open.index, open.fields, folder.clone())?, cursor))
        }
        Err(why) => {
            tracing::info!(%why, "the search index is built from the beginning");
            None
        }
    };
    Ok(Found { folder, usable })
}

/// Compares the check sums of all files. tantivy panics on some damage.
fn sound(dir: &Path, open: Open) -> Result<Open, OpenError> {
    let check = || open.index.validate_checksum().map(|damaged| damaged.is_empty());
    let why = match std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)) {
        Ok(Ok(true)) => return Ok(open),
        Ok(Ok(false)) => "a check sum is wrong".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "a file is damaged".to_owned(),
    };
    Err(OpenError::Unusable { path: dir.to_owned(), why })
}

impl Writer {
    fn over(index: &Index, fields: Fields, folder: Arc<Folder>) -> Result<Self, WriteError> {
        let failed = |why| WriteError::Index { path: folder.path().display().to_string(), why };
        let options = IndexWriterOptions::builder().num_worker_threads(1).num_merge_threads(1).memory_budget_per_thread(HEAP).build();
        let writer = index.writer_with_options(options).map_err(failed)?;
        writer.set_merge_policy(Box::new(merging()));
        Ok(Self { live: Live::over(index, fields).map_err(failed)?, writer, fields, folder })
    }

    /// Begins a new generation beside the one that counts.
    pub(crate) fn beside(folder: Arc<Folder>) -> Result<(Self, Generation), WriteError> {
        let generation = folder.fresh()?;
        let (schema, fields) = Fields::schema();
        let index = Index::create_in_dir(&generation.path, schema)
            .map_err(|why| WriteError::Index { path: generation.path.display().to_string(), why })?;
        teach(&index);
        Ok((Self::over(&index, fields, folder)?, generation))
    }

    /// Replaces all documents of these keys; a key without a document is found no more.
    pub(crate) fn replace(&mut self, keys: &[Key], docs: &[Doc]) -> Result<(), WriteError> {
        for key in keys {
            self.writer.delete_term(self.fields.key_term(key));
        }
        self.add(keys, docs)
    }

    /// Adds the documents of keys that the index does not have. Documents that were not asked for are left out.
    pub(crate) fn add(&mut self, keys: &[Key], docs: &[Doc]) -> Result<(), WriteError> {
        let asked: BTreeSet<&Key> = keys.iter().collect();
        for doc in docs.iter().filter(|doc| asked.contains(&doc.key)) {
            self.writer.add_document(self.fields.document(doc)).map_err(|why| self.failed(why))?;
        }
        Ok(())
    }

    /// Makes all of it durable and found, with the place of the log it holds.
    pub(crate) fn commit(&mut self, cursor: &Cursor) -> Result<(), WriteError> {
        let mut commit = || {
            let mut commit = self.writer.prepare_commit()?;
            commit.set_payload(&cursor.write());
            commit.commit()?;
            self.live.reload()
        };
        commit().map_err(|why| self.failed(why))
    }

    /// Makes a generation the one that counts.
    pub(crate) fn takes_over(&self, generation: &Generation) -> Result<(), WriteError> {
        Ok(self.folder.point_at(generation)?)
    }

    pub(crate) fn live(&self) -> &Live {
        &self.live
    }

    fn failed(&self, why: TantivyError) -> WriteError {
        WriteError::Index { path: self.folder.path().display().to_string(), why }
    }
}

/// Segments of about a size are merged by eights; the smallest size is small, so that a commit of one document does not
/// copy thousands. A third of deleted documents is swept out.
fn merging() -> LogMergePolicy {
    let mut policy = LogMergePolicy::default();
    policy.set_min_layer_size(500);
    policy.set_level_log_size(3.0);
    policy.set_del_docs_ratio_before_merge(0.34);
    policy
}
