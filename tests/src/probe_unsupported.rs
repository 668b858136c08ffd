//! The program `probe` where mount namespaces are unknown.

use std::error::Error;

/// Refuses.
///
/// # Errors
///
/// Always.
pub fn run(_pid: Option<&str>) -> Result<(), Box<dyn Error>> {
    Err("probe is for Linux".into())
}
