//! The files of the project, as text.
#![expect(clippy::unwrap_used, reason = "a tree that can't be read fails the test")]

use std::fs;
use std::path::Path;

/// Path from the project's root, and text.
pub(crate) struct Sources(Vec<(String, String)>);

impl Sources {
    /// All text files of the tree, but for what is built and what git keeps for itself.
    pub(crate) fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut files = Vec::new();
        read(&root, "", &mut files);
        assert!(files.len() > 50, "these are not the sources: {} files", files.len());
        Self(files)
    }

    /// A tree that is made up.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    pub(crate) fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.iter().filter(|(path, _)| path.ends_with(".rs"))
    }

    pub(crate) fn get(&self, wanted: &str) -> Option<&str> {
        self.iter().find(|(path, _)| *path == wanted).map(|(_, text)| text)
    }
}

fn read(dir: &Path, below: &str, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        let kind = entry.file_type().unwrap();
        // In a work tree of git, .git is a file.
        if ["target", ".git"].contains(&name.as_str()) {
            continue;
        }
        if kind.is_dir() {
            read(&entry.path(), &path, files);
        } else if kind.is_file()
            && let Ok(text) = fs::read_to_string(entry.path())
        {
            files.push((path, text));
        }
    }
}
