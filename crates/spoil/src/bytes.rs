use proptest::{prelude::*, sample::Index};

/// The most edits of one input.
const EDITS: usize = 5;
/// The longest input made of random bytes alone.
const RANDOM: usize = 300;

/// One way to damage bytes. Places are taken relative to the length.
#[derive(Clone, Debug)]
enum Edit {
    Flip(Index, u8),
    Set(Index, u8),
    Cut(Index, usize),
    Truncate(Index),
    Insert(Index, Vec<u8>),
    Repeat(Index, usize, usize),
    Copy(Index, Index, usize),
    Splice(Index, Index),
    /// A length of DER: so many bytes of length, all alike.
    Length(Index, u8, u8),
    /// Digits, as numbers and dates have them.
    Digits(Index, usize, u8),
}

/// Random bytes, and `samples` with a few edits, some of them undamaged.
///
/// # Panics
/// Without samples.
pub fn bytes(samples: Vec<Vec<u8>>) -> BoxedStrategy<Vec<u8>> {
    assert!(!samples.is_empty(), "there is nothing to spoil");
    let other = prop::sample::select(samples.clone());
    let spoilt = (prop::sample::select(samples), other, prop::collection::vec(edit(), 0..EDITS))
        .prop_map(|(sample, other, edits)| edits.iter().fold(sample, |bytes, edit| edit.apply(bytes, &other)));
    prop_oneof![1 => prop::collection::vec(any::<u8>(), 0..RANDOM), 7 => spoilt].boxed()
}

fn edit() -> impl Strategy<Value = Edit> {
    // Bytes that mean something: of DER, of text, and at the ends of the ranges.
    let telling = prop::sample::select(
        b"\x00\x01\x02\x03\x04\x05\x06\x0c\x13\x17\x18\x30\x31\x7f\x80\x81\x82\x84\x88\xa0\xa3\xfe\xff\"{}[]<>&;,:=-. \n".to_vec(),
    );
    let byte = prop_oneof![telling, any::<u8>()];
    prop_oneof![
        3 => (any::<Index>(), any::<u8>()).prop_map(|(at, mask)| Edit::Flip(at, mask)),
        3 => (any::<Index>(), byte.clone()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        2 => (any::<Index>(), 1..64_usize).prop_map(|(at, length)| Edit::Cut(at, length)),
        1 => any::<Index>().prop_map(Edit::Truncate),
        2 => (any::<Index>(), prop::collection::vec(byte, 1..24)).prop_map(|(at, more)| Edit::Insert(at, more)),
        1 => (any::<Index>(), 1..48_usize, 2..200_usize).prop_map(|(at, length, times)| Edit::Repeat(at, length, times)),
        1 => (any::<Index>(), any::<Index>(), 1..64_usize).prop_map(|(from, to, length)| Edit::Copy(from, to, length)),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(at, from)| Edit::Splice(at, from)),
        2 => (any::<Index>(), 0x80..0x8a_u8, any::<u8>()).prop_map(|(at, count, value)| Edit::Length(at, count, value)),
        1 => (any::<Index>(), 1..40_usize, b'0'..=b'9').prop_map(|(at, count, digit)| Edit::Digits(at, count, digit)),
    ]
}

impl Edit {
    fn apply(&self, mut bytes: Vec<u8>, other: &[u8]) -> Vec<u8> {
        let length = bytes.len();
        let place = |index: &Index| index.index(length + 1);
        let range = |index: &Index, count: usize| place(index)..(place(index) + count).min(length);
        match self {
            Self::Flip(at, mask) if length > 0 => bytes[at.index(length)] ^= mask,
            Self::Set(at, byte) if length > 0 => bytes[at.index(length)] = *byte,
            Self::Flip(..) | Self::Set(..) => {}
            Self::Cut(at, count) => drop(bytes.drain(range(at, *count))),
            Self::Truncate(at) => bytes.truncate(place(at)),
            Self::Insert(at, more) => drop(bytes.splice(place(at)..place(at), more.iter().copied())),
            Self::Repeat(at, count, times) => {
                let again = bytes[range(at, *count)].repeat(*times);
                bytes.splice(place(at)..place(at), again);
            }
            Self::Copy(from, to, count) => {
                let piece = bytes[range(from, *count)].to_vec();
                bytes.splice(range(to, *count), piece);
            }
            Self::Splice(at, from) => {
                bytes.truncate(place(at));
                bytes.extend_from_slice(&other[from.index(other.len() + 1)..]);
            }
            Self::Length(at, count, value) => {
                let lengths = vec![*value; usize::from(count & 0x7f)];
                bytes.splice(range(at, 1 + lengths.len()), [vec![*count], lengths].concat());
            }
            Self::Digits(at, count, digit) => drop(bytes.splice(place(at)..place(at), vec![*digit; *count])),
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_spoilt_stays_within_reach_of_the_sample(bytes in bytes(vec![vec![7; 100], vec![]])) {
            prop_assert!(bytes.len() < 100 + EDITS * 48 * 200);
        }
    }
}
