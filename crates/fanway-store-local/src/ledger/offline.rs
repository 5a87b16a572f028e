//! The ledger in the data folder of a server that isn't running: what a tool asks of it and does to
//! it. Whoever asks has seen to it that no server runs.

use std::path::Path;

use bytes::Bytes;
use fanway_store::lookup::MessageView;
use fanway_types::{Message, MessageId};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use super::data_keys::{self, DataKeyInfo};
use super::{Error, Plans, find, open_writer, schema, used};
use crate::codec::{read_head, read_message};
use crate::params::Encryption;
use crate::seal::Ring;

/// The schema that has data keys.
const HAS_DATA_KEYS: usize = 4;

/// What [`try_keys`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Sealed values.
    pub values: u64,
    /// Those of them that don't open.
    pub shut: u64,
}

/// A message that hasn't ended, or whose request is kept.
#[derive(Debug)]
pub struct Kept {
    /// What is known of it.
    pub view: MessageView,
    /// The message; its body is empty where that isn't kept.
    pub message: Message,
    /// Whether its body is kept.
    pub has_body: bool,
}

/// Opens a ledger to read it; `None` where its schema is from before there was anything sealed.
fn open(path: &Path) -> Result<Option<Connection>, Error> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.pragma_update(None, "query_only", true)?;
    let version = schema::version(&connection, path)?;
    Ok((version >= HAS_DATA_KEYS).then_some(connection))
}

/// The data keys of a ledger. No key is needed to see them.
///
/// # Errors
/// Where it can't be read, or a later release made it.
pub fn data_keys(path: &Path) -> Result<Vec<DataKeyInfo>, Error> {
    match open(path)? {
        Some(connection) => data_keys::list(&connection),
        None => Ok(Vec::new()),
    }
}

/// Tries to open everything that is sealed. Changes nothing.
///
/// # Errors
/// Where the ledger can't be read, or a data key is wrapped by a key that isn't given.
pub fn try_keys(path: &Path, encryption: &Encryption) -> Result<Sealed, Error> {
    let Some(connection) = open(path)? else {
        return Ok(Sealed { values: 0, shut: 0 });
    };
    let ring = data_keys::ring(&connection, encryption)?;
    let (values, shut) = used::try_all(&connection, &ring)?;
    Ok(Sealed { values, shut })
}

/// Wraps every data key by the first of the keys, as a start would; returns how many were wrapped
/// by others. Nothing is sealed anew.
///
/// # Errors
/// Where the ledger can't be read or written, or a data key is wrapped by a key that isn't given.
pub fn rewrap(path: &Path, encryption: &Encryption) -> Result<usize, Error> {
    let mut connection = open_writer(path)?;
    let ring = data_keys::ring(&connection, encryption)?;
    data_keys::rewrap(&mut connection, &ring)
}

/// Gives every message that is kept, or only one, in the order of acceptance, with what is sealed
/// of it opened. `each` says whether it wants more. Changes nothing.
///
/// # Errors
/// Where the ledger is of an earlier release or can't be read, or something in it doesn't open.
pub fn export(
    path: &Path,
    encryption: &Encryption,
    only: Option<MessageId>,
    mut each: impl FnMut(Kept) -> bool,
) -> Result<(), Error> {
    let connection = open(path)?.ok_or(Error::Older)?;
    let ring = data_keys::ring(&connection, encryption)?;
    let mut plans = Plans::default();
    let mut statement = connection.prepare(
        "SELECT seq, plan, head, body FROM messages WHERE ?1 IS NULL OR id = ?1 ORDER BY seq",
    )?;
    let mut rows = statement.query([only.map(MessageId::to_bytes)])?;
    while let Some(row) = rows.next()? {
        let head = Bytes::from(row.get::<_, Vec<u8>>(2)?);
        let body = match row.get_ref(3)? {
            ValueRef::Blob(body) => Some(Bytes::copy_from_slice(body)),
            _ => None,
        };
        let has_body = body.is_some();
        let message = read(&head, body, &ring)?;
        let plan = plans.by_number(&connection, row.get(1)?)?;
        let view = find::view(&connection, &ring, row.get(0)?, message.id, &plan)?;
        let wants_more = each(Kept {
            view,
            message,
            has_body,
        });
        if !wants_more {
            break;
        }
    }
    Ok(())
}

fn read(head: &Bytes, body: Option<Bytes>, ring: &Ring) -> Result<Message, Error> {
    Ok(match body {
        Some(body) => read_message(head, Some(body), ring)?,
        None => read_head(head, ring)?,
    })
}
