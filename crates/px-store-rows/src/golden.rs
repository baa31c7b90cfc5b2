//! The bytes of the records that have no version: a commit demands such a row
//! by them, as `translation` says.

use bytes::Bytes;
use px_core::{DeliveryId, EventId, RunId, Scope, Timestamp};
use px_store::{DedupRecord, Delivery, Error, Forgotten, InboxEvent, PinnedReply, SetAside};

use crate::delivery_row::{delivery_value, from_delivery_value, has_events_apart};
use crate::event_row::{event_row, event_value, from_event_value};
use crate::layout;

/// Every field that may be left out is there in one record, and left out in
/// another. Bytes that differ from these would let no older row be changed or
/// forgotten any more: whoever adds a field skips it where it is absent.
#[test]
fn records_without_a_version_are_written_as_older_rows_have_them() -> Result<(), Error> {
    let delivery = DeliveryId::from_bytes([1; 16]);
    let bare = DedupRecord {
        delivery,
        action: "queued".into(),
        run: None,
        at: Timestamp::from_millis(1_700_000_000_000),
        reply: None,
    };
    let reply = PinnedReply { status: 200, content_type: "text/xml".into(), body: "<a/>\"\u{e9}".into() };
    let whole = DedupRecord { run: Some(RunId::from_bytes([2; 16])), reply: Some(reply), ..bare.clone() };
    let aside = SetAside { delivery, event: EventId::from_bytes([3; 16]) };
    let forgotten = Forgotten { through: delivery, count: 7 };
    let records = [
        (layout::json(&bare)?, BARE),
        (layout::json(&whole)?, WHOLE),
        (layout::json(&aside)?, ASIDE),
        (layout::json(&forgotten)?, FORGOTTEN),
    ];
    for (written, golden) in records {
        assert_eq!(String::from_utf8_lossy(&written), golden);
    }
    assert_eq!(layout::from_json::<DedupRecord>(BARE.as_bytes())?, bare);
    assert_eq!(layout::from_json::<DedupRecord>(WHOLE.as_bytes())?, whole);
    assert_eq!(layout::from_json::<SetAside>(ASIDE.as_bytes())?, aside);
    assert_eq!(layout::from_json::<Forgotten>(FORGOTTEN.as_bytes())?, forgotten);
    Ok(())
}

const BARE: &str =
    r#"{"delivery":"whd_01010101010101010101010101010101","action":"queued","at":1700000000000}"#;
const WHOLE: &str = concat!(
    r#"{"delivery":"whd_01010101010101010101010101010101","action":"queued","run":"run_02020202020202020202020202020202","#,
    r#""at":1700000000000,"reply":{"status":200,"content_type":"text/xml","body":"<a/>\"é"}}"#,
);
const ASIDE: &str =
    r#"{"delivery":"whd_01010101010101010101010101010101","event":"evt_03030303030303030303030303030303"}"#;
const FORGOTTEN: &str = r#"{"through":"whd_01010101010101010101010101010101","count":7}"#;

/// A row of a large delivery says of an event that lies apart only that it is there, and the
/// event's own row says the rest. A delivery without such events is written as ever.
#[test]
fn events_that_lie_apart_are_written_as_older_rows_have_them() -> Result<(), Error> {
    let id = DeliveryId::from_bytes([1; 16]);
    let event = |n: u8, apart: u64| -> Result<InboxEvent, Error> {
        let id = EventId::from_bytes([n; 16]);
        let text = format!(r#"{{"id":"{id}","state":"queued","since":7,"identifier":"k","response":{{}}}}"#);
        Ok(InboxEvent { apart, ..layout::from_json(text.as_bytes())? })
    };
    let head = r#""slug":"hub","received_at":7,"remote":"","method":"POST","target":"/","headers":[],"#;
    let tail = r#""verdict":"","status":200,"took_us":0,"size":0,"events":[]"#;
    let delivery: Delivery = layout::from_json(format!(r#"{{"id":"{id}",{head}{tail}}}"#).as_bytes())?;
    let large = Delivery {
        events: vec![event(2, 0)?, event(3, 5)?],
        body: Bytes::from_static(b"raw"),
        ..delivery.clone()
    };
    let written = delivery_value(&large, &|_| None)?;
    assert_eq!(written.first_chunk(), Some(&[4, 0, 0, 0, 0, 0, 0, 1]), "format and count");
    let text = String::from_utf8_lossy(&written);
    assert!(text.contains(STUB) && text.contains(WITHIN) && text.ends_with("raw"), "{text}");
    let read = from_delivery_value(&written, &|_, _| Err(layout::short()))?;
    assert!(has_events_apart(read.revision));
    let stub = large.events.last().map(InboxEvent::stub);
    assert_eq!((read.events.first(), read.events.last()), (large.events.first(), stub.as_ref()));
    assert_eq!(read.body, large.body);

    // One with files is of a form that an older px refuses: it would lose them.
    let file = r#"{"field":"f","name":"a","size":3,"sha256":"00","contentType":"x/y"}"#;
    let with_files = Delivery { files: vec![layout::from_json(file.as_bytes())?], ..large.clone() };
    let written = delivery_value(&with_files, &|_| None)?;
    assert_eq!(written.first(), Some(&5));
    assert!(String::from_utf8_lossy(&written).contains(&format!(r#""files":[{file}]"#)));
    let read = from_delivery_value(&written, &|_, _| Err(layout::short()))?;
    assert_eq!((&read.files, &read.body), (&with_files.files, &with_files.body));
    // Nor does a px that knows no holders read one that has some.
    let held = Delivery { holders: vec![RunId::from_bytes([2; 16])], ..with_files };
    let written = delivery_value(&held, &|_| None)?;
    assert_eq!(written.first(), Some(&6));
    let read = from_delivery_value(&written, &|_, _| Err(layout::short()))?;
    assert_eq!((&read.holders, &read.files), (&held.holders, &held.files));
    let freed = Delivery { holders: Vec::new(), ..read };
    assert_eq!(delivery_value(&freed, &|_| None)?.first_chunk(), Some(&[5, 0, 0, 0, 0, 0, 0, 2]));
    let newer = [&[7], written.get(1..).unwrap_or_default()].concat();
    let refused = from_delivery_value(&newer.into(), &|_, _| Err(layout::short()));
    assert!(matches!(refused, Err(Error::Format { found: 7, supported: 6 })), "{refused:?}");

    let small = Delivery { events: vec![event(2, 0)?], ..delivery };
    assert_eq!(delivery_value(&small, &|_| None)?.first(), Some(&2));

    let own = event(3, 5)?;
    let value = event_value(&own)?;
    assert_eq!(value.first_chunk(), Some(&5_u64.to_be_bytes()));
    assert_eq!(value.get(8..).map(String::from_utf8_lossy).as_deref(), Some(APART));
    assert_eq!(from_event_value(&value)?, own);
    let row = event_row(Scope(0), id, 258);
    assert_eq!(row.get(2..), Some(&[&b"m"[..], &[1; 16], &[0, 0, 1, 2]].concat()[..]));
    Ok(())
}

const STUB: &str = r#"{"id":"evt_03030303030303030303030303030303","state":"queued","since":7,"apart":5}"#;
const WITHIN: &str = r#"{"id":"evt_02020202020202020202020202020202","state":"queued","since":7,"identifier":"k","response":{}}"#;
const APART: &str = r#"{"id":"evt_03030303030303030303030303030303","state":"queued","since":7,"identifier":"k","response":{}}"#;
