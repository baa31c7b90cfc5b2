//! Files of large values. sled rewrites a page as a whole, and pieces of a large
//! value lie twenty to a page, so what is written once there is written twice and
//! more. A value above [`FILED_FROM`] bytes is a file of its own beside the tree
//! instead, and the tree has where it is.
//!
//! A file is durable before anything points to it, and is removed once nothing durably
//! does any more. A crash in between leaves a file that nobody points to: each
//! begins with the key of its row, so the next open finds and removes it.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use px_store::Error;

use crate::journal::disk::is_full;
use crate::packing::{HEAD_BYTES, Head};
use crate::tree::KEY_BYTES;

/// Values above so many bytes are files.
pub(crate) const FILED_FROM: usize = 64 * 1024;

const MAGIC: &[u8; 8] = b"pxvalue2";

/// Bytes of a file before the key of its row.
const HEADER: usize = 12;

/// Numbers from here on are no file's: a name with one was not written here, and counting from
/// below it never comes to the end of the numbers.
const NUMBERS: u64 = 1 << 63;

/// Bytes by which the tree knows where a value is.
const POINTER: usize = 20 + HEAD_BYTES;

/// The place of a value: number of the file, length, checksum, and how it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Filed {
    pub(crate) id: u64,
    bytes: u64,
    crc: u32,
    head: [u8; HEAD_BYTES],
}

impl Filed {
    pub(crate) fn encode(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.id.to_be_bytes());
        to.extend_from_slice(&self.bytes.to_be_bytes());
        to.extend_from_slice(&self.crc.to_be_bytes());
        to.extend_from_slice(&self.head);
    }

    pub(crate) fn decode(from: &[u8]) -> Option<Self> {
        let from: &[u8; POINTER] = from.try_into().ok()?;
        let (id, rest) = from.split_first_chunk()?;
        let (bytes, rest) = rest.split_first_chunk()?;
        let (crc, head) = rest.split_first_chunk()?;
        Some(Self {
            id: u64::from_be_bytes(*id),
            bytes: u64::from_be_bytes(*bytes),
            crc: u32::from_be_bytes(*crc),
            head: head.try_into().ok()?,
        })
    }

    /// The beginning of the value.
    pub(crate) fn head(&self) -> Head {
        Head::of(&self.head)
    }
}

/// Tells whether a file of this number is where the tree has the value of a key.
type IsUsed<'a> = dyn Fn(u64, &[u8]) -> Result<bool, Error> + 'a;

/// The folder of these files.
#[derive(Debug)]
pub(crate) struct ValueFiles {
    dir: PathBuf,
}

impl ValueFiles {
    /// Opens or creates the folder. Returns with it a number that none of the files has.
    pub(crate) fn open(dir: PathBuf) -> Result<(Self, u64), Error> {
        fs::create_dir_all(&dir).map_err(|error| failed("create", &dir, &error))?;
        let files = Self { dir };
        let next = files.all()?.last().map_or(0, |id| id + 1);
        Ok((files, next))
    }

    /// The numbers of all files, in their order.
    fn all(&self) -> Result<BTreeSet<u64>, Error> {
        let entries = fs::read_dir(&self.dir).map_err(|error| failed("read", &self.dir, &error))?;
        let mut ids = BTreeSet::new();
        for entry in entries {
            let name = entry.map_err(|error| failed("read", &self.dir, &error))?.file_name();
            ids.extend(name.to_str().and_then(number_of));
        }
        Ok(ids)
    }

    /// Removes the files below a number that a crash has left, to which nothing points:
    /// those that were not written to their end, and those whose row is elsewhere. One that
    /// cannot be read or removed is in nobody's way: it stays.
    pub(crate) fn remove_strays(&self, below: u64, is_used: &IsUsed<'_>) -> Result<(), Error> {
        for id in self.all()?.range(..below) {
            let path = self.path(*id);
            let owner = owner_of(&path).unwrap_or_else(|error| {
                tracing::warn!(%error, "what lies among the files of large values is left there");
                Owner::Unknown
            });
            let is_stray = match owner {
                Owner::Key(key) => !is_used(*id, &key)?,
                Owner::Unfinished => true,
                Owner::Unknown => false,
            };
            if is_stray && let Err(error) = fs::remove_file(&path) {
                let error = failed("remove", &path, &error);
                tracing::warn!(%error, "a file of a large value that nothing needs is left there");
            }
        }
        Ok(())
    }

