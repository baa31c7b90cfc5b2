//! The high-water mark: up to where the tree has everything, and which segments
//! are still needed. Two pages that are written in turn, so that a torn write
//! leaves the other; `pages` says how they lie in their file, which also holds
//! what was `opened`.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use px_store::Error;

use super::disk::{Disk, write_all_at};
use super::opened::{MAGIC as OPENED_MAGIC, Opened, OpenedPages};
use super::pages::{FILE_BYTES, Page, VERSION};

/// The file's name in the store's directory. It is the last thing that is made
/// when a store is created, so a directory without it holds no store.
pub(crate) const FILE: &str = "high-water";

pub(crate) const MAGIC: &[u8; 8] = b"pxhiwatr";

/// The pages of the mark.
const PAGES: [u64; 2] = [0, 1];

/// Extent of the journal that is known to be in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Every batch up to this one is in the tree.
    pub(crate) sequence: u64,
    /// Segments below this number are not needed.
    pub(crate) segment: u64,
}

/// The applier's hold of the file.
pub(crate) struct Water {
    disk: Arc<dyn Disk>,
    file: File,
    path: PathBuf,
    turn: u64,
    mark: Mark,
    /// Pages that are damaged, or of an older version.
    stale: usize,
}

/// Content of the high-water file.
pub(crate) struct Known {
    pub(crate) water: Water,
    pub(crate) pages: OpenedPages,
    /// `None` if the mark is of version 1, which does not say.
    pub(crate) opened: Option<Opened>,
}

impl Known {
    /// Reads the file. `None` if there is none.
    pub(crate) fn open(disk: Arc<dyn Disk>, dir: &Path) -> Result<Option<Self>, Error> {
        let path = dir.join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        let context = |source| Error::io(format!("open {}", path.display()), &source);
        let file = disk.open(&path).map_err(context)?;
        // What the kernel still has in memory after a kill must be durable before
        // anything is built on it.
        disk.sync_data(&file).map_err(context)?;
        let mut newest: Option<Page> = None;
        let mut stale = 0;
        for number in PAGES {
            let page = Page::read(&file, number, MAGIC).map_err(context)?;
            let page = page.map(Page::known).transpose()?;
            stale += usize::from(page.is_none_or(|page| page.version < VERSION));
            newest = newest.into_iter().chain(page).max_by_key(|page| page.turn);
        }
        let corrupt = |what: &str| Error::Corrupt(format!("{} has no undamaged page {what}", path.display()));
        let newest = newest.ok_or_else(|| corrupt("that says what the tree holds"))?;
        let (pages, opened) = OpenedPages::open(disk.clone(), dir)?;
        // What an interrupted rewrite says beside a mark of version 1 does not
        // count: an older program may have gone on since.
        let opened = opened.filter(|_| newest.version > 1);
        if opened.is_none() && newest.version > 1 {
            return Err(corrupt("that says how far the journal reaches"));
        }
        let [sequence, segment] = newest.words;
        let mark = Mark { sequence, segment };
        let water = Water { disk, file, path, turn: newest.turn, mark, stale };
        Ok(Some(Self { water, pages, opened }))
    }

    /// Makes the file of a new store, durably.
    pub(crate) fn create(disk: Arc<dyn Disk>, dir: &Path) -> Result<Self, Error> {
        let path = dir.join(FILE);
        let context = |source| Error::io(format!("create {}", path.display()), &source);
        // All pages under another name first: a name without whole pages would be a
        // store that cannot be opened.
        let draft = dir.join("high-water.new");
        let write = || {
            let file = disk.open(&draft)?;
            write_all_at(&*disk, &file, &[0; FILE_BYTES as usize], 0)?;
            for (number, turn) in PAGES.into_iter().zip([2, 1]) {
                Page::new(turn, [0, 1]).write(&*disk, &file, number, MAGIC)?;
            }
            for (number, page) in OpenedPages::of_a_new_store() {
                page.write(&*disk, &file, number, OPENED_MAGIC)?;
            }
            disk.sync_data(&file)?;
            std::fs::rename(&draft, &path)?;
            disk.sync_dir(dir)
        };
        write().map_err(context)?;
        Self::open(disk.clone(), dir)?.ok_or_else(|| context(io::ErrorKind::NotFound.into()))
    }

    /// Says durably how far a journal reaches that was just recovered, and makes
    /// pages whole that are damaged or of an older version. A mark becomes one of
    /// this version last: before that, an older program may still go on.
    pub(crate) fn settle(&mut self, opened: Opened) -> Result<(), Error> {
        let path = &self.water.path;
        let context = |source| Error::io(format!("write {}", path.display()), &source);
        self.pages.settle(opened).map_err(context)?;
        for _ in 0..std::mem::take(&mut self.water.stale) {
            let mark = self.water.mark;
            self.water.raise(mark)?;
        }
        Ok(())
    }
}

