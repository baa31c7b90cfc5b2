//! Search for a single flipped bit in a record that cannot be read. No power cut flips one bit of a record
//! that was whole, so a find tells damage from the torn tail of a journal.
//!
//! The reader knows how the record has to begin: with its magic and its sequence. If one bit of these is
//! wrong it is turned back; if none is, the length is tried bit by bit, and the rest by the checksum's
//! syndrome. A candidate is believed only if the second checksum agrees and the changes can be read: for
//! each bit that it has, one in four thousand million torn records meets the first checksum by chance.

use super::format::{Ops, RECORD, RECORD_MAGIC, SegmentHeader, WORD, checksum, digest};

/// Bytes of a record's head that its checksums cover.
const COVERED: usize = RECORD - 4;

/// Places in a record's head.
const LENGTH: usize = 4;
const SEQUENCE: usize = 8;
const BATCHES: usize = 16;

/// Returns true if the record at the start of `bytes`, which must have this sequence, is whole once one bit
/// is turned.
pub(crate) fn is_flipped(segment: &SegmentHeader, bytes: &[u8], sequence: u64) -> bool {
    let Some((head, rest)) = bytes.split_first_chunk::<RECORD>() else { return false };
    match wrong_bits(head, sequence)[..] {
        [] => in_length(segment, head, rest) || in_the_rest(segment, head, rest).unwrap_or(false),
        [bit] => is_record(segment, &turned(head, bit), rest),
        _ => false,
    }
}

/// The bits of magic and sequence that are not what they have to be.
fn wrong_bits(head: &[u8; RECORD], sequence: u64) -> Vec<usize> {
    let expected =
        RECORD_MAGIC.iter().copied().zip(0..).chain(sequence.to_le_bytes().into_iter().zip(SEQUENCE..));
    let wrong = expected.map(|(byte, at)| (head.get(at).copied().unwrap_or_default() ^ byte, at));
    let bits = wrong
        .flat_map(|(wrong, at)| (0..8).filter(move |bit| wrong >> bit & 1 == 1).map(move |bit| at * 8 + bit));
    bits.collect()
}

fn turned(head: &[u8; RECORD], bit: usize) -> [u8; RECORD] {
    let mut head = *head;
    if let Some(byte) = head.get_mut(bit / 8) {
        *byte ^= 1 << (bit % 8);
    }
    head
}

/// Tries each bit of the length: with the right one, everything else is as it was.
fn in_length(segment: &SegmentHeader, head: &[u8; RECORD], rest: &[u8]) -> bool {
    (LENGTH * 8..SEQUENCE * 8).any(|bit| is_record(segment, &turned(head, bit), rest))
}

/// Looks for the one bit of checksum, batches or body whose flip explains the
/// checksum. A CRC is linear: the difference between the stored and the computed one
/// depends on the place of the flipped bit alone, so the places are walked from the
/// end, and no checksum is computed anew.
fn in_the_rest(segment: &SegmentHeader, head: &[u8; RECORD], rest: &[u8]) -> Option<bool> {
    let body = body(head, rest)?;
    let (covered, stored) = head.split_last_chunk::<4>()?;
    let syndrome = u32::from_le_bytes(*stored) ^ checksum(segment, covered, body);
    if syndrome.is_power_of_two() {
        // In the checksum itself.
        return Some(is_sound(segment, head, body));
    }
    let bits = (COVERED - BATCHES + body.len()) * 8;
    let from_the_end = places().take(bits).position(|changed| changed == syndrome)?;
    let place = BATCHES * 8 + bits.checked_sub(1 + from_the_end)?;
    let Some(at) = place.checked_sub(COVERED * 8) else {
        return Some(is_sound(segment, &turned(head, place), body));
    };
    let mut body = body.to_vec();
    *body.get_mut(at / 8)? ^= 1 << (at % 8);
    Some(is_sound(segment, head, &body))
}

/// Returns the change of the checksum that each bit of a message makes, from the last bit on.
fn places() -> impl Iterator<Item = u32> {
    // The polynomial of crc32c, with its bits in the order of the wire.
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let next = |changed: &u32| Some((changed >> 1) ^ if changed & 1 == 1 { POLYNOMIAL } else { 0 });
    std::iter::successors(Some(POLYNOMIAL), next)
}

