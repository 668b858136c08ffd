//! A list without its last bracket takes every line below it for one more of its items.

use super::fault::{Fault, shortened};

/// The fault, and the text with the bracket in its place.
pub(super) fn list(text: &str, error: &toml::de::Error) -> Option<(Fault, String)> {
    let at = error.span()?.start;
    if !error.message().starts_with("missing comma between array elements") {
        return None;
    }
    let begin = text.get(..at)?.rfind('\n')? + 1;
    let next = text.get(begin..)?.lines().next()?.trim_start();
    let key = next.split(['=', ' ']).next().unwrap_or_default();
    let is_key =
        next.contains('=') && !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    if !is_key && !next.starts_with('[') {
        return None;
    }
    // The last line above with anything on it is where the list ends, and one above that, or it, is where it begins.
    let above = text.get(..begin)?.trim_end();
    let start = above.rfind("= [").or_else(|| above.rfind("=["))?;
    let line = above.get(..start)?.rfind('\n').map_or(0, |end| end + 1);
    let key = above.get(line..start)?.trim();
    let bracket = start + above.get(start..)?.find('[')?;
    let mended = format!("{above}]{}", text.get(above.len()..)?);
    let written = above.get(line..)?;
    let fault = Fault::new(bracket..bracket + 1, format!("the list of `{}` is never closed", shortened(key)));
    let help = if written.contains('\n') || written.contains('#') {
        "write ] behind its last item".to_owned()
    } else {
        format!("write {}]", written.trim())
    };
    Some((fault.help(help).about(key), mended))
}
