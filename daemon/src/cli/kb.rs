//! `ombud kb`: articles, and folders of Markdown files that hold them.

mod export;
mod import;
mod matter;

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::failure::Failure;
use super::input::{Paging, words};
use super::json::List;
use super::out::{Answer, Done};
use super::table::{Table, time};
use super::ticket::more;
use crate::app::Opened;
use crate::http::views::ArticleView;
use crate::model::article::{Publication, Slug, Visibility, language_tag};
use crate::store::read::ArticleFilter;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write every Markdown file of a folder into the knowledge base; one that says nothing new changes nothing
    Import {
        /// The folder, with those below it
        dir: PathBuf,
    },
    /// Write every article into a folder, as files that can be imported again
    Export {
        /// The folder; it is made when absent
        dir: PathBuf,
        /// Write also into a folder that holds other files, over those of the same names
        #[arg(long)]
        force: bool,
    },
    /// List articles
    List {
        /// Only of this status
        #[arg(long, value_parser = words(Publication::ALL, Publication::word))]
        status: Option<Publication>,
        /// Only for these readers
        #[arg(long, value_parser = words(Visibility::ALL, Visibility::word))]
        visibility: Option<Visibility>,
        /// Only in this language, like pt-BR
        #[arg(long, value_name = "TAG")]
        language: Option<String>,
        #[command(flatten)]
        paging: Paging,
    },
}

pub(super) async fn run(command: Command, opened: &Opened, cwd: &Path, json: bool) -> Done {
    match command {
        Command::Import { dir } => import::run(opened, &cwd.join(dir), json).await,
        Command::Export { dir, force } => export::run(opened, &cwd.join(dir), force, json).await,
        Command::List { status, visibility, language, paging } => {
            let tag = |text: &str| language_tag(text).ok_or_else(|| Failure::usage("--language is a tag like en or pt-BR"));
            let slug = |text: &str| Slug::of(text).ok_or_else(|| Failure::usage("--cursor is the `next` of a list of articles"));
            let language = language.as_deref().map(tag).transpose()?;
            let cursor = paging.cursor.as_deref().map(slug).transpose()?;
            list(opened, json, &ArticleFilter { status, language, visibility, cursor, limit: paging.limit() }).await
        }
    }
}

async fn list(opened: &Opened, json: bool, filter: &ArticleFilter) -> Done {
    let page = opened.store.articles(filter).await?;
    Answer::of(json, &List::page(&page, ArticleView::from), || {
        if page.items.is_empty() {
            return "No article is like that.".to_owned();
        }
        let mut table = Table::headed(["SLUG", "STATUS", "READERS", "LANGUAGE", "CHANGED", "TITLE"]);
        for stored in &page.items {
            let (article, changed) = (&stored.article, time(stored.updated_at));
            let (status, readers) = (article.status.word(), article.visibility.word());
            table.row([article.slug().as_str(), status, readers, article.language(), &changed, article.title()]);
        }
        table.text() + more(page.next.as_deref()).as_str()
    })
}
