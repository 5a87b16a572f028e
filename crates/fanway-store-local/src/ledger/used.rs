//! What is sealed in a ledger: by which data keys, and whether all of it opens.

use std::collections::BTreeMap;

use bytes::Bytes;
use fanway_types::{DeliveryId, MessageId};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use super::{Error, row};
use crate::codec;
use crate::seal::{self, Of, Ring};

/// Sealed values besides heads and bodies, each behind its message, and before the rest of its
/// delivery where it is of one.
const VALUES: [(&str, Kind); 4] = [
    (
        "SELECT id, callback FROM messages WHERE typeof(callback) = 'blob'",
        Kind::Callback,
    ),
    (
        "SELECT message, fingerprint FROM keys WHERE length(fingerprint) <> 16",
        Kind::Fingerprint,
    ),
    (
        "SELECT m.id, d.detail, d.step, d.item, d.run FROM deliveries d
         JOIN messages m ON m.seq = d.seq WHERE typeof(d.detail) = 'blob'",
        Kind::Detail,
    ),
    (
        "SELECT m.id, e.body, e.step, e.item, e.run FROM edits e
         JOIN messages m ON m.seq = e.seq WHERE e.sealed = 1",
        Kind::Edit,
    ),
];

#[derive(Clone, Copy)]
enum Kind {
    Callback,
    Fingerprint,
    Detail,
    Edit,
}

impl Kind {
    fn of(self, row: &Row<'_>) -> Result<Of, Error> {
        let message = MessageId::from_bytes(row.get(0)?);
        let delivery = || -> Result<DeliveryId, Error> { row::delivery(row, message, 2) };
        Ok(match self {
            Self::Callback => Of::Callback(message),
            Self::Fingerprint => Of::Fingerprint(message),
            Self::Detail => Of::Detail(delivery()?),
            Self::Edit => Of::Edit(delivery()?),
        })
    }
}

/// Looks at every sealed value.
fn each(
    connection: &Connection,
    mut look: impl FnMut(Of, &[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut statement = connection.prepare("SELECT id, head, body FROM messages")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let id = MessageId::from_bytes(row.get(0)?);
        let head = Bytes::from(row.get::<_, Vec<u8>>(1)?);
        let Some(sealed) = codec::sealed_head(&head)? else {
            continue;
        };
        look(Of::Head(id), &sealed)?;
        if let ValueRef::Blob(body) = row.get_ref(2)? {
            look(Of::Body(id), body)?;
        }
    }
    for (sql, kind) in VALUES {
        let mut statement = connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let value = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
            look(kind.of(row)?, value)?;
        }
    }
    Ok(())
}

/// How many values each data key has sealed that are there.
pub(super) fn count(connection: &Connection) -> Result<BTreeMap<u32, u64>, Error> {
    let mut used = BTreeMap::new();
    each(connection, |_, sealed| {
        *used.entry(seal::sealed_by(sealed)?).or_default() += 1;
        Ok(())
    })?;
    Ok(used)
}

/// How many sealed values there are, and how many of them don't open.
pub(super) fn try_all(connection: &Connection, ring: &Ring) -> Result<(u64, u64), Error> {
    let (mut all, mut shut) = (0, 0);
    each(connection, |of, sealed| {
        all += 1;
        shut += u64::from(ring.open(of, sealed).is_err());
        Ok(())
    })?;
    Ok((all, shut))
}
