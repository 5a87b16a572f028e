//! Crockford's base 32 for 128-bit numbers: 26 characters whose text order is the numbers' order.
//!
//! The alphabet leaves out `i`, `l`, `o` and `u`, so that an id read aloud or copied by hand
//! stays itself. Lower case only: one id has one spelling.

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Characters that 128 bits take; the first carries only three of them.
pub(crate) const LENGTH: usize = 26;

/// Characters that one step of [`encode`] writes: as many as 64 bits hold whole.
const STRIDE: usize = 12;

/// Writes `value`, most significant character first.
pub(crate) fn encode(value: u128) -> [u8; LENGTH] {
    let mut text = [0; LENGTH];
    let mut rest = value;
    // 64 bits at a time: shifting 128 for each character takes thrice as long.
    for part in text.rchunks_mut(STRIDE) {
        let mut low = lower_half(rest);
        rest >>= 5 * STRIDE;
        for place in part.iter_mut().rev() {
            *place = ALPHABET[(low & 31) as usize];
            low >>= 5;
        }
    }
    text
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the upper half is left out"
)]
fn lower_half(value: u128) -> u64 {
    value as u64
}

/// Reads what [`encode`] wrote; `None` for any other text.
pub(crate) fn decode(text: &[u8]) -> Option<u128> {
    // A first character above 7 would not fit into 128 bits.
    if text.len() != LENGTH || text[0] > b'7' {
        return None;
    }
    text.iter().try_fold(0u128, |value, character| {
        let digit = ALPHABET
            .iter()
            .position(|candidate| candidate == character)?;
        Some((value << 5) | digit as u128)
    })
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[test]
    fn every_value_survives_the_way_there_and_back() {
        for value in [0, 1, 31, 32, u128::from(u64::MAX), u128::MAX] {
            assert_eq!(decode(&encode(value)), Some(value));
        }
    }

    #[test]
    fn text_order_is_number_order() {
        let values = [0, 9, 10, 1 << 40, 1 << 80, u128::MAX];
        assert!(values.map(encode).is_sorted());
    }

    #[test]
    fn foreign_letters_and_lengths_are_refused() {
        assert_eq!(decode(b"0000000000000000000000000i"), None);
        assert_eq!(decode(b"0000000000000000000000000A"), None);
        assert_eq!(decode(b"80000000000000000000000000"), None);
        assert_eq!(decode(b"0"), None);
    }
}