    pub(crate) fn path(&self, id: u64) -> PathBuf {
        self.dir.join(name_of(id))
    }

    /// Writes a value, durably but for the folder's own entry.
    pub(crate) fn write(&self, id: u64, key: &[u8], value: &[u8]) -> Result<Filed, Error> {
        let path = self.path(id);
        let written = (|| {
            let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
            file.write_all(&header(key))?;
            file.write_all(value)?;
            file.sync_all()
        })();
        if let Err(error) = written {
            // Nothing points to it; where even that fails, the next open removes it.
            let _ = fs::remove_file(&path);
            return Err(failed("write", &path, &error));
        }
        let mut head = [0; HEAD_BYTES];
        head.iter_mut().zip(value).for_each(|(to, from)| *to = *from);
        Ok(Filed { id, bytes: value.len() as u64, crc: crc32c::crc32c(value), head })
    }

    /// Makes the entries of the files durable that were written.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        let synced = File::open(&self.dir).and_then(|dir| dir.sync_all());
        synced.map_err(|error| failed("sync", &self.dir, &error))
    }

    /// Reads a value; `None` if its file is gone, since it was replaced meanwhile.
    pub(crate) fn read(&self, filed: &Filed) -> Result<Option<Bytes>, Error> {
        let path = self.path(filed.id);
        let contents = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|error| failed("read", &path, &error))?,
        };
        let damaged = || Error::Corrupt(format!("{} is not the value that was written", path.display()));
        let bytes = usize::try_from(filed.bytes).map_err(|_| damaged())?;
        let start = contents.len().checked_sub(bytes).ok_or_else(damaged)?;
        let value = Bytes::from(contents).slice(start..);
        if crc32c::crc32c(&value) == filed.crc { Ok(Some(value)) } else { Err(damaged()) }
    }

    /// Removes a file to which nothing points any more.
    pub(crate) fn remove(&self, filed: &Filed) -> Result<(), Error> {
        let path = self.path(filed.id);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(failed("remove", &path, &error))
            }
            _ => Ok(()),
        }
    }
}

fn name_of(id: u64) -> String {
    format!("{id:016x}")
}

/// The number of a file, if it has a name that [`name_of`] gives.
fn number_of(name: &str) -> Option<u64> {
    let id = u64::from_str_radix(name, 16).ok()?;
    (id < NUMBERS && name_of(id) == name).then_some(id)
}

/// The beginning of a file: magic, length of the key, the key, checksum of all that.
fn header(key: &[u8]) -> Vec<u8> {
    let length = u32::try_from(key.len()).unwrap_or(u32::MAX).to_be_bytes();
    let header = [&MAGIC[..], &length, key].concat();
    let crc = crc32c::crc32c(&header).to_be_bytes();
    [&header[..], &crc].concat()
}

/// The row whose value a file has, as the file says.
#[derive(Debug, PartialEq, Eq)]
enum Owner {
    Key(Vec<u8>),
    /// The file ends before it says: nothing can point to it.
    Unfinished,
    /// What it says is not what was written.
    Unknown,
}

fn owner_of(path: &Path) -> Result<Owner, Error> {
    let read = |file: &mut File, bytes: u64| {
        let mut part = Vec::new();
        let whole = file.take(bytes).read_to_end(&mut part).map(|read| read as u64 == bytes);
        whole.map(|whole| whole.then_some(part)).map_err(|error| failed("read", path, &error))
    };
    // Whatever else has such a name was not written here, and may have no end.
    let kind = fs::symlink_metadata(path).map_err(|error| failed("look at", path, &error))?;
    if !kind.is_file() {
        return Ok(Owner::Unknown);
    }
    let mut file = File::open(path).map_err(|error| failed("open", path, &error))?;
    let Some(start) = read(&mut file, HEADER as u64)? else { return Ok(Owner::Unfinished) };
    let length = start.last_chunk::<4>().copied().map_or(0, u32::from_be_bytes);
    if !start.starts_with(MAGIC) || length as usize > KEY_BYTES + 1 {
        return Ok(Owner::Unknown);
    }
    let Some(key) = read(&mut file, length.into())? else { return Ok(Owner::Unfinished) };
    let Some(crc) = read(&mut file, 4)? else { return Ok(Owner::Unfinished) };
    let is_whole = header(&key).ends_with(&crc) && header(&key).starts_with(&start);
    Ok(if is_whole { Owner::Key(key) } else { Owner::Unknown })
}

