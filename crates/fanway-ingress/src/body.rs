//! Reading a body: bounded in size, in time, and by the memory that all messages share.
//!
//! Memory is reserved before it is used: for a declared length at once, otherwise as the body
//! grows. A small body that is a part of a connection's read buffer is copied out of it, since it would otherwise
//! keep many times its own size alive without its being counted; the copy costs 20 ns for 1 KiB.

use std::fmt::Display;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::timeout;

use fanway_types::{ByteCount, MemoryBudget, Reservation};

use crate::params::Limits;
use crate::problem::{Kind, Problem};

/// From this size on a body that arrives in one piece is taken as it is, as one in memory of its own is: it fills at
/// least half of the read buffer that it is a part of.
const WORTH_SHARING: usize = 16 * 1024;

/// The most that is read of a refused body, so that the sender sees the refusal and can go on.
const DISCARDED: u64 = 64 * 1024;

/// The longest that a refused body is waited for.
const DISCARD_TIME: Duration = Duration::from_secs(1);

/// When it is worth another try where memory is short.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A whole body, and the memory that is reserved for it.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) bytes: Bytes,
    pub(crate) reservation: Reservation,
}

/// Reads `body` to its end. `head` is the size of what is kept beside it, and is reserved too.
///
/// # Errors
/// [`Kind::BodyTooLarge`], [`Kind::MemoryFull`], [`Kind::BodyTimeout`], [`Kind::BodyBroken`].
pub(crate) async fn read<B>(
    body: B,
    head: ByteCount,
    limits: &Limits,
    budget: &MemoryBudget,
) -> Result<Whole, Problem>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Display,
{
    let declared = body.size_hint().exact().unwrap_or(0);
    check_size(ByteCount::new(declared).as_usize(), limits.max_body)?;
    let size = ByteCount::new(head.get() + declared);
    let reservation = budget.try_reserve(size).ok_or_else(memory_full)?;
    if body.is_end_stream() {
        let bytes = Bytes::new();
        return Ok(Whole { bytes, reservation });
    }
    let room = Room {
        reserved: ByteCount::new(declared).as_usize(),
        reservation,
        limit: limits.max_body,
    };
    let mut gathering = pin!(gather(body, room));
    // What is there already needs no timer.
    let gathered = match gathering.as_mut().now_or_never() {
        Some(gathered) => gathered,
        None => timeout(limits.body_timeout, gathering)
            .await
            .unwrap_or_else(|_| Err(Kind::BodyTimeout.into())),
    };
    let mut whole = gathered?;
    let size = ByteCount::new(head.get() + whole.bytes.len() as u64);
    whole.reservation.shrink_to(size);
    Ok(whole)
}

/// Reads on for a little while a body that is refused, so that the connection can go on.
pub(crate) async fn discard<B>(mut body: B)
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Display,
{
    let read_on = async {
        let mut left = DISCARDED.checked_sub(body.size_hint().lower())?;
        while let Ok(Some(data)) = next_data(&mut body).await {
            left = left.checked_sub(data.len() as u64)?;
        }
        Some(())
    };
    // Whatever it comes to, the answer is the refusal.
    let _outcome = timeout(DISCARD_TIME, read_on).await;
}

async fn gather<B>(mut body: B, mut room: Room) -> Result<Whole, Problem>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Display,
{
    let mut gathered = Vec::new();
    while let Some(data) = next_data(&mut body).await? {
        let ends = body.is_end_stream();
        let is_own = data.len() >= WORTH_SHARING || data.is_unique();
        if ends && gathered.is_empty() && is_own {
            room.make(data.len())?;
            return Ok(room.into_whole(data));
        }
        let size = room.make(gathered.len() + data.len())?;
        if gathered.capacity() < size {
            gathered.reserve_exact(size - gathered.len());
        }
        gathered.extend_from_slice(&data);
        if ends {
            break;
        }
    }
    gathered.shrink_to_fit();
    Ok(room.into_whole(Bytes::from(gathered)))
}

/// The next piece of a body, or `None` at its end. Trailers are passed over.
async fn next_data<B>(body: &mut B) -> Result<Option<Bytes>, Problem>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Display,
{
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Problem::new(Kind::BodyBroken, error.to_string()))?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// The memory that is reserved for a body while it grows.
struct Room {
    reserved: usize,
    reservation: Reservation,
    limit: ByteCount,
}

impl Room {
    /// Makes room for `size` bytes at least; returns for how many there is. Grows by doubling, so
    /// that a body that arrives in crumbs isn't moved for each of them.
    fn make(&mut self, size: usize) -> Result<usize, Problem> {
        check_size(size, self.limit)?;
        if size > self.reserved {
            let doubled = self.reserved.saturating_mul(2);
            let target = size.max(doubled).min(self.limit.as_usize());
            let missing = ByteCount::new((target - self.reserved) as u64);
            if !self.reservation.try_grow(missing) {
                return Err(memory_full());
            }
            self.reserved = target;
        }
        Ok(self.reserved)
    }

    fn into_whole(self, bytes: Bytes) -> Whole {
        let reservation = self.reservation;
        Whole { bytes, reservation }
    }
}

/// Refuses a body of more than `limit`.
pub(crate) fn check_size(size: usize, limit: ByteCount) -> Result<(), Problem> {
    if size <= limit.as_usize() {
        return Ok(());
    }
    let detail = format!("it is more than {limit}");
    Err(Problem::new(Kind::BodyTooLarge, detail))
}

fn memory_full() -> Problem {
    Problem::from(Kind::MemoryFull).retry_after(RETRY_AFTER)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::Full;

    use fanway_types::{ByteCount, MemoryBudget};

    use super::{WORTH_SHARING, read};
    use crate::params::Limits;

    /// Whether a body of `size` bytes that arrives in one piece is taken without a copy.
    async fn check_shared(size: usize, expected: bool) {
        let sent = Bytes::from(vec![7; size]);
        let budget = MemoryBudget::new(ByteCount::mib(1));
        let (body, head) = (Full::new(sent.clone()), ByteCount::new(10));
        let whole = read(body, head, &Limits::default(), &budget)
            .await
            .expect("there is room");
        assert_eq!(whole.bytes, sent);
        assert_eq!(whole.bytes.as_ptr() == sent.as_ptr(), expected, "{size}");
        assert_eq!(budget.used(), ByteCount::new(10 + size as u64));
    }

    #[tokio::test]
    async fn a_body_in_one_piece_is_copied_only_where_it_is_small() {
        check_shared(1024, false).await;
        check_shared(WORTH_SHARING, true).await;
    }
}
