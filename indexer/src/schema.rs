//! The fields of the index, and documents as tantivy wants them. Only keys and times are kept; of texts, only where
//! which term stands.

use tantivy::schema::{Field, IndexRecordOption, NumericOptions, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::TokenizerManager;
use tantivy::{Index, TantivyDocument, Term};

use crate::doc::{Doc, short, short_addresses};
use crate::feed::Key;
use crate::text::{Analyzer, NAME, label};

/// Raised whenever fields, terms or their places change: an index of another version is built anew.
pub(crate) const VERSION: u32 = 2;

pub(crate) const KEY: &str = "key";
pub(crate) const UPDATED: &str = "updated";

/// The fields of the index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields {
    /// The key's term; what is replaced and what is found.
    pub(crate) key: Field,
    /// Words that are compared as a whole, as `tag:vip` or `from:ann@example.com`.
    pub(crate) label: Field,
    /// Words of the title alone.
    pub(crate) title: Field,
    /// All words: title, messages, people, tags.
    pub(crate) text: Field,
    /// Names and addresses of who wrote.
    pub(crate) from: Field,
    /// Names and addresses of who was written to.
    pub(crate) to: Field,
    /// ms since 1970 UTC.
    pub(crate) created: Field,
    /// ms since 1970 UTC.
    pub(crate) updated: Field,
}

impl Fields {
    /// The schema and its fields.
    pub(crate) fn schema() -> (Schema, Self) {
        let indexing = |tokenizer, option, norms| {
            let indexing = TextFieldIndexing::default().set_tokenizer(tokenizer).set_index_option(option).set_fieldnorms(norms);
            TextOptions::default().set_indexing_options(indexing)
        };
        let whole = indexing("raw", IndexRecordOption::Basic, false);
        let words = indexing(NAME, IndexRecordOption::WithFreqsAndPositions, true);
        let time = NumericOptions::default().set_fast();
        let mut schema = Schema::builder();
        let fields = Self {
            key: schema.add_text_field(KEY, whole.clone().set_fast("raw")),
            label: schema.add_text_field("label", whole),
            title: schema.add_text_field("title", words.clone()),
            text: schema.add_text_field("text", words.clone()),
            from: schema.add_text_field("from", words.clone()),
            to: schema.add_text_field("to", words),
            created: schema.add_i64_field("created", time.clone()),
            updated: schema.add_i64_field(UPDATED, time),
        };
        (schema.build(), fields)
    }

    /// The term that a key's documents have in common.
    pub(crate) fn key_term(&self, key: &Key) -> Term {
        Term::from_field_text(self.key, &key.term())
    }

    /// A document in tantivy's form, within our limits.
    pub(crate) fn document(&self, doc: &Doc) -> TantivyDocument {
        let mut out = TantivyDocument::default();
        out.add_text(self.key, doc.key.term());
        out.add_i64(self.created, doc.created_at);
        out.add_i64(self.updated, doc.updated_at);
        out.add_text(self.title, doc.short_title());
        out.add_text(self.text, doc.short_title());
        for text in doc.newest() {
            out.add_text(self.text, text);
        }
        for (people, field, name) in [(&doc.from, self.from, "from"), (&doc.to, self.to, "to")] {
            for person in short(people) {
                out.add_text(field, person);
                out.add_text(self.text, person);
            }
            for address in short_addresses(people) {
                out.add_text(self.label, format!("{name}:{}", label(address)));
            }
        }
        for tag in short(&doc.tags) {
            out.add_text(self.text, tag);
        }
        for label in labels(doc) {
            out.add_text(self.label, label);
        }
        out
    }
}

/// Tells an index about our analyzer; its schema knows only the name.
pub(crate) fn teach(index: &Index) {
    let tokenizers: &TokenizerManager = index.tokenizers();
    tokenizers.register(NAME, Analyzer);
}

fn labels(doc: &Doc) -> Vec<String> {
    let kind = match doc.key {
        Key::Ticket(_) => "tickets",
        Key::Article(_) => "articles",
    };
    let mut labels = vec![format!("in:{kind}"), format!("is:{}", if doc.internal { "internal" } else { "public" })];
    if doc.attachments {
        labels.push("has:attachment".to_owned());
    }
    if matches!(doc.key, Key::Ticket(_)) {
        labels.push(format!("is:{}", if doc.assignee.is_some() { "assigned" } else { "unassigned" }));
    }
    let single = [
        ("is", &doc.status),
        ("priority", &doc.priority),
        ("mailbox", &doc.mailbox),
        ("assignee", &doc.assignee),
        ("team", &doc.team),
        ("language", &doc.language),
    ];
    labels.extend(single.into_iter().filter_map(|(name, value)| Some(format!("{name}:{}", label(value.as_deref()?)))));
    labels.extend(short(&doc.tags).map(|tag| format!("tag:{}", label(tag))));
    labels
}
