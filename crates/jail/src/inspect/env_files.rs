//! Files of variables: their names, and no value.

use std::collections::{BTreeMap, BTreeSet};

use thinjail_closure::tree::{Kind, Resolver};
use thinjail_plan::env_file::{MOST, parse};
use thinjail_plan::facts::EnvFileFact;
use thinjail_plan::path::HostPath;

use super::paths::why;

/// What is in each that is there.
pub(super) fn look(resolver: &mut Resolver<'_>, paths: &BTreeSet<HostPath>) -> BTreeMap<HostPath, EnvFileFact> {
    paths.iter().filter_map(|path| Some((path.clone(), one(resolver, path)?))).collect()
}

fn one(resolver: &mut Resolver<'_>, path: &HostPath) -> Option<EnvFileFact> {
    let found = resolver.resolve(path.as_ref()).ok().filter(|found| found.meta.kind == Kind::File)?;
    let loose = resolver.is_loose(&found.real).unwrap_or(true);
    let read = || {
        let file = resolver.tree().open_found(&found)?;
        if file.len() > MOST {
            return Err(std::io::Error::other("it has more than 256 KiB"));
        }
        let mut bytes = vec![0; usize::try_from(file.len()).unwrap_or_default()];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    };
    Some(match read() {
        Err(error) => EnvFileFact::Refused { loose, why: format!("read {path}: {}", why(&error)) },
        Ok(bytes) => match parse(&bytes) {
            Ok(found) => EnvFileFact::Names { loose, names: found.into_iter().map(|(name, _)| name).collect() },
            Err(fault) => EnvFileFact::Fault { loose, fault },
        },
    })
}
