//! Large bodies in a database that several processes share: parts of 1 MiB.

use super::StoreError;
use super::conn::Conn;

/// Octets of a part.
const PART: usize = 1 << 20;

/// Writes the parts of a body.
pub(super) async fn insert(conn: &mut Conn<'_>, sha: &[u8], body: &[u8]) -> Result<(), StoreError> {
    for (n, part) in (0_i64..).zip(body.chunks(PART)) {
        let sql = "INSERT INTO blob_part(sha, n, body) VALUES ($1, $2, $3) ON CONFLICT(sha, n) DO NOTHING";
        conn.exec(sql, vec![sha.into(), n.into(), part.into()]).await?;
    }
    Ok(())
}

/// The body that parts make.
pub(super) async fn read(conn: &mut Conn<'_>, sha: &[u8]) -> Result<Vec<u8>, StoreError> {
    let mut body = Vec::new();
    for row in conn.all("SELECT body FROM blob_part WHERE sha = $1 ORDER BY n", vec![sha.into()]).await? {
        body.extend(row.bytes(0)?);
    }
    Ok(body)
}