fn failed(what: &str, path: &Path, error: &std::io::Error) -> Error {
    let context = format!("{what} {}", path.display());
    if is_full(error) { Error::Full(format!("{context}: {error}")) } else { Error::io(context, error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_nothing_points_to_is_removed_and_what_cannot_be_read_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("values");
        let (files, next) = ValueFiles::open(folder.clone()).unwrap();
        assert_eq!(next, 0);
        let value = vec![3; FILED_FROM + 1];
        let [kept, left, odd, young] = [7, 8, 9, 20].map(|id| files.write(id, b"key", &value).unwrap());
        fs::write(files.path(10), b"pxval").unwrap();
        fs::write(files.path(11), &header(b"key")[..14]).unwrap();
        // A bit of the head of one turns.
        let mut contents = fs::read(files.path(9)).unwrap();
        contents[13] ^= 1;
        fs::write(files.path(9), contents).unwrap();
        let mut pointer = Vec::new();
        kept.encode(&mut pointer);
        assert_eq!(Filed::decode(&pointer), Some(kept));
        let (files, next) = ValueFiles::open(folder.clone()).unwrap();
        assert_eq!((next, fs::read_dir(&folder).unwrap().count()), (21, 6), "an open removes nothing");
        files.remove_strays(20, &|id, key| Ok(id == 7 && key == b"key".as_slice())).unwrap();
        for there in [&kept, &odd, &young] {
            assert_eq!(files.read(there).unwrap().as_deref(), Some(&value[..]));
        }
        assert_eq!(files.read(&left).unwrap(), None);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 3);
        files.remove(&kept).unwrap();
        assert_eq!(files.read(&kept).unwrap(), None);
    }

    #[test]
    fn what_others_put_among_the_files_stays_and_keeps_nobody_from_working() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("values");
        let (files, _) = ValueFiles::open(folder.clone()).unwrap();
        files.write(7, b"key", &vec![3; FILED_FROM + 1]).unwrap();
        let names = [
            "cafe",
            "00000000000000AA",
            "000000000000000000aa",
            "+0000000000000aa",
            "ffffffffffffffff",
            "8000000000000000",
            "notes.txt",
        ];
        for name in names {
            fs::write(folder.join(name), b"x").unwrap();
        }
        fs::create_dir(folder.join("0000000000000009")).unwrap();
        std::os::unix::fs::symlink("nowhere", folder.join("0000000000000008")).unwrap();
        let (files, next) = ValueFiles::open(folder.clone()).unwrap();
        assert_eq!(next, 10);
        files.remove_strays(next, &|_, _| Ok(false)).unwrap();
        let mut left: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        let mut there = [&names[..], &["0000000000000009", "0000000000000008"]].concat();
        there.sort_unstable();
        assert_eq!(left, there, "all but the file that nothing points to");
        files.write(next, b"key", &vec![3; FILED_FROM + 1]).unwrap();
    }

    #[test]
    fn a_changed_file_is_damage() {
        let dir = tempfile::tempdir().unwrap();
        let (files, _) = ValueFiles::open(dir.path().join("values")).unwrap();
        let kept = files.write(1, b"key", &vec![3; FILED_FROM + 1]).unwrap();
        let path = files.path(1);
        let mut contents = fs::read(&path).unwrap();
        *contents.last_mut().unwrap() ^= 1;
        fs::write(&path, contents).unwrap();
        assert!(matches!(files.read(&kept), Err(Error::Corrupt(_))));
        fs::write(&path, b"short").unwrap();
        assert!(matches!(files.read(&kept), Err(Error::Corrupt(_))));
    }
}