impl Water {
    pub(crate) fn mark(&self) -> Mark {
        self.mark
    }

    /// Raises the mark, durably.
    pub(crate) fn raise(&mut self, mark: Mark) -> Result<(), Error> {
        let turn = self.turn + 1;
        let context = |source| Error::io(format!("write {}", self.path.display()), &source);
        let page = Page::new(turn, [mark.sequence, mark.segment]);
        page.write(&*self.disk, &self.file, turn % 2, MAGIC).map_err(context)?;
        self.disk.sync_data(&self.file).map_err(context)?;
        self.turn = turn;
        self.mark = mark;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::RealDisk;
    use super::super::pages::PAGE;
    use super::*;

    fn open(dir: &Path) -> Result<Known, Error> {
        Ok(Known::open(Arc::new(RealDisk), dir)?.unwrap())
    }

    #[test]
    fn a_torn_page_leaves_the_mark_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        assert!(Known::open(disk.clone(), dir.path()).unwrap().is_none());
        let mut known = Known::create(disk, dir.path()).unwrap();
        known.water.raise(Mark { sequence: 10, segment: 2 }).unwrap();
        known.water.raise(Mark { sequence: 20, segment: 3 }).unwrap();
        let path = dir.path().join(FILE);
        let whole = std::fs::read(&path).unwrap();
        for at in 0..44 {
            let mut torn = whole.clone();
            torn[at] ^= 0x55;
            std::fs::write(&path, torn).unwrap();
            let mark = open(dir.path()).unwrap().water.mark();
            assert_eq!(mark, Mark { sequence: 10, segment: 2 }, "byte {at}");
        }
        std::fs::write(&path, &whole).unwrap();
        assert_eq!(open(dir.path()).unwrap().water.mark(), Mark { sequence: 20, segment: 3 });
        std::fs::write(&path, vec![0; whole.len()]).unwrap();
        assert!(matches!(open(dir.path()), Err(Error::Corrupt(_))));
    }

    #[test]
    fn a_power_cut_between_the_pages_leaves_what_was_opened_before_or_now() {
        let dir = tempfile::tempdir().unwrap();
        let mut known = Known::create(Arc::new(RealDisk), dir.path()).unwrap();
        let path = dir.path().join(FILE);
        let before = Opened { segment: 1, sequence: 5 };
        known.pages.settle(before).unwrap();
        let old = std::fs::read(&path).unwrap();
        let now = Opened { segment: 2, sequence: 9 };
        known.pages.settle(now).unwrap();
        let new = std::fs::read(&path).unwrap();
        let (second, third) = (2 * PAGE as usize, 3 * PAGE as usize);
        for (what, torn) in
            [("nothing", 0..0), ("the first", second..third), ("half of it", second..second + 20)]
        {
            let mut image = old.clone();
            image[torn.clone()].copy_from_slice(&new[torn]);
            std::fs::write(&path, image).unwrap();
            let mut known = open(dir.path()).unwrap();
            let expected = if what == "the first" { now } else { before };
            assert_eq!(known.opened, Some(expected), "written: {what}");
            // The next open makes both pages whole again.
            known.settle(expected).unwrap();
            let mut image = std::fs::read(&path).unwrap();
            image[second..third].fill(0);
            std::fs::write(&path, image).unwrap();
            assert_eq!(open(dir.path()).unwrap().opened, Some(expected), "written: {what}");
        }
    }

    #[test]
    fn a_file_of_version_1_becomes_one_that_version_1_refuses() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let old = |turn, words| Page { version: 1, ..Page::new(turn, words) };
        let mut bytes = vec![0; PAGE as usize];
        bytes[..44].copy_from_slice(&old(2, [7, 3]).encode(MAGIC));
        bytes.extend_from_slice(&old(1, [6, 2]).encode(MAGIC));
        std::fs::write(&path, &bytes).unwrap();
        let mut known = open(dir.path()).unwrap();
        assert_eq!((known.water.mark(), known.opened), (Mark { sequence: 7, segment: 3 }, None));
        let opened = Opened { segment: 4, sequence: 9 };
        known.settle(opened).unwrap();
        let again = open(dir.path()).unwrap();
        assert_eq!((again.water.mark(), again.opened), (Mark { sequence: 7, segment: 3 }, Some(opened)));
        // Version 1 read the first two pages, and refused another version by name.
        for number in PAGES {
            let page = Page::read(&File::open(&path).unwrap(), number, MAGIC).unwrap().unwrap();
            assert_eq!((page.version, page.words), (VERSION, [7, 3]), "page {number}");
        }
        let newer = Page { version: 3, ..Page::new(9, [7, 3]) };
        newer.write(&RealDisk, &File::options().write(true).open(&path).unwrap(), 0, MAGIC).unwrap();
        assert!(matches!(open(dir.path()), Err(Error::Format { found: 3, supported: 2 })));
    }
}
