//! Paths on the host and paths inside the jail: two types that never mix.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a string is no path for us.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Nothing there.
    #[error("the path is empty")]
    Empty,
    /// Does not start with `/`.
    #[error("{0:?} is not an absolute path")]
    Relative(String),
    /// Has a `..`.
    #[error("{0:?} has a `..` in it")]
    DotDot(String),
    /// Has a NUL byte, which no system call takes.
    #[error("{0:?} has a NUL byte in it")]
    Nul(String),
    /// Longer than PATH_MAX.
    #[error("the path has {0} bytes; the kernel takes 4095 at most")]
    TooLong(usize),
    /// Bytes that are not UTF-8.
    #[error("{0:?} is not UTF-8")]
    NotUtf8(String),
}

/// Makes a path absolute-and-plain: no `.`, no `//`, no trailing `/`; a `..` is refused, since what it means depends on
/// links.
fn plain(text: &str) -> Result<String, PathError> {
    if text.is_empty() {
        return Err(PathError::Empty);
    }
    if text.contains('\0') {
        return Err(PathError::Nul(text.into()));
    }
    if !text.starts_with('/') {
        return Err(PathError::Relative(text.into()));
    }
    if text.len() > 4095 {
        return Err(PathError::TooLong(text.len()));
    }
    let mut out = String::with_capacity(text.len());
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => return Err(PathError::DotDot(text.into())),
            name => {
                out.push('/');
                out.push_str(name);
            }
        }
    }
    if out.is_empty() {
        out.push('/');
    }
    Ok(out)
}

macro_rules! path_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// An absolute path; `.`, `//` and a trailing `/` are taken out, `..` is refused.
            pub fn new(text: &str) -> Result<Self, PathError> {
                plain(text).map(Self)
            }

            /// The same from a path that a tree handed out.
            pub fn from_path(path: &std::path::Path) -> Result<Self, PathError> {
                match path.to_str() {
                    Some(text) => Self::new(text),
                    None => Err(PathError::NotUtf8(path.to_string_lossy().into_owned())),
                }
            }

            /// A path that stands in our own source, plain already.
            pub(crate) fn fixed(text: &'static str) -> Self {
                debug_assert_eq!(plain(text).as_deref(), Ok(text));
                Self(text.into())
            }

            /// `/`.
            #[must_use]
            pub fn root() -> Self {
                Self("/".into())
            }

            /// The text, beginning with `/`.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The names in it, from the root on.
            pub fn parts(&self) -> impl Iterator<Item = &str> {
                self.0.split('/').filter(|part| !part.is_empty())
            }

            /// The last name; none for `/`.
            #[must_use]
            pub fn name(&self) -> Option<&str> {
                self.0.rsplit('/').next().filter(|name| !name.is_empty())
            }

            /// The directory that holds it; none for `/`.
            #[must_use]
            pub fn parent(&self) -> Option<Self> {
                match self.0.rfind('/') {
                    _ if self.0 == "/" => None,
                    Some(0) => Some(Self::root()),
                    Some(at) => Some(Self(self.0[..at].into())),
                    None => None,
                }
            }

            /// This path with `below` under it; `below` is one or more plain names.
            pub fn join(&self, below: &str) -> Result<Self, PathError> {
                Self::new(&format!("{}/{below}", self.0))
            }

            /// What is left of this path below `dir`, without a leading `/`; empty if they are the same.
            #[must_use]
            pub fn below<'a>(&'a self, dir: &Self) -> Option<&'a str> {
                if dir.0 == "/" {
                    return Some(&self.0[1..]);
                }
                let rest = self.0.strip_prefix(dir.0.as_str())?;
                match rest.strip_prefix('/') {
                    Some(rest) => Some(rest),
                    None if rest.is_empty() => Some(""),
                    None => None,
                }
            }
        }

        impl fmt::Display for $name {
            /// Control characters are escaped, so that a hostile name can't forge a line of our output.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                // Most have none, and each plan writes many of them.
                if self.0.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
                    return f.write_str(&self.0);
                }
                for c in self.0.chars() {
                    if c.is_control() {
                        write!(f, "{}", c.escape_default())?;
                    } else {
                        write!(f, "{c}")?;
                    }
                }
                Ok(())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = PathError;
            fn try_from(text: String) -> Result<Self, PathError> {
                Self::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(path: $name) -> Self {
                path.0
            }
        }

        impl AsRef<std::path::Path> for $name {
            fn as_ref(&self) -> &std::path::Path {
                self.0.as_ref()
            }
        }
    };
}

path_type! {
    /// A path on the host.
    HostPath
}
path_type! {
    /// A path inside the jail.
    RootPath
}

impl HostPath {
    /// The same path inside: most things keep their place.
    #[must_use]
    pub fn inside(&self) -> RootPath {
        RootPath(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_and_slashes_are_taken_out() {
        assert_eq!(HostPath::new("//a/./b//").map(String::from), Ok("/a/b".into()));
        assert_eq!(HostPath::new("/").map(String::from), Ok("/".into()));
        assert_eq!(HostPath::new("/."), Ok(HostPath::root()));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        assert_eq!(HostPath::new(""), Err(PathError::Empty));
        assert_eq!(HostPath::new("a"), Err(PathError::Relative("a".into())));
        assert_eq!(HostPath::new("/a/../b"), Err(PathError::DotDot("/a/../b".into())));
        assert_eq!(HostPath::new("/a\0"), Err(PathError::Nul("/a\0".into())));
        assert_eq!(HostPath::new(&"/a".repeat(2048)), Err(PathError::TooLong(4096)));
    }

    #[test]
    fn below_counts_whole_names() {
        let dir = HostPath("/etc/ng".into());
        assert_eq!(HostPath("/etc/nginx".into()).below(&dir), None);
        assert_eq!(HostPath("/etc/ng/x".into()).below(&dir), Some("x"));
        assert_eq!(HostPath("/etc/ng".into()).below(&dir), Some(""));
        assert_eq!(HostPath("/x".into()).below(&HostPath::root()), Some("x"));
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(HostPath("/a\nb".into()).to_string(), "/a\\nb");
    }
}
