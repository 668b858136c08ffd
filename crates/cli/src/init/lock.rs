//! One `adopt`, `enable` or `disable` at a time: each reads what is there, writes it down and changes it, and two at once would
//! each write down the other's work as what was there before.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::record::keep;
use crate::report::Failure;

const NAME: &str = "lock";

/// How often it is tried for, where others come and go.
const TRIES: usize = 100;

/// Held until it is dropped. Only root can hold it, and who is killed holds it no more.
pub(crate) struct Lock {
    path: PathBuf,
    /// Closing it is what lets go.
    _file: File,
}

impl Lock {
    /// For what is about to be done.
    pub(crate) fn take(what: &str) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::new(what.to_owned()).cause(error);
        Self::within(keep()).map_err(failed)?.ok_or_else(|| {
            Failure::new(what.to_owned())
                .cause("another thinjail is just changing the services of this host")
                .help("wait for it, and try again")
        })
    }

    /// Nothing, if somebody else has it.
    fn within(directory: &Path) -> io::Result<Option<Self>> {
        let path = directory.join(NAME);
        for _ in 0..TRIES {
            match fs::create_dir(directory) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            let mut how = OpenOptions::new();
            how.write(true).create(true).truncate(false).mode(0o600);
            let file = match how.open(&path) {
                // The one before us has just removed the directory.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                opened => opened?,
            };
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            if is_at(&file, &path)? {
                return Ok(Some(Self { path, _file: file }));
            }
        }
        Ok(None)
    }
}

/// Whether others find this file by its name: what was removed before we had it keeps nobody else out.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    Ok(fs::metadata(path).is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino())))
}

impl Drop for Lock {
    fn drop(&mut self) {
        // First the name, while nobody else can have it; nothing is left of us, and the next one makes it anew.
        let _ = fs::remove_file(&self.path);
        if let Some(directory) = self.path.parent() {
            let _ = fs::remove_dir(directory);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicUsize, Ordering};

    use thinjail_tests::temp::TempDir;

    use super::*;

    #[test]
    fn one_at_a_time_has_it_and_nothing_is_left_of_it() {
        let temp = TempDir::new();
        let directory = temp.path().join("thinjail");
        let (inside, had) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let Some(lock) = Lock::within(&directory).unwrap() else { continue };
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two have it");
                        std::thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                        had.fetch_add(1, Ordering::SeqCst);
                        drop(lock);
                    }
                });
            }
        });
        assert!(had.load(Ordering::SeqCst) > 0);
        assert!(!directory.exists());
        let first = Lock::within(&directory).unwrap();
        assert!(first.is_some() && Lock::within(&directory).unwrap().is_none());
        let file = File::open(directory.join(NAME)).unwrap();
        assert!(is_at(&file, &directory.join(NAME)).unwrap());
        drop(first);
        let second = Lock::within(&directory).unwrap();
        // Who opened the first one's file and got its lock only now does not share it with the second.
        assert!(second.is_some() && file.try_lock().is_ok());
        assert!(!is_at(&file, &directory.join(NAME)).unwrap());
        drop(second);
        assert!(!directory.exists());
    }
}
