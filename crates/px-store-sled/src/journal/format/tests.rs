//! The bytes of segments and records, held to the fixtures of every version.

use super::*;

const SEGMENT: SegmentHeader =
    SegmentHeader { version: VERSION, number: 7, first_sequence: 41, salt: 99, bytes: 512 };

fn put(key: &[u8], value: Stored) -> Change {
    Change::Put { key: key.into(), value }
}

/// The batches that the fixture of a format holds.
fn batches(version: u32) -> Vec<Vec<Change>> {
    let unpost = Change::Unpost { list: b"by-brain/y".as_slice().into(), id: [8; 16] };
    let since_2 = (version >= 2).then_some(unpost);
    let packed = put(b"run/2", Stored::Packed(Bytes::from_static(b"any bytes")));
    let since_3 = (version >= 3).then_some(packed);
    vec![
        vec![
            put(b"run/1", Stored::Whole(Bytes::from_static(b"\0\0\0\0\0\0\0\x01hello"))),
            Change::Post { list: b"by-brain/x".as_slice().into(), id: [9; 16] },
        ],
        [Change::Remove { key: b"ready/1".as_slice().into() }].into_iter().chain(since_2).collect(),
        [put(b"", Stored::Whole(Bytes::new()))].into_iter().chain(since_3).collect(),
    ]
}

fn segment() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut record = RecordBuffer::new();
    let batches = batches(VERSION);
    record.push(&batches[0]);
    record.push(&batches[1]);
    bytes.extend_from_slice(record.seal(&SEGMENT, 41, true));
    record.clear(1024);
    record.push(&batches[2]);
    bytes.extend_from_slice(record.seal(&SEGMENT, 43, false));
    bytes.resize(512, 0);
    bytes
}

fn read(version: u32, bytes: &[u8]) -> Vec<(u64, u32, Vec<Change>)> {
    let SegmentKind::Used(segment) = SegmentHeader::decode(bytes) else { panic!("no header") };
    let bytes_stated = if version < 4 { 0 } else { 512 };
    assert_eq!(segment, SegmentHeader { version, bytes: bytes_stated, ..SEGMENT });
    let mut records = Vec::new();
    let mut at = HEADER;
    while let Some(record) = Record::decode(&segment, &bytes[at..]) {
        records.push((record.sequence, record.batches, record.changes().map(Option::unwrap).collect()));
        at += record.bytes();
    }
    records
}

fn expected(version: u32) -> Vec<(u64, u32, Vec<Change>)> {
    let mut batches = batches(version);
    let last = batches.pop().unwrap();
    vec![(41, 2, batches.concat()), (43, 1, last)]
}

#[test]
fn what_is_written_is_what_the_fixture_of_the_newest_format_holds() {
    if std::env::var_os("PX_BLESS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/journal-v6.seg");
        std::fs::write(path, segment()).unwrap();
    }
    let fixture = include_bytes!("../../../tests/fixtures/journal-v6.seg");
    assert_eq!(segment(), fixture, "the format changed: raise VERSION and keep reading this fixture");
}

#[test]
fn the_fixtures_of_every_format_are_read() {
    assert_eq!(read(1, include_bytes!("../../../tests/fixtures/journal-v1.seg")), expected(1));
    assert_eq!(read(2, include_bytes!("../../../tests/fixtures/journal-v2.seg")), expected(2));
    assert_eq!(read(3, include_bytes!("../../../tests/fixtures/journal-v3.seg")), expected(3));
    assert_eq!(read(4, include_bytes!("../../../tests/fixtures/journal-v4.seg")), expected(4));
    assert_eq!(read(5, include_bytes!("../../../tests/fixtures/journal-v5.seg")), expected(5));
    assert_eq!(read(6, include_bytes!("../../../tests/fixtures/journal-v6.seg")), expected(6));
}

#[test]
fn every_flipped_bit_of_a_record_is_seen() {
    let bytes = segment();
    let SegmentKind::Used(segment) = SegmentHeader::decode(&bytes) else { panic!("no header") };
    let record = Record::decode(&segment, &bytes[HEADER..]).unwrap().bytes();
    for at in 0..record {
        for bit in 0..8 {
            let mut bad = bytes.clone();
            bad[HEADER + at] ^= 1 << bit;
            assert!(Record::decode(&segment, &bad[HEADER..]).is_none(), "byte {at} bit {bit}");
        }
    }
    for bit in 0..HEADER * 8 {
        let mut bad = bytes.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(SegmentHeader::decode(&bad), SegmentKind::Unreadable);
        assert_eq!(SegmentHeader::mended(&bad), Some(segment));
        bad[bit * 5 % 64] ^= 1 << ((bit + 3) % 8);
        assert_eq!(SegmentHeader::mended(&bad), None);
    }
    assert_eq!(SegmentHeader::decode(&[0; HEADER]), SegmentKind::Blank);
}

#[test]
fn a_record_of_another_use_of_the_file_does_not_count() {
    let bytes = segment();
    for other in [SegmentHeader { number: 8, ..SEGMENT }, SegmentHeader { salt: 98, ..SEGMENT }] {
        assert!(Record::decode(&other, &bytes[HEADER..]).is_none());
        assert_eq!(Record::lies_in(&other, &bytes), None);
    }
    assert_eq!(Record::lies_in(&SEGMENT, &bytes), Some(HEADER));
}

#[test]
fn a_newer_version_is_named() {
    let mut bytes = SEGMENT.encode();
    bytes[8] = 7;
    let crc = crc32c::crc32c(&bytes[..60]).to_le_bytes();
    bytes[60..].copy_from_slice(&crc);
    assert_eq!(SegmentHeader::decode(&bytes), SegmentKind::Newer(7));
}