fn body<'a>(head: &[u8; RECORD], rest: &'a [u8]) -> Option<&'a [u8]> {
    let length: [u8; 4] = head.get(LENGTH..)?.first_chunk().copied()?;
    rest.get(..usize::try_from(u32::from_le_bytes(length)).ok()?)
}

/// Returns true if the head and the bytes after it are a whole record.
fn is_record(segment: &SegmentHeader, head: &[u8; RECORD], rest: &[u8]) -> bool {
    let Some((covered, crc)) = head.split_last_chunk::<4>() else { return false };
    body(head, rest).is_some_and(|body| {
        u32::from_le_bytes(*crc) == checksum(segment, covered, body) && is_sound(segment, head, body)
    })
}

/// Returns true if the second checksum agrees, where the version has one, and the changes can be read.
fn is_sound(segment: &SegmentHeader, head: &[u8; RECORD], body: &[u8]) -> bool {
    let covered = head.get(..COVERED).unwrap_or_default();
    let is_sealed_well = !segment.is_sealed()
        || body
            .split_last_chunk::<WORD>()
            .is_some_and(|(changes, seal)| u64::from_le_bytes(*seal) == digest(segment, covered, changes));
    is_sealed_well && Ops::of(body).all(|change| change.is_some())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::format::RecordBuffer;
    use super::*;
    use crate::change::Change;
    use crate::packing::Stored;

    fn sealed(segment: &SegmentHeader, value: &'static [u8]) -> Vec<u8> {
        let mut record = RecordBuffer::new();
        let value = Stored::Whole(Bytes::from_static(value));
        record.push(&[Change::Put { key: b"run/1".as_slice().into(), value }]);
        let mut bytes = record.seal(segment, 41, false).to_vec();
        bytes.resize(bytes.len() + 4096, 0);
        bytes
    }

    #[test]
    fn every_flipped_bit_of_a_record_is_known_and_two_are_not() {
        let segment = SegmentHeader::new(7, 41, 99, 4096);
        let whole = sealed(&segment, b"some value of a run");
        let length = whole.len() - 4096;
        let flip = |bytes: &mut Vec<u8>, bit: usize| bytes[bit / 8] ^= 1 << (bit % 8);
        for bit in 0..length * 8 {
            let mut bad = whole.clone();
            flip(&mut bad, bit);
            assert!(is_flipped(&segment, &bad, 41), "bit {bit}");
            assert!(!is_flipped(&segment, &bad, 42), "bit {bit}, as another batch");
            for other in [bit + 1, bit + 100, bit * 7 + 13].map(|other| other % (length * 8)) {
                let mut worse = bad.clone();
                flip(&mut worse, other);
                assert!(!is_flipped(&segment, &worse, 41), "bits {bit} and {other}");
            }
        }
    }

    #[test]
    fn what_a_power_cut_leaves_of_a_record_is_not_taken_for_a_flip() {
        let segment = SegmentHeader::new(7, 41, 99, 4096);
        let whole = sealed(&segment, &[b'a'; 3000]);
        let length = whole.len() - 4096;
        for cut in (0..length).step_by(WORD) {
            let mut torn = whole.clone();
            torn[cut..length].fill(0);
            assert!(!is_flipped(&segment, &torn, 41), "torn at {cut}");
        }
        assert!(!is_flipped(&segment, &vec![0; 8192], 41));
        assert!(!is_flipped(&segment, &[], 41));
    }

    #[test]
    fn a_record_of_version_3_has_no_second_checksum() {
        let bytes = include_bytes!("../../tests/fixtures/journal-v3.seg");
        let super::super::format::SegmentKind::Used(segment) = SegmentHeader::decode(bytes) else { panic!() };
        let mut bytes = bytes[super::super::format::HEADER..].to_vec();
        assert!(!is_flipped(&segment, &bytes, 43), "another batch");
        bytes[40] ^= 2;
        assert!(is_flipped(&segment, &bytes, 41));
    }
}
