//! Files of large values. sled rewrites a page as a whole, and pieces of a large
//! value lie twenty to a page, so what is written once there is written twice and
//! more. A value above [`FILED_FROM`] bytes is a file of its own beside the tree
//! instead, and the tree has where it is.
//!
//! A file is durable before anything points to it, and is removed once nothing durably
//! does any more. A crash in between leaves a file that nobody points to: each
//! begins with the key of its row, so the next open finds and removes it.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use px_store::Error;

use crate::journal::disk::is_full;
use crate::packing::{HEAD_BYTES, Head};

/// Values above so many bytes are files.
pub(crate) const FILED_FROM: usize = 64 * 1024;

const MAGIC: &[u8; 8] = b"pxvalue1";

/// Bytes of a file before the key of its row.
const HEADER: usize = 12;

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
    /// Opens or creates the folder. Removes the files that `is_used` says nothing
    /// points to, and returns with the folder a number that none of the others has.
    pub(crate) fn open(dir: PathBuf, is_used: &IsUsed<'_>) -> Result<(Self, u64), Error> {
        fs::create_dir_all(&dir).map_err(|error| failed("create", &dir, &error))?;
        let mut next = 0;
        for entry in fs::read_dir(&dir).map_err(|error| failed("read", &dir, &error))? {
            let path = entry.map_err(|error| failed("read", &dir, &error))?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(id) = name.and_then(|name| u64::from_str_radix(name, 16).ok()) else { continue };
            let is_used = match key_of(&path)? {
                Some(key) => is_used(id, &key)?,
                None => false,
            };
            if is_used {
                next = next.max(id + 1);
            } else {
                fs::remove_file(&path).map_err(|error| failed("remove", &path, &error))?;
            }
        }
        Ok((Self { dir }, next))
    }

    fn path(&self, id: u64) -> PathBuf {
        self.dir.join(format!("{id:016x}"))
    }

    /// Writes a value, durably but for the folder's own entry.
    pub(crate) fn write(&self, id: u64, key: &[u8], value: &[u8]) -> Result<Filed, Error> {
        let path = self.path(id);
        let written = (|| {
            let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
            file.write_all(MAGIC)?;
            file.write_all(&u32::try_from(key.len()).unwrap_or(u32::MAX).to_be_bytes())?;
            file.write_all(key)?;
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

/// The key that a file begins with; `None` if it was not written as far as that.
fn key_of(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    let mut file = File::open(path).map_err(|error| failed("open", path, &error))?;
    let mut header = [0; HEADER];
    let mut key = Vec::new();
    let read = file.read_exact(&mut header).and_then(|()| {
        let length = header.last_chunk::<4>().copied().map_or(0, u32::from_be_bytes);
        (&mut file).take(length.into()).read_to_end(&mut key).map(|read| read == length as usize)
    });
    match read {
        Ok(is_whole) => Ok(Some(key).filter(|_| is_whole && header.starts_with(MAGIC))),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(failed("read", path, &error)),
    }
}

fn failed(what: &str, path: &Path, error: &std::io::Error) -> Error {
    let context = format!("{what} {}", path.display());
    if is_full(error) { Error::Full(format!("{context}: {error}")) } else { Error::io(context, error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_nothing_points_to_is_gone_after_the_next_open() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("values");
        let open = |used: u64| {
            ValueFiles::open(folder.clone(), &move |id, key| Ok(id == used && key == b"key".as_slice()))
        };
        let (files, next) = open(7).unwrap();
        assert_eq!(next, 0);
        let value = vec![3; FILED_FROM + 1];
        let (kept, left) = (files.write(7, b"key", &value).unwrap(), files.write(8, b"key", &value).unwrap());
        fs::write(folder.join(format!("{:016x}", 9)), b"pxval").unwrap();
        let mut pointer = Vec::new();
        kept.encode(&mut pointer);
        assert_eq!(Filed::decode(&pointer), Some(kept));
        let (files, next) = open(7).unwrap();
        assert_eq!(next, 8);
        assert_eq!(files.read(&kept).unwrap().as_deref(), Some(&value[..]));
        assert_eq!(files.read(&left).unwrap(), None);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        files.remove(&kept).unwrap();
        assert_eq!(files.read(&kept).unwrap(), None);
    }

    #[test]
    fn a_changed_file_is_damage() {
        let dir = tempfile::tempdir().unwrap();
        let (files, _) = ValueFiles::open(dir.path().join("values"), &|_, _| Ok(true)).unwrap();
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
