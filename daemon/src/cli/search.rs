//! `ombud search`: tickets and articles by what they say, from the index that the daemon keeps; it need not run.

use ombud_indexer::{Key, MAX_HITS, OpenError, Page, Query, QueryError, Scope, SearchError, Searcher};

use super::failure::{BUG, DATA, Failure, TEMPORARY, UNAVAILABLE};
use super::out::{Answer, Done};
use super::table::Table;
use super::ticket::more;
use crate::app::Opened;
use crate::feed::index::FOLDER;
use crate::feed::search::{self, AskError, Found};
use crate::http::views::SearchView;

/// Characters that are shown from the place on that can't be read.
const SHOWN: usize = 40;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Words, "phrases" and fields, like: 'printer is:open from:ann@example.com -tag:vip' (in quotes, or behind --)
    #[arg(required = true, value_name = "QUERY")]
    query: Vec<String>,
    /// Only these
    #[arg(long = "type", value_enum)]
    kind: Option<Kind>,
    /// Show at most so many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
    limit: u16,
    /// Go on where a list ended: the `next` of its JSON
    #[arg(long, value_name = "CURSOR", default_value_t = 0, hide_default_value = true)]
    cursor: usize,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Kind {
    Ticket,
    Article,
}

pub(super) async fn run(args: Args, opened: &Opened, json: bool) -> Done {
    let text = args.query.join(" ");
    let query = Query::parse(&text).map_err(|error| unreadable(&text, &error))?;
    if args.cursor >= MAX_HITS {
        return Err(Failure::usage("--cursor is the `next` of a list of hits"));
    }
    let folder = opened.store.data().join(FOLDER);
    let open = tokio::task::spawn_blocking(move || Searcher::open_read_only(&folder)).await;
    let (searcher, _) = open.map_err(|_| Failure::bug("the search index can't be opened"))??;
    let scope = match args.kind {
        None => Scope::All,
        Some(Kind::Ticket) => Scope::Tickets,
        Some(Kind::Article) => Scope::Articles,
    };
    let page = Page { limit: args.limit.into(), offset: args.cursor, scope, ..Page::default() };
    let answer = search::ask(&searcher, &opened.store, &query, page).await?;
    Answer::of(json, &SearchView::from(&answer), || {
        if answer.items.is_empty() {
            return "Nothing is like that.".to_owned();
        }
        let mut table = Table::headed(["FOUND", "TITLE", "WHERE IT SAYS SO"]);
        for found in &answer.items {
            table.row([&name(found), &found.title, &found.snippet.text]);
        }
        table.text() + more(answer.next.map(|next| next.to_string()).as_deref()).as_str()
    })
}

/// `#12`, or an article's slug.
fn name(found: &Found) -> String {
    match &found.key {
        Key::Ticket(number) => format!("#{number}"),
        Key::Article(slug) => slug.clone(),
    }
}

/// The error, with the query from the place on.
fn unreadable(query: &str, error: &QueryError) -> Failure {
    let part: String = query.chars().skip(error.column.saturating_sub(1)).take(SHOWN).collect();
    let there = if part.trim().is_empty() { String::new() } else { format!(": {}", part.trim()) };
    Failure::new(DATA, format!("the query can't be read: {error}{there}"))
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self::new(UNAVAILABLE, error.to_string())
    }
}

impl From<AskError> for Failure {
    fn from(error: AskError) -> Self {
        let code = match error {
            AskError::Store(error) => return error.into(),
            AskError::Index(SearchError::NobodyIsMe) => DATA,
            AskError::Index(SearchError::Timeout(_)) => TEMPORARY,
            AskError::Index(_) => UNAVAILABLE,
            AskError::Panicked => BUG,
        };
        Self::new(code, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_that_can_not_be_read_is_one_line() {
        for (query, end) in
            [("printer \"broken", ": \"broken"), ("\u{1b}[2J foo:bar", ": foo:bar"), (&format!("{}(", "word ".repeat(25)), ": (")]
        {
            let error = Query::parse(query).err();
            let failure = error.map(|error| unreadable(query, &error));
            assert_eq!(failure.as_ref().map(|f| (f.code, f.lines.len())), Some((DATA, 1)), "{query:?}");
            let line = failure.map(|f| f.lines.concat()).unwrap_or_default();
            assert!(line.starts_with("the query can't be read: ") && line.ends_with(end), "{line:?}");
        }
    }
}
