//! Templates with `%%NAME%%` in them, as FreeBSD's ports have it: the text of a script stays readable as what it is.

/// The template with each name replaced, once: what is in a value is no name. One that is not known stays.
pub(crate) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut text = String::with_capacity(template.len() * 2);
    let mut parts = template.split("%%");
    text.push_str(parts.next().unwrap_or_default());
    // Every second part is a name, for templates are ours.
    while let Some(name) = parts.next() {
        match values.iter().find(|(known, _)| *known == name) {
            Some((_, value)) => text.push_str(value),
            None => text.extend(["%%", name, "%%"]),
        }
        text.push_str(parts.next().unwrap_or_default());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_no_template() {
        assert_eq!(fill("a %%X%%%%Y%% %%Z%%\n", &[("X", "%%Y%%"), ("Y", "y")]), "a %%Y%%y %%Z%%\n");
    }
}
