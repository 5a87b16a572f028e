//! The durable form of records: what the journal's bytes mean.
//!
//! A record is a kind (one byte) and fields up to its end. A field is a tag (one byte), the
//! length of its value (LEB128), and the value. Integers of fixed width are little endian, text
//! is UTF-8.
//!
//! Formats are extended by adding fields, never by changing one. A tag with its highest bit set
//! is *required*: a release that doesn't know it must not go on, since it would misread the
//! record. Without the bit the field is optional: it is passed over here, and kept where the
//! record's own bytes are kept, as the ledger does with a message's head. An unknown kind is
//! refused.
//!
//! Kind 1, a message; the body comes last, so that all before it is the *head*:
//!
//! | tag | field | value |
//! |---|---|---|
//! | `0x81` | id | 16 bytes |
//! | `0x82` | route | text |
//! | `0x83` | plan | 16 bytes, the plan's hash |
//! | `0x84` | method | text |
//! | `0x85` | path | text |
//! | `0x06` | query | text |
//! | `0x07` | params | for each: name and value, each with its length (LEB128) before it |
//! | `0x08` | headers | the block of `fanway_types::Headers` |
//! | `0x13` | idempotency key | scope's kind (u8: 0 route), scope's name with its length (LEB128) before it, key |
//! | `0x14` | request fingerprint | 16 bytes |
//! | `0x15` | the key is forgotten | u64, ms |
//! | `0x96` | expiry | u64, ms |
//! | `0x95` | not before | u64, ms |
//! | `0x1a` | callback | text, a URL |
//! | `0x97` | order keys | for each: step (u16) and key (16) |
//! | `0x98` | sealed fields | the fields `0x85` to `0x08`, `0x13` to `0x15` and `0x1a`, sealed as one value: then they aren't there in the open, and the body is a sealed value too |
//! | `0x8f` | body | bytes |
//!
//! What a sealed value is stands in `seal.rs`. Kept free for what is to come: `0x10` sender,
//! `0x11` trace context, `0x12` source, `0x99` content encoding of the stored body.
//!
//! Kind 2, an outcome:
//!
//! | tag | field | value |
//! |---|---|---|
//! | `0x81` | delivery | message (16), step (u16); then, unless all are zero, item (u32), run (u16), direction (u8) |
//! | `0x82` | verdict | at (u64, ms), code (u8), for a code of 64 and more: due (u64, ms) |
//! | `0x03` | progress | attempts, used, spent in ms: LEB128 each |
//! | `0x04` | status | u16 |
//! | `0x05` | detail | text |
//! | `0x85` | the same, sealed | bytes |
//! | `0x87` | the target that has it from now on | text, its name |
//!
//! Kind 3, a plan: `0x81` its JSON.
//!
//! Kind 4, a redrive: `0x81` the old delivery, `0x82` the new one (both as above), `0x83` the
//! hash of its plan, `0x84` its step there (u16), `0x85` when it is due (u64, ms), `0x86` the
//! delivery whose id is its key (without it, its own), `0x08` the job that it is part of (16),
//! `0x07` an edited body's media type, `0x8f` the edited body, `0x98` the same, sealed.
//!
//! Kind 5, a discard: `0x81` the dead delivery, `0x82` when (u64, ms), `0x03` why (text).
//!
//! Kind 6, a message called off: `0x81` its id (16), `0x82` when (u64, ms).
//!
//! Kind 7, a job: `0x81` its JSON.
//!
//! Kind 8, what an operator has set for a target: `0x81` its JSON, `0x82` the target's name.
//!
//! Kind 9, an audit record: `0x81` its JSON.
//!
//! Kind 10, what isn't well with a target: `0x81` its JSON, `0x82` the target's name.

mod fields;
mod read;
mod write;

pub use fields::Damage;
pub(crate) use fields::{put_varint, take_varint};
pub(crate) use read::{order_key, read, read_head, read_message, sealed_head};
pub(crate) use write::{has_content, message_head, size, write};

/// Bytes of an order key with its step.
const ORDER_SIZE: usize = 2 + 16;

/// Tags of fields; see the tables above.
mod tag {
    pub(super) const REQUIRED: u8 = 0x80;

