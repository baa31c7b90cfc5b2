//! Known extent of the journal: the newest segment whose first record may have been answered, and the last
//! batch that is known to be in it. A journal that ends before that is damaged. Without this, a journal
//! that lost its newest segment would look like one that had not begun it.
//!
//! The segment is written to two pages, one synced after the other, when its first record is durable and
//! before that record is answered. A later record of the segment only writes a page that nobody syncs: this
//! costs an answer no sync, outlives a killed process, and claims nothing untrue if a power cut takes it.
//! At a clean close, and once a journal is recovered, both synced pages say where it ends.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use px_store::Error;

use super::disk::Disk;
use super::high_water::FILE;
use super::pages::{FILE_BYTES, Page};

pub(crate) const MAGIC: &[u8; 8] = b"pxopened";

/// The pages that are synced, …
const SYNCED: [u64; 2] = [2, 3];
/// … and those that are not.
const NOTED: [u64; 2] = [4, 5];

/// Extent of the journal that is known to have been written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Opened {
    /// The newest segment whose first record may have been answered; 0 if none.
    pub(crate) segment: u64,
    /// Every batch up to this one was durable.
    pub(crate) sequence: u64,
}

impl Opened {
    fn page(self, turn: u64) -> Page {
        Page::new(turn, [self.segment, self.sequence])
    }
}

/// The pages, and the committer's hold of their file.
pub(crate) struct OpenedPages {
    disk: Arc<dyn Disk>,
    /// A handle of its own: a failed sync is reported once to each.
    file: File,
    turn: u64,
    opened: Opened,
    /// Content of the two synced pages, if both agree.
    synced: Option<Opened>,
}

impl OpenedPages {
    /// Reads the pages of a store's directory, and what they say. `None` if no
    /// page can be read: the file is older than they are, or damaged.
    pub(crate) fn open(disk: Arc<dyn Disk>, dir: &Path) -> Result<(Self, Option<Opened>), Error> {
        let path = dir.join(FILE);
        let context = |source| Error::io(format!("read {}", path.display()), &source);
        let file = disk.open(&path).map_err(context)?;
        let mut newest: Option<Page> = None;
        let mut synced = Vec::new();
        for number in SYNCED.into_iter().chain(NOTED) {
            let page = Page::read(&file, number, MAGIC).map_err(context)?;
            let page = page.map(Page::known).transpose()?;
            if SYNCED.contains(&number) {
                synced.push(page.map(opened));
            }
            newest = newest.into_iter().chain(page).max_by_key(|page| page.turn);
        }
        let found = newest.map(opened);
        let synced =
            synced.first().copied().flatten().filter(|first| synced.iter().all(|page| *page == Some(*first)));
        let turn = newest.map_or(0, |page| page.turn);
        let pages =
            Self { disk, file, turn, opened: found.unwrap_or(Opened { segment: 0, sequence: 0 }), synced };
        Ok((pages, found))
    }

    /// The first bytes of a new store's pages, with their places.
    pub(crate) fn of_a_new_store() -> impl Iterator<Item = (u64, Page)> {
        SYNCED
            .into_iter()
            .zip(1..)
            .map(|(number, turn)| (number, Opened { segment: 0, sequence: 0 }.page(turn)))
    }

    /// Says in both synced pages, durably, how far the journal reaches.
    pub(crate) fn settle(&mut self, opened: Opened) -> io::Result<()> {
        if self.synced == Some(opened) {
            self.opened = opened;
            return Ok(());
        }
        if self.file.metadata()?.len() < FILE_BYTES {
            self.disk.set_len(&self.file, FILE_BYTES)?;
        }
        self.synced = None;
        for number in SYNCED {
            self.turn += 1;
            opened.page(self.turn).write(&*self.disk, &self.file, number, MAGIC)?;
            self.disk.sync_data(&self.file)?;
        }
        self.opened = opened;
        self.synced = Some(opened);
        Ok(())
    }

    /// Notes that the segment in use is durable up to this batch. Nobody waits for
    /// it, and a note that cannot be written only leaves the one before.
    pub(crate) fn note(&mut self, sequence: u64) {
        if self.opened.sequence == sequence {
            return;
        }
        self.opened.sequence = sequence;
        self.turn += 1;
        let [even, odd] = NOTED;
        let number = if self.turn.is_multiple_of(2) { even } else { odd };
        let _ = self.opened.page(self.turn).write(&*self.disk, &self.file, number, MAGIC);
    }

    /// Says durably where the journal ends.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        self.settle(self.opened)
    }
}

fn opened(page: Page) -> Opened {
    let [segment, sequence] = page.words;
    Opened { segment, sequence }
}
