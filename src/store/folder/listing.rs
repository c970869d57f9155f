//! Lists the files of a folder in the order of an S3 listing, page by page.
//!
//! A folder's name is compared with its final `/`, so that names in order, each folder followed by its content, are
//! keys in order. At most one page of names per folder is kept in memory; a folder with more names is read again for
//! the names that follow.

use std::collections::BinaryHeap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

use super::file::{check_key, etag_of};
use crate::ErrorKind;
use crate::store::{ListedObject, ListingFault, Page, StoreError, kind_of_io};

/// Maximum number of objects and faults per page: about 5 MB.
pub(super) const PAGE: usize = 20_000;

/// The page that is being filled.
pub(super) struct Listing<'a> {
    prefix: &'a str,
    after: Option<&'a str>,
    limit: usize,
    page: Page,
}

/// A name in a folder. Names are ordered by their keys.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    /// The key of a folder ends with `/`.
    key: String,
    name: OsString,
    is_folder: bool,
}

/// The names of a folder, in order.
struct Names {
    names: Vec<Name>,
    /// Whether more names follow.
    more: bool,
    /// The error that stopped reading the folder.
    broken: Option<io::Error>,
}

impl<'a> Listing<'a> {
    /// Creates a page of at most `limit` objects and faults after `after`.
    pub(super) fn new(prefix: &'a str, after: Option<&'a str>, limit: usize) -> Self {
        Self { prefix, after, limit: limit.max(1), page: Page::default() }
    }

    /// Returns the page of the store at `root`.
    pub(super) fn page_of(mut self, root: &Path) -> Result<Page, StoreError> {
        if !self.walk(root, "")? {
            let last = [self.page.objects.last().map(|object| &object.key), self.last_fault()];
            let last = last.into_iter().flatten().map(String::as_str).chain(self.after).max();
            self.page.next = last.map(str::to_owned);
        }
        Ok(self.page)
    }

    fn last_fault(&self) -> Option<&String> {
        self.page.faults.last().map(|fault| &fault.key)
    }

    /// Lists a folder, whose key is empty or ends with `/`. Returns whether the page has room for more.
    fn walk(&mut self, folder: &Path, key: &str) -> Result<bool, StoreError> {
        let mut done: Option<String> = None;
        loop {
            let Names { names, more, broken } = match self.names(folder, key, done.as_deref()) {
                Ok(names) => names,
                // The folder was removed meanwhile. The root need not exist before the first put.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
                Err(error) if key.is_empty() => return Err(StoreError::file("list", folder)(error)),
                Err(error) => return Ok(self.fault(key.to_owned(), &error)),
            };
            done = names.last().map(|name| name.key.clone());
            for name in names {
                if !self.take(folder, name)? {
                    return Ok(false);
                }
            }
            match broken {
                Some(error) => return Ok(self.fault(key.to_owned(), &error)),
                None if more => {}
                None => return Ok(true),
            }
        }
    }

