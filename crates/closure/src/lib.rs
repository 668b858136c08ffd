//! Which files does this program need to start?
//!
//! This crate answers as the system's own run-time linker would, file for file, and executes nothing: ldd(1) asks the
//! linker itself, and so runs what the file names as its linker. Files are read only through a [`tree::Tree`]: the host, a
//! directory that stands for another host, the planned inside of a jail, or a tree in memory.
//!
//! # Words
//!
//! - **closure**: the program asked for, and all files that must be there before its `main` runs.
//! - **interpreter**: the program that the kernel starts in a program's place and that loads the libraries, named by
//!   `PT_INTERP`; also called run-time linker, or loader: ld.so(8), rtld(1). What a `#!` line names is here the
//!   *interpreter of a script*.
//! - **needed**: the names of libraries in an object's dynamic section, `DT_NEEDED`.
//! - **soname**: what a library calls itself, `DT_SONAME`, and is needed by.
//! - **rpath**, **runpath**: directories to search that an object brings along, `DT_RPATH` and `DT_RUNPATH`. Who else they
//!   count for is different with each loader.
//! - **origin**: the directory of an object, `$ORIGIN` in its paths.
//! - **hints**: what the system says of its libraries: ld.so.cache, ld-elf.so.hints, musl's path file.
//! - **plug-in**: an object that no file names, and that the program loads when it runs, by dlopen(3).
//! - **member**: one path of the closure. Two members may be one file: a loader opens both paths before it sees that.
//!
//! # Example
//!
//! ```
//! use thinjail_closure::closure::{Finder, Objects, Request, System};
//! use thinjail_closure::tree::DirTree;
//!
//! let tree = DirTree::host()?;
//! // One finder for many programs: what they share is read once.
//! let mut finder = Finder::new(&tree, System::running(0), Objects::default());
//! let closure = finder.find(&Request::new("env").path("/usr/bin:/bin"))?;
//! for member in &closure.members {
//!     println!("{} ({:?}, {:?})", member.path.display(), member.role, member.how);
//! }
//! for missing in &closure.missing {
//!     println!("{} is missing, needed by {}", missing.name, missing.needed_by.display());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A program that loads plug-ins when it runs, as Python loads modules, brings what these need, if it is said where they are:
//!
//! ```
//! use thinjail_closure::closure::{Request, System, find};
//! use thinjail_closure::tree::DirTree;
//!
//! let request = Request::new("sh").path("/usr/bin:/bin").loads(["/usr/lib/python3/dist-packages"]);
//! let closure = find(&DirTree::host()?, System::running(0), &request)?;
//! // The program starts without them.
//! for wanting in &closure.wanting {
//!     println!("{} is not there", wanting.name);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is followed
//!
//! | system | its rules |
//! | --- | --- |
//! | glibc | reuse by name, soname and inode; rpath up the chain of loaders, `LD_LIBRARY_PATH`, runpath, ld.so.cache in its old and new form, the directories compiled into the interpreter at hand; `glibc-hwcaps` of the processor, and before 2.37 `tls`, `haswell` and their like; `LD_PRELOAD`, ld.so.preload, filters, `DF_1_NODEFLIB`, `$ORIGIN`, `$LIB`, `$PLATFORM` |
//! | musl | rpath and runpath up the chain of loaders, its path file or what is compiled in; libc is the interpreter |
//! | FreeBSD | rpath of the object and of the program, `LD_LIBRARY_PATH`, runpath, ld-elf.so.hints, standard directories; libmap.conf with its constraints and includes; `LD_32_` and the hints of 32-bit programs; `$OSNAME`, `$OSREL` |
//! | all | programs of another machine than this one, `AT_SECURE` ([`Request::secure`]), scripts and env(1), files that are not for the program's machine |
//!
//! Beyond what the loader reads before `main` ([`Request::implied`]): libgcc_s for who cancels threads, the modules for names
//! of a glibc before 2.34 and those of nsswitch.conf ([`Request::name_services`]), and what notes about dlopen(3) say is
//! required or recommended. Plug-ins are followed where it is
//! said that they are loaded ([`Request::loads`]); [`plugins`] knows where they are for well-known programs.
//!
//! Not followed: `LD_AUDIT`, `LD_LIBRARY_PATH_FDS`, tunables that mask levels of the processor, and what a program opens by a
//! name that no file says.
//!
//! [`Request::secure`]: closure::Request::secure
//! [`Request::implied`]: closure::Request::implied
//! [`Request::name_services`]: closure::Request::name_services
//! [`Request::loads`]: closure::Request::loads
//!
//! # Bounds
//!
//! Files are hostile. None is executed, nothing but a regular file is opened, and what one says decides neither how much is
//! read nor for how long it is searched: sizes are capped, and a closure ends after a million files that were looked for.
//!
//! # Where things are
//!
//! | module | its job |
//! | --- | --- |
//! | [`tree`] | what files are read through, and how a path is followed to its end |
//! | [`closure`] | the question and the answer |
//! | [`script`] | `#!` lines and env(1) |
//! | [`elf`], [`machine`] | what a file says of itself |
//! | [`plugins`] | where known programs have plug-ins |
//! | [`tokens`] | `$ORIGIN` and its like |
//! | [`hints`] | the system's files about libraries: read, and written for a jail |
//! | [`runtime`] | where the runtime of a language has its modules |
//! | [`uses`] | what of the usual files of /etc a program asks for |
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

/// Its example is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod closure;
pub mod elf;
mod find;
pub mod hints;
pub mod machine;
mod names;
pub mod plugins;
pub mod runtime;
pub mod script;
mod search;
pub mod tokens;
pub mod tree;
pub mod uses;
mod walk;
