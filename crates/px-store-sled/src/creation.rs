//! Creation of a store in a directory that has none.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use px_store::Error;
use px_store_rows::Order;

use crate::journal::{Disk, Known};
use crate::options::Options;
use crate::recovery::{self, JOURNAL};
use crate::store::OpenTree;
use crate::tree::Tree;

/// The tree's directory in the store's directory.
pub(crate) const TREE: &str = "tree";

/// The tree's directory while the store is created.
const TREE_DRAFT: &str = "tree.new";

/// Makes a store where there is none. The mark comes last: only a directory
/// with a mark is a store, and an interrupted creation is begun anew.
pub(crate) fn create(
    dir: &Path,
    options: &Options,
    disk: Arc<dyn Disk>,
    open_tree: OpenTree<'_>,
) -> Result<(Known, Arc<dyn Tree>), Error> {
    let context = |error| Error::io(format!("create a store in {}", dir.display()), &error);
    if recovery::has_segments(dir)? {
        return Err(unmarked(dir, "a journal"));
    }
    let (draft, tree) = (dir.join(TREE_DRAFT), dir.join(TREE));
    if !tree.exists() {
        if draft.exists() {
            fs::remove_dir_all(&draft).map_err(context)?;
        }
        fs::create_dir(&draft).map_err(context)?;
        // Opened once under another name: a tree whose first files a power cut
        // tore could never be opened again.
        drop(open_tree(&draft, options)?);
        if draft.exists() {
            fs::rename(&draft, &tree).map_err(context)?;
        }
    }
    let tree = open_tree(&tree, options)?;
    if !tree.range(&[], &[u8::MAX], Order::Ascending, 1)?.is_empty() {
        return Err(unmarked(dir, "a tree with rows"));
    }
    fs::create_dir_all(dir.join(JOURNAL)).map_err(context)?;
    disk.sync_dir(&dir.join(JOURNAL)).map_err(context)?;
    disk.sync_dir(dir).map_err(context)?;
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        disk.sync_dir(parent).map_err(context)?;
    }
    Ok((Known::create(disk, dir)?, tree))
}

fn unmarked(dir: &Path, what: &str) -> Error {
    Error::Corrupt(format!("{} has {what} but no file {}", dir.display(), crate::journal::high_water::FILE))
}
