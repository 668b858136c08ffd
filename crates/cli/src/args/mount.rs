//! `--mount SOURCE[:TARGET][:OPTIONS]`.

use thinjail_plan::spec::Mount;

/// The words of `[[mount]]` in one word. A path with a `:` in it needs a profile.
pub(super) fn parse(text: &str) -> Result<Mount, String> {
    let mut parts = text.split(':');
    let mut mount = Mount { source: parts.next().unwrap_or_default().to_owned(), ..Mount::default() };
    let mut options = None;
    for part in parts {
        if part.starts_with('/') && mount.target.is_none() && options.is_none() {
            mount.target = Some(part.to_owned());
        } else if options.is_none() {
            options = Some(part);
        } else {
            return Err("it has more than SOURCE:TARGET:OPTIONS; a path with a `:` needs a profile".into());
        }
    }
    for option in options.into_iter().flat_map(|options| options.split(',')) {
        set(&mut mount, option)?;
    }
    Ok(mount)
}

fn set(mount: &mut Mount, option: &str) -> Result<(), String> {
    match option.split_once('=').unwrap_or((option, "")) {
        ("write" | "rw", "") => mount.write = true,
        // What a mount is unless `write` is said; people say it.
        ("read" | "ro", "") => mount.write = false,
        ("exec", "") => mount.exec = true,
        ("optional", "") => mount.optional = true,
        ("create", "") => mount.create = true,
        ("owner", owner) if !owner.is_empty() => mount.owner = Some(owner.into()),
        ("group", group) if !group.is_empty() => mount.group = Some(group.into()),
        ("mode", mode) if !mode.is_empty() => mount.mode = Some(mode.into()),
        _ => {
            return Err(format!(
                "{option:?} is no option of a mount: write, exec, optional, create, owner=NAME, group=NAME, mode=OCTAL"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_and_options_may_be_left_out() {
        let plain = Mount { source: "/a".into(), ..Mount::default() };
        assert_eq!(parse("/a"), Ok(plain.clone()));
        assert_eq!(parse("/a:ro"), Ok(plain.clone()));
        assert_eq!(parse("/a:write,optional"), Ok(Mount { write: true, optional: true, ..plain.clone() }));
        let both = Mount { target: Some("/b".into()), create: true, mode: Some("700".into()), ..plain };
        assert_eq!(parse("/a:/b:create,mode=700"), Ok(both));
    }

    #[test]
    fn what_is_no_option_is_an_error() {
        for text in ["/a:b", "/a:/b:", "/a:/b:exec:x", "/a:exec:/b", "/a:owner=", "/a:exec=1", "/a:/b:/c"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
