//! Articles, in the order of their slugs.

use crate::model::article::{Publication, Slug, Visibility};

use super::Page;
use crate::store::articles::{COLUMNS, StoredArticle, article};
use crate::store::conn::{Conn, Sql};
use crate::store::value::Value;
use crate::store::{Store, StoreError};

/// Octets of bodies after which a page ends; it always has one article.
const PAGE_OCTETS: i64 = 4 << 20;

/// Which articles.
#[derive(Clone, Debug, Default)]
pub struct ArticleFilter {
    /// Only of this status.
    pub status: Option<Publication>,
    /// Only in this language (its usual letters).
    pub language: Option<String>,
    /// Only those that these may see.
    pub visibility: Option<Visibility>,
    /// Only behind this one.
    pub cursor: Option<Slug>,
    /// At most so many.
    pub limit: usize,
}

const WHERE: &str =
    "FROM article WHERE slug > $1 AND ($2 = '' OR status = $2) AND ($3 = '' OR language = $3) AND ($4 = '' OR visibility = $4)";

impl Store {
    /// Articles by slug. A page may end before `limit` where the bodies are large.
    pub async fn articles(&self, filter: &ArticleFilter) -> Result<Page<StoredArticle>, StoreError> {
        let mut args: Vec<Value> = vec![
            filter.cursor.as_ref().map_or("", Slug::as_str).into(),
            filter.status.map_or("", Publication::word).into(),
            filter.language.as_deref().unwrap_or_default().into(),
            filter.visibility.map_or("", Visibility::word).into(),
        ];
        // Which ones first: a page of the largest bodies would fill the memory.
        let limit = i64::try_from(filter.limit).unwrap_or(200).saturating_add(1);
        let sql = Sql::Made(format!("SELECT slug, size {WHERE} ORDER BY slug LIMIT $5"));
        let page = async |conn: &mut Conn<'_>| {
            let rows = conn.all(sql, [args.as_slice(), &[limit.into()]].concat()).await?;
            let (mut slugs, mut octets) = (Vec::with_capacity(rows.len()), 0);
            for row in &rows {
                octets += row.int(1)?;
                if slugs.len() == filter.limit || (octets > PAGE_OCTETS && !slugs.is_empty()) {
                    break;
                }
                slugs.push(row.text(0)?);
            }
            let Some(last) = slugs.pop() else { return Ok(Page { items: Vec::new(), next: None }) };
            let next = (rows.len() > slugs.len() + 1).then(|| last.clone());
            args.push(last.into());
            let sql = Sql::Made(format!("SELECT {COLUMNS} {WHERE} AND slug <= $5 ORDER BY slug"));
            let items = conn.all(sql, args).await?.iter().map(article).collect::<Result<_, _>>()?;
            Ok(Page { items, next })
        };
        self.read().await?.snapshot(page).await
    }
}
