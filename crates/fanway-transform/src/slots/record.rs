//! One slot's bytes; their layout stands in `slots`.

use fanway_types::{DeliveryId, Direction, MessageId};

/// Bytes of a slot.
pub(super) const SLOT: usize = 64;

const LETTERS: &[u8; 4] = b"FWEV";
const CHECKED: usize = SLOT - 4;

/// A delivery whose evaluation runs, or has strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) delivery: DeliveryId,
    pub(super) strikes: u8,
}

impl Record {
    pub(super) fn write(self) -> [u8; SLOT] {
        let delivery = self.delivery;
        let mut bytes = [0; SLOT];
        bytes[..4].copy_from_slice(LETTERS);
        bytes[4] = self.strikes;
        bytes[5] = u8::from(delivery.direction == Direction::Undo);
        bytes[6..8].copy_from_slice(&delivery.step.to_le_bytes());
        bytes[8..12].copy_from_slice(&delivery.item.to_le_bytes());
        bytes[12..14].copy_from_slice(&delivery.run.to_le_bytes());
        bytes[16..32].copy_from_slice(&delivery.message.to_bytes());
        let checksum = crc32c::crc32c(&bytes[..CHECKED]);
        bytes[CHECKED..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads what [`write`](Self::write) gave; `None` for anything else.
    pub(super) fn read(bytes: &[u8; SLOT]) -> Option<Self> {
        if &field::<4>(bytes, 0) != LETTERS
            || u32::from_le_bytes(field(bytes, CHECKED)) != crc32c::crc32c(&bytes[..CHECKED])
        {
            return None;
        }
        let direction = match bytes[5] {
            0 => Direction::Forward,
            1 => Direction::Undo,
            _ => return None,
        };
        let delivery = DeliveryId {
            message: MessageId::from_bytes(field(bytes, 16)),
            step: u16::from_le_bytes(field(bytes, 6)),
            item: u32::from_le_bytes(field(bytes, 8)),
            run: u16::from_le_bytes(field(bytes, 12)),
            direction,
        };
        Some(Self {
            delivery,
            strikes: bytes[4],
        })
    }
}

fn field<const N: usize>(bytes: &[u8; SLOT], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
}
