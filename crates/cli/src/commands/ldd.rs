//! `ldd`: the files that programs need to start. Nothing is executed.

mod json;
mod list;
mod tree;
mod why;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use thinjail_closure::closure::{Closure, FindError, Finder, Request, Role, System};
use thinjail_closure::tree::DirTree;
use thinjail_plan::resolve::missing_file;

use crate::args::Ldd;
use crate::exit_code::Exit;
use crate::report::{self, Failure};

/// Where programs are looked for by name in a tree that is not this system's.
const ROOT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Prints the files of each program in turn, and then what is missing.
#[inline(never)]
pub(super) fn execute(args: &Ldd) -> Result<Exit, Failure> {
    let root = args.root.as_deref().unwrap_or(Path::new("/"));
    let tree = DirTree::open_root(root)
        .map_err(|error| Failure::new(format!("look below {}", root.display())).cause(error))?;
    let mut finder = Finder::without_links(&tree, system());
    let mut request = request(args.root.is_some())?;
    request.implied = args.all;
    request.name_services = args.all;
    let mut form = Form::of(args);
    let mut good = true;
    for program in &args.programs {
        request.program.clone_from(program);
        match find(&mut finder, &mut request) {
            Ok(closure) => {
                good &= form.closure(&finder, program, &closure)?;
                for missing in &closure.missing {
                    good = false;
                    report::failure(&missing_file(program, missing).into());
                }
            }
            Err(error) => {
                good = false;
                let failure = failed(program, &error);
                form.failed(program, &failure)?;
                report::failure(&failure);
            }
        }
    }
    form.end()?;
    // The process ends: to take apart what was read takes longer than to leave it.
    std::mem::forget(finder);
    Ok(if good { Exit::Ok } else { Exit::No })
}

/// Programs of any machine may be asked about, and no one is suspected of moving links.
fn system() -> System {
    let freebsd = std::env::consts::OS == "freebsd";
    let release = freebsd.then(|| rustix::system::uname().release().to_string_lossy().into_owned());
    System { accept: None, release, ..System::running(0) }
}

/// The question without its program: what of this environment its loader would look at.
fn request(other_root: bool) -> Result<Request, Failure> {
    let mut request = Request::new("");
    if other_root {
        return Ok(request.path(ROOT_PATH));
    }
    request.cwd = std::env::current_dir().map_err(|error| Failure::new("find the current directory").cause(error))?;
    request.env = std::env::vars_os()
        .filter(|(name, _)| name == "PATH" || name.as_bytes().starts_with(b"LD_"))
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect::<BTreeMap<_, _>>();
    Ok(request)
}

/// A library names no interpreter, and gets the usual one. Neither that nor a program has to be executable.
fn find(finder: &mut Finder<'_>, request: &mut Request) -> Result<Closure, FindError> {
    request.interpreter = None;
    if request.program.contains('/') {
        let path = request.cwd.join(&request.program);
        request.interpreter = Some(finder.usual_interpreter(&path).unwrap_or_default());
    }
    let closure = finder.find(request)?;
    if request.env.is_empty() || !has_more_rights(&closure) {
        return Ok(closure);
    }
    request.secure = true;
    let closure = finder.find(request);
    request.secure = false;
    closure
}

/// Whether the kernel would start it with more rights than ours, so that its loader trusts the environment less. For a
/// script it never does.
fn has_more_rights(closure: &Closure) -> bool {
    let Some(program) = closure.members.first() else { return false };
    let meta = &program.resolved.meta;
    let other_user = meta.mode & 0o4000 != 0 && meta.uid != rustix::process::geteuid().as_raw();
    let other_group = meta.mode & 0o2000 != 0 && meta.gid != rustix::process::getegid().as_raw();
    let script = closure.members.iter().any(|member| member.role == Role::Script);
    (other_user || other_group) && !script
}

fn failed(program: &str, error: &FindError) -> Failure {
    let failure = Failure::new(format!("list what {program} needs"));
    match error {
        FindError::NotFound { source, .. } => failure.cause(report::chain(source)),
        FindError::NotInPath { searched, .. } => {
            let places: Vec<_> = searched.iter().map(|place| place.display().to_string()).collect();
            failure
                .cause(format!("there is no such program in {}", places.join(", ")))
                .help(format!("write ./{program} for a file of this directory"))
        }
        FindError::NotExecutable { why, .. } => failure.cause(report::chain(why)),
    }
}

/// In which form the answers come.
enum Form {
    List(list::List),
    Tree,
    Json(json::Json),
    Why(String),
}

impl Form {
    fn of(args: &Ldd) -> Self {
        match &args.why {
            Some(library) => Self::Why(library.clone()),
            None if args.tree => Self::Tree,
            None if args.json => Self::Json(json::Json::default()),
            None => Self::List(list::List::of(args.programs.len())),
        }
    }

    /// Prints the answer for one program; whether it is a yes.
    fn closure(&mut self, finder: &Finder<'_>, program: &str, closure: &Closure) -> Result<bool, Failure> {
        match self {
            Self::List(list) => report::answer(&list.closure(closure))?,
            Self::Tree => report::answer(&tree::text(closure))?,
            Self::Json(json) => match json.closure(program, closure) {
                Ok(text) => report::answer(&text)?,
                // A path that is no text. The programs that follow still get their answers.
                Err(failure) => {
                    report::answer(&json.failed(program, &failure)?)?;
                    report::failure(&failure);
                    return Ok(false);
                }
            },
            Self::Why(library) => match why::text(finder, closure, library) {
                Some(text) => report::answer(&text)?,
                None => {
                    report::say(&format!("{program} does not load {library}"));
                    return Ok(false);
                }
            },
        }
        Ok(true)
    }

    /// The place of a program in the answer that has none.
    fn failed(&mut self, program: &str, failure: &Failure) -> Result<(), Failure> {
        match self {
            Self::Json(json) => report::answer(&json.failed(program, failure)?),
            Self::List(_) | Self::Tree | Self::Why(_) => Ok(()),
        }
    }

    fn end(&self) -> Result<(), Failure> {
        match self {
            Self::Json(json) => report::answer(json.end()),
            Self::List(_) | Self::Tree | Self::Why(_) => Ok(()),
        }
    }
}

/// A path on one line of the terminal: no control character of its own breaks it.
fn shown(path: &Path) -> Cow<'_, str> {
    let text = path.to_string_lossy();
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if plain || !text.contains(char::is_control) {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out.into()
}