    pub(super) const ID: u8 = 0x81;
    pub(super) const ROUTE: u8 = 0x82;
    pub(super) const PLAN: u8 = 0x83;
    pub(super) const METHOD: u8 = 0x84;
    pub(super) const PATH: u8 = 0x85;
    pub(super) const QUERY: u8 = 0x06;
    pub(super) const PARAMS: u8 = 0x07;
    pub(super) const HEADERS: u8 = 0x08;
    pub(super) const KEY: u8 = 0x13;
    pub(super) const FINGERPRINT: u8 = 0x14;
    pub(super) const KEY_UNTIL: u8 = 0x15;
    pub(super) const NOT_BEFORE: u8 = 0x95;
    pub(super) const EXPIRES: u8 = 0x96;
    pub(super) const ORDER: u8 = 0x97;
    pub(super) const CALLBACK: u8 = 0x1a;
    pub(super) const SEALED: u8 = 0x98;
    pub(super) const BODY: u8 = 0x8f;

    pub(super) const DELIVERY: u8 = 0x81;
    pub(super) const VERDICT: u8 = 0x82;
    pub(super) const PROGRESS: u8 = 0x03;
    pub(super) const STATUS: u8 = 0x04;
    pub(super) const DETAIL: u8 = 0x05;
    pub(super) const SEALED_DETAIL: u8 = 0x85;
    pub(super) const FALLBACK: u8 = 0x87;

    pub(super) const JSON: u8 = 0x81;

    pub(super) const NEW_DELIVERY: u8 = 0x82;
    pub(super) const NEW_PLAN: u8 = 0x83;
    pub(super) const NEW_STEP: u8 = 0x84;
    pub(super) const DUE: u8 = 0x85;
    pub(super) const KEY_OF: u8 = 0x86;
    pub(super) const OF_JOB: u8 = 0x08;
    pub(super) const CONTENT_TYPE: u8 = 0x07;

    pub(super) const AT: u8 = 0x82;
    pub(super) const REASON: u8 = 0x03;

    pub(super) const TARGET: u8 = 0x82;
}

/// Kinds of records; see above.
mod kind {
    pub(super) const MESSAGE: u8 = 1;
    pub(super) const OUTCOME: u8 = 2;
    pub(super) const PLAN: u8 = 3;
    pub(super) const REDRIVE: u8 = 4;
    pub(super) const DISCARD: u8 = 5;
    pub(super) const CANCEL: u8 = 6;
    pub(super) const JOB: u8 = 7;
    pub(super) const CONTROL: u8 = 8;
    pub(super) const AUDIT: u8 = 9;
    pub(super) const TROUBLE: u8 = 10;
}

/// Kinds of scopes of idempotency keys.
mod scope {
    pub(super) const ROUTE: u8 = 0;
}

/// Codes of verdicts. From [`AGAIN`](verdict::AGAIN) on a due time follows.
mod verdict {
    use fanway_types::{AgainCause, DeadReason, End, Verdict};

    const AGAIN: u8 = 64;

    const CODES: [(u8, Verdict); 10] = [
        (0, Verdict::Ended(End::Delivered)),
        (1, Verdict::Ended(End::Skipped)),
        (2, Verdict::Ended(End::Cancelled)),
        (8, Verdict::Ended(End::Dead(DeadReason::Refused))),
        (9, Verdict::Ended(End::Dead(DeadReason::Exhausted))),
        (10, Verdict::Ended(End::Dead(DeadReason::Expression))),
        (11, Verdict::Ended(End::Dead(DeadReason::Crash))),
        (12, Verdict::Ended(End::Dead(DeadReason::Expired))),
        (13, Verdict::Ended(End::Dead(DeadReason::Order))),
        (14, Verdict::Ended(End::Dead(DeadReason::Egress))),
    ];

    const CAUSES: [(u8, AgainCause); 4] = [
        (AGAIN, AgainCause::Failed),
        (AGAIN + 1, AgainCause::Pushback),
        (AGAIN + 2, AgainCause::Probe),
        (AGAIN + 3, AgainCause::Fallback),
    ];

    pub(super) fn code(verdict: Verdict) -> u8 {
        let found = match verdict {
            Verdict::Ended(_) => CODES
                .iter()
                .find(|(_, known)| *known == verdict)
                .map(|(code, _)| *code),
            Verdict::Again { cause, .. } => CAUSES
                .iter()
                .find(|(_, known)| *known == cause)
                .map(|(code, _)| *code),
        };
        found.expect("every verdict has a code: a test counts them")
    }

    pub(super) fn has_due(code: u8) -> bool {
        code >= AGAIN
    }

    pub(super) fn ended(code: u8) -> Option<Verdict> {
        CODES
            .iter()
            .find(|(known, _)| *known == code)
            .map(|(_, verdict)| *verdict)
    }

    pub(super) fn cause(code: u8) -> Option<AgainCause> {
        CAUSES
            .iter()
            .find(|(known, _)| *known == code)
            .map(|(_, cause)| *cause)
    }
}

#[cfg(test)]
mod tests;