    /// Reads the first names of a folder after `done`, or else after `after`.
    fn names(&self, folder: &Path, parent: &str, done: Option<&str>) -> io::Result<Names> {
        let room = self.limit.saturating_sub(self.page.objects.len() + self.page.faults.len()).max(1);
        let (mut first, mut more, mut broken) = (BinaryHeap::new(), false, None);
        for entry in fs::read_dir(folder)? {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    broken = Some(error);
                    break;
                }
            };
            let name = entry.file_name();
            let mut key = format!("{parent}{}", name.to_string_lossy());
            if check_key(&key).is_err() {
                continue;
            }
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder {
                key.push('/');
            }
            if !self.is_wanted(&key, is_folder && name.to_str().is_some(), done) {
                continue;
            }
            if first.len() >= room {
                more = true;
                if first.peek().is_some_and(|last: &Name| key >= last.key) {
                    continue;
                }
                first.pop();
            }
            first.push(Name { key, name, is_folder });
        }
        Ok(Names { names: first.into_sorted_vec(), more, broken })
    }

    /// Returns whether a name, or the content of a folder, belongs to the listing.
    fn is_wanted(&self, key: &str, is_entered: bool, done: Option<&str>) -> bool {
        let is_below = key.starts_with(self.prefix) || is_entered && self.prefix.starts_with(key);
        is_below
            && match (done, self.after) {
                (Some(done), _) => key > done,
                (None, Some(after)) => key > after || is_entered && after.starts_with(key),
                (None, None) => true,
            }
    }

    /// Lists one name. Returns whether the page has room for more.
    fn take(&mut self, folder: &Path, name: Name) -> Result<bool, StoreError> {
        let Name { key, name, is_folder } = name;
        if name.to_str().is_none() {
            let message = "its name is not UTF-8, but keys must be: rename the file".to_owned();
            self.page.faults.push(ListingFault { key, kind: ErrorKind::Malformed, message });
            return Ok(self.has_room());
        }
        let path = folder.join(name);
        if is_folder {
            return self.walk(&path, &key);
        }
        match fs::metadata(&path) {
            // An entry that is neither a file nor a link to a file is not an object.
            Ok(metadata) if metadata.is_file() => self.page.objects.push(ListedObject {
                key,
                etag: etag_of(&metadata),
                size: metadata.len(),
                modified: metadata.modified().ok(),
            }),
            Ok(_) => {}
            // The entry was removed, or is a dangling symbolic link.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Ok(self.fault(key, &error)),
        }
        Ok(self.has_room())
    }

    /// Records an entry that cannot be listed, unless an earlier page ended with this entry.
    fn fault(&mut self, key: String, error: &io::Error) -> bool {
        if self.after != Some(key.as_str()) {
            let fault = ListingFault { key, kind: kind_of_io(error), message: error.to_string() };
            let place = self.page.faults.partition_point(|earlier| earlier.key <= fault.key);
            self.page.faults.insert(place, fault);
        }
        self.has_room()
    }

    fn has_room(&self) -> bool {
        self.page.objects.len() + self.page.faults.len() < self.limit
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    type TestResult = Result<(), Box<dyn std::error::Error>>;

    /// A random number generator with a new seed for each run.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, end: usize) -> usize {
            // Knuth's MMIX.
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(self.0 >> 33).unwrap_or(0) % end
        }
    }

    /// Returns all keys, read in pages of `limit`.
    fn listed(root: &Path, prefix: &str, limit: usize) -> Result<Vec<String>, StoreError> {
        let (mut keys, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = Listing::new(prefix, after.as_deref(), limit).page_of(root)?;
            assert!(page.objects.len() <= limit && page.faults.is_empty());
            keys.extend(page.objects.into_iter().map(|object| object.key));
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(keys),
            }
        }
    }

    #[test]
    fn random_trees_are_listed_in_the_order_of_their_keys_by_pages_of_any_size() -> TestResult {
        let seed = SystemTime::now().duration_since(UNIX_EPOCH)?.subsec_nanos();
        let mut numbers = Numbers(u64::from(seed));
        // Characters that sort near the slash, and characters of several bytes.
        let letters = ["a", "b", "-", ".", "0", "!", " ", "A", "\u{e9}", "\u{d55c}", "~"];
        for _ in 0..60 {
            let folder = tempfile::tempdir()?;
            let mut expected = BTreeSet::new();
            for _ in 0..numbers.below(40) {
                let mut key = String::from("v");
                for _ in 0..=numbers.below(6) {
                    let piece =
                        if numbers.below(3) == 0 { "/x" } else { letters[numbers.below(letters.len())] };
                    key.push_str(piece);
                }
                let path = folder.path().join(&key);
                let parent = path.parent().ok_or("no parent")?;
                // A name is a file or a folder, whichever was created first.
                if check_key(&key).is_ok()
                    && fs::create_dir_all(parent).is_ok()
                    && fs::write(&path, b"x").is_ok()
                {
                    expected.insert(key);
                }
            }
            for prefix in ["", "v", "va", "v/", "va/x", "z"] {
                let expected: Vec<_> =
                    expected.iter().filter(|key| key.starts_with(prefix)).cloned().collect();
                for limit in [1, 2, 3, 7, 1000] {
                    assert_eq!(
                        listed(folder.path(), prefix, limit)?,
                        expected,
                        "{prefix:?} {limit} seed {seed}"
                    );
                }
            }
        }
        Ok(())
    }

    /// Each fault is listed once, in order with the objects, for every page size.
    #[cfg(unix)]
    #[test]
    fn faults_come_once_each_in_pages_of_any_size() -> TestResult {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt as _;
        use std::os::unix::fs::symlink;

        let folder = tempfile::tempdir()?;
        for name in ["a", "m", "z"] {
            fs::write(folder.path().join(name), b"x")?;
        }
        symlink("loop", folder.path().join("loop"))?;
        symlink("y_loop", folder.path().join("y_loop"))?;
        fs::write(folder.path().join(OsStr::from_bytes(b"b_\xff")), b"x")?;
        fs::create_dir(folder.path().join(OsStr::from_bytes(b"c_\xff")))?;
        for limit in 1..=9 {
            let (mut found, mut after) = (Vec::new(), None::<String>);
            for _ in 0..20 {
                let page = Listing::new("", after.as_deref(), limit).page_of(folder.path())?;
                after.clone_from(&page.next);
                let objects = page.objects.into_iter().map(|object| object.key);
                let mut both: Vec<_> =
                    objects.chain(page.faults.into_iter().map(|fault| fault.key)).collect();
                both.sort();
                found.append(&mut both);
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(found, ["a", "b_\u{fffd}", "c_\u{fffd}/", "loop", "m", "y_loop", "z"], "{limit}");
        }
        Ok(())
    }
}
