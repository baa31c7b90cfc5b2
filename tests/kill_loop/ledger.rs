//! The plain run of the kill loop: it takes four events, one after the other.

use std::io::Write as _;

use px::prelude::*;

use super::EFFECTS;

/// What is posted, and what a step gets of it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(super) struct Note {
    pub(super) key: String,
    pub(super) event: String,
    pub(super) last: bool,
}

/// What a run is started with.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(super) struct Ask {
    key: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Ledger {
    key: String,
    events: Vec<String>,
}

pub(super) mod notes {
    use super::*;

    px::webhook! {
        slug = "notes",
        payload = Note,
        response = Note,
        verify = px::verify::github("KILL_SECRET"),
        handler = receive,
    }

    async fn receive(note: Note) -> Result<Inbound<Note>> {
        Ok(Inbound::resume(note.key.clone(), note))
    }
}

pub(super) fn ledger() -> Brain<Ask> {
    brain("ledger").step("open", open).each("enter", enter).build()
}
px::brain!(ledger);

async fn open(_cx: Cx, ask: Ask) -> Result<Waiting<Ledger, Note>> {
    let on = notes::on(&ask.key);
    Ok(wait_for(Ledger { key: ask.key, events: Vec::new() }, on))
}

async fn enter(cx: Cx, mut ledger: Ledger, note: Note) -> Result<Again<Ledger, Note, Ledger>> {
    let line = format!("{} {} {}\n", std::process::id(), cx.run_id(), note.event);
    // One write to a file that is only appended to: lines are whole.
    let path = std::env::var_os(EFFECTS).unwrap_or_default();
    std::fs::File::options().append(true).open(path)?.write_all(line.as_bytes())?;
    ledger.events.push(note.event);
    if note.last {
        return Ok(Again::done(ledger));
    }
    let on = notes::on(&ledger.key);
    Ok(Again::wait(ledger, on))
}
