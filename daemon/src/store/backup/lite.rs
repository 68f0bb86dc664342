//! The copy of a SQLite database, and what only SQLite says.

use std::path::Path;

use super::manifest::{About, Kind};
use super::{about, files};
use crate::store::StoreError;
use crate::store::backup::BackupError;
use crate::store::conn::Conn;
use crate::store::lite::Lite;

/// Names of bodies that are read at once.
const PAGE: i64 = 1_000;

/// Copies the database as it is at this moment into a new file.
pub(in crate::store) async fn vacuum(conn: &mut Conn<'_>, path: &Path) -> Result<(), StoreError> {
    // SQLite takes an empty file, too, and so it is ours alone from its first octet.
    files::create(path).map_err(|error| match error {
        BackupError::Full(_) => StoreError::Full,
        error => StoreError::Io(error.to_string()),
    })?;
    let text = path.to_str().ok_or_else(|| StoreError::Refused(format!("{} is no name in UTF-8", path.display())))?;
    conn.exec("VACUUM INTO $1", vec![text.into()]).await.map(drop)
}

/// What a copy says of itself, and the bodies in files that it names, in order.
pub(in crate::store) async fn look(path: &Path) -> Result<(About, Vec<Vec<u8>>), StoreError> {
    let mut lite = Lite::read_alone(path)?;
    let conn = &mut Conn::Lite(&mut lite);
    let about = about(conn, Kind::Sqlite).await?;
    let (mut bodies, mut last) = (Vec::new(), Vec::new());
    loop {
        let sql = "SELECT sha FROM blob WHERE place = 1 AND sha > $1 ORDER BY sha LIMIT $2";
        let page = conn.all(sql, vec![last.into(), PAGE.into()]).await?;
        let page = page.iter().map(|row| row.bytes(0)).collect::<Result<Vec<_>, _>>()?;
        let Some(end) = page.last() else { break };
        last = end.clone();
        bodies.extend(page);
    }
    Ok((about, bodies))
}

/// Leaves out so many ids of a table; answers with the last of them.
pub(in crate::store) async fn skip_ids(conn: &mut Conn<'_>, table: &'static str, by: i64) -> Result<i64, StoreError> {
    let sql = "INSERT INTO sqlite_sequence(name, seq) SELECT $1, 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = $1)";
    conn.exec(sql, vec![table.into()]).await?;
    let sql = "UPDATE sqlite_sequence SET seq = seq + $2 WHERE name = $1 RETURNING seq";
    conn.one(sql, vec![table.into(), by.into()]).await?.int(0)
}

/// Whether a database that may be overwritten is in a file: no tables, or a desk without mail. An absent one is as good.
pub(in crate::store) async fn is_fresh(path: &Path) -> Result<bool, StoreError> {
    if !path.exists() {
        return Ok(true);
    }
    let mut lite = Lite::read_alone(path)?;
    let conn = &mut Conn::Lite(&mut lite);
    let tables = conn.all("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'", vec![]).await?;
    let tables = tables.iter().map(|row| row.text(0)).collect::<Result<Vec<_>, _>>()?;
    super::super::restore::is_fresh(conn, &tables).await
}
