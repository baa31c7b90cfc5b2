//! The bytes of the records that have no version: a commit demands such a row
//! by them, as `translation` says.

use px_core::{DeliveryId, EventId, RunId, Timestamp};
use px_store::{DedupRecord, Error, Forgotten, PinnedReply, SetAside};

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
