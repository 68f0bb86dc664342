//! The four kinds of column, and rows of them.

use super::StoreError;

/// One value of a row or a parameter.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// NULL.
    Null,
    /// Ids, times, counts, booleans.
    Int(i64),
    /// Text without NUL.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl From<i64> for Value {
    fn from(v: i64) -> Self {
        Self::Int(v)
    }
}

impl From<bool> for Value {
    fn from(v: bool) -> Self {
        Self::Int(i64::from(v))
    }
}

impl From<&str> for Value {
    fn from(v: &str) -> Self {
        // PostgreSQL refuses NUL in text; no text of ours needs it.
        Self::Text(v.replace('\0', ""))
    }
}

impl From<&String> for Value {
    fn from(v: &String) -> Self {
        v.as_str().into()
    }
}

impl From<String> for Value {
    fn from(v: String) -> Self {
        v.as_str().into()
    }
}

impl From<Vec<u8>> for Value {
    fn from(v: Vec<u8>) -> Self {
        Self::Bytes(v)
    }
}

impl From<&[u8]> for Value {
    fn from(v: &[u8]) -> Self {
        Self::Bytes(v.to_vec())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(v: Option<T>) -> Self {
        v.map_or(Self::Null, Into::into)
    }
}

macro_rules! from_id {
    ($($t:ident),+) => { $(impl From<crate::model::$t> for Value { fn from(v: crate::model::$t) -> Self { Self::Int(v.0) } })+ };
}
from_id!(InboxId, OutboxId, TicketId, MessageId, PersonId, MailboxId, EndpointId, DeliveryId);

/// One row, read by column number.
#[derive(Clone, Debug)]
pub(super) struct Row(pub(super) Vec<Value>);

impl Row {
    fn at(&self, i: usize) -> Result<&Value, StoreError> {
        self.0.get(i).ok_or_else(|| StoreError::Corrupt(format!("column {i} is missing")))
    }

    /// An integer.
    pub(super) fn int(&self, i: usize) -> Result<i64, StoreError> {
        self.opt_int(i)?.ok_or_else(|| StoreError::Corrupt(format!("column {i} is NULL")))
    }

    /// An integer or NULL.
    pub(super) fn opt_int(&self, i: usize) -> Result<Option<i64>, StoreError> {
        match self.at(i)? {
            Value::Int(v) => Ok(Some(*v)),
            Value::Null => Ok(None),
            _ => Err(StoreError::Corrupt(format!("column {i} is no integer"))),
        }
    }

    /// A boolean.
    pub(super) fn flag(&self, i: usize) -> Result<bool, StoreError> {
        Ok(self.int(i)? != 0)
    }

    /// Text.
    pub(super) fn text(&self, i: usize) -> Result<String, StoreError> {
        self.opt_text(i)?.ok_or_else(|| StoreError::Corrupt(format!("column {i} is NULL")))
    }

    /// Text or NULL.
    pub(super) fn opt_text(&self, i: usize) -> Result<Option<String>, StoreError> {
        match self.at(i)? {
            Value::Text(v) => Ok(Some(v.clone())),
            Value::Null => Ok(None),
            _ => Err(StoreError::Corrupt(format!("column {i} is no text"))),
        }
    }

    /// Bytes or NULL.
    pub(super) fn opt_bytes(&self, i: usize) -> Result<Option<Vec<u8>>, StoreError> {
        match self.at(i)? {
            Value::Bytes(v) => Ok(Some(v.clone())),
            Value::Null => Ok(None),
            _ => Err(StoreError::Corrupt(format!("column {i} is no bytes"))),
        }
    }

    /// Bytes.
    pub(super) fn bytes(&self, i: usize) -> Result<Vec<u8>, StoreError> {
        self.opt_bytes(i)?.ok_or_else(|| StoreError::Corrupt(format!("column {i} is NULL")))
    }

    /// A word of a closed list.
    pub(super) fn word<T>(&self, i: usize, of: fn(&str) -> Option<T>) -> Result<T, StoreError> {
        let word = self.text(i)?;
        of(&word).ok_or_else(|| StoreError::Corrupt(format!("unknown word {word:?} in column {i}")))
    }

    /// A JSON value.
    pub(super) fn json<T: serde::de::DeserializeOwned>(&self, i: usize) -> Result<T, StoreError> {
        serde_json::from_str(&self.text(i)?).map_err(|e| StoreError::Corrupt(format!("column {i} is no such JSON: {e}")))
    }
}

/// A JSON text of ours.
pub(super) fn json<T: serde::Serialize>(value: &T) -> Result<Value, StoreError> {
    serde_json::to_string(value).map(Value::from).map_err(|e| StoreError::Corrupt(e.to_string()))
}
