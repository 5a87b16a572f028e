use fanway_types::{DeliveryId, Direction, MessageId, SecretKey, Timestamp};

use super::{DataKey, Error, KeyId, OVERHEAD, Of, Ring, WrappingKey};
use crate::params::Encryption;

const DAY: u64 = 24 * 3600 * 1000;
const SECRET: &[u8] = b"4111 1111 1111 1111";

fn key(byte: u8) -> SecretKey {
    SecretKey::new([byte; SecretKey::SIZE])
}

fn data_key() -> DataKey {
    DataKey::new(7, Timestamp::default(), &key(1))
}

fn ring() -> Ring {
    let ring = Ring::new(&Encryption {
        seals: Some(key(2)),
        opens: Vec::new(),
    });
    ring.add(7, Timestamp::default(), &key(1));
    ring.seal_by(7);
    ring
}

fn message(byte: u8) -> MessageId {
    MessageId::from_bytes([byte; 16])
}

#[test]
fn what_is_sealed_opens_as_what_it_was_sealed_as_and_as_nothing_else() {
    let first = DeliveryId::first(message(1), 0);
    let places = [
        Of::Head(message(1)),
        Of::Body(message(1)),
        Of::Body(message(2)),
        Of::Callback(message(1)),
        Of::Fingerprint(message(1)),
        Of::Detail(first),
        Of::Detail(DeliveryId { step: 1, ..first }),
        Of::Detail(DeliveryId { item: 1, ..first }),
        Of::Detail(DeliveryId { run: 1, ..first }),
        Of::Detail(DeliveryId {
            direction: Direction::Undo,
            ..first
        }),
        Of::Edit(first),
    ];
    let ring = ring();
    for sealed_as in places {
        let sealed = data_key().seal(sealed_as, SECRET);
        for opened_as in places {
            let expected = if opened_as == sealed_as {
                Ok(SECRET.to_vec())
            } else {
                Err(Error::Changed(7))
            };
            assert_eq!(
                ring.open(opened_as, &sealed),
                expected,
                "{sealed_as:?} as {opened_as:?}"
            );
        }
    }
}

#[test]
fn any_change_is_noticed() {
    let of = Of::Body(message(1));
    let sealed = data_key().seal(of, SECRET);
    assert_eq!(sealed.len(), SECRET.len() + OVERHEAD);
    for place in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[place] ^= 1;
        assert!(ring().open(of, &changed).is_err(), "byte {place}");
        assert!(ring().open(of, &sealed[..place]).is_err(), "cut at {place}");
    }
}

#[test]
fn the_same_is_never_sealed_alike() {
    let of = Of::Body(message(1));
    let key = data_key();
    assert_ne!(key.seal(of, SECRET), key.seal(of, SECRET));
}

#[test]
fn nothing_of_what_is_sealed_shows() {
    let sealed = data_key().seal(Of::Body(message(1)), SECRET);
    assert!(
        !sealed
            .windows(4)
            .any(|part| SECRET.windows(4).any(|of| of == part))
    );
}

#[test]
fn an_unknown_data_key_is_named() {
    let of = Of::Body(message(1));
    let sealed = DataKey::new(8, Timestamp::default(), &key(1)).seal(of, SECRET);
    assert_eq!(ring().open(of, &sealed), Err(Error::NoDataKey(8)));
    assert_eq!(Ring::default().open(of, &sealed), Err(Error::NoDataKey(8)));
}

#[test]
fn a_data_key_unwraps_by_its_number_and_its_wrapping_key_alone() {
    let wrapping = WrappingKey::new(&key(2));
    let wrapped = wrapping.wrap(7, &key(1));
    assert_eq!(wrapping.unwrap(7, &wrapped), Ok(key(1)));
    assert_eq!(wrapping.unwrap(8, &wrapped), Err(Error::DataKey(8)));
    let other = WrappingKey::new(&key(3));
    assert_eq!(other.unwrap(7, &wrapped), Err(Error::DataKey(7)));
}

#[test]
fn a_keys_id_stays_the_same_over_releases() {
    // Data folders name the keys that they need by it.
    assert_eq!(KeyId::of(&key(2)).to_string(), "19aab91644901d95");
}

#[test]
fn a_data_key_seals_for_a_day() {
    let ring = ring();
    assert!(!ring.wants_data_key(Timestamp::from_millis(DAY - 1)));
    assert!(ring.wants_data_key(Timestamp::from_millis(DAY)));
    assert!(!Ring::default().wants_data_key(Timestamp::from_millis(DAY)));
}
