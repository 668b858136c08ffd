//! `$ORIGIN` and its like in search paths and needed names: ld.so(8) "Dynamic string tokens", rtld(1).

/// What the tokens of one object stand for. A token that is known but has no value makes the whole text unusable.
#[derive(Clone, Copy, Debug)]
pub struct Token<'a> {
    /// Its name without `$`.
    pub name: &'a str,
    /// What it stands for.
    pub value: Option<&'a str>,
}

/// A text with its tokens replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expanded {
    /// The text.
    pub text: String,
    /// Whether `$ORIGIN` was in it.
    pub origin: bool,
}

/// Replaces `$NAME` and `${NAME}` for each of `tokens`; any other `$` stays. None where a token has no value.
#[must_use]
pub fn expand(text: &str, tokens: &[Token<'_>]) -> Option<Expanded> {
    let mut out = Expanded { text: String::new(), origin: false };
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, after) = rest.split_at(at);
        out.text.push_str(before);
        match tokens.iter().find_map(|token| length(after, token.name).map(|length| (token, length))) {
            Some((token, length)) => {
                out.text.push_str(token.value?);
                out.origin |= token.name == "ORIGIN";
                rest = after.get(length..).unwrap_or_default();
            }
            None => {
                out.text.push('$');
                rest = after.get(1..).unwrap_or_default();
            }
        }
    }
    out.text.push_str(rest);
    Some(out)
}

/// Whether `$ORIGIN`, if it is in `text`, is there once, at the beginning, with nothing or a `/` behind it. That is all that
/// glibc takes from a program with more rights than its caller.
#[must_use]
pub fn origin_stands_first(text: &str) -> bool {
    text.match_indices('$').all(|(at, _)| match text.get(at..).and_then(|rest| Some((rest, length(rest, "ORIGIN")?))) {
        Some((rest, length)) => at == 0 && matches!(rest.as_bytes().get(length), None | Some(b'/')),
        None => true,
    })
}

/// How many bytes the token `name` takes at the beginning of `text`, which begins with `$`, if it is there. A longer
/// identifier is another one: `$ORIGINAL` is no token.
fn length(text: &str, name: &str) -> Option<usize> {
    let text = text.strip_prefix('$')?;
    if let Some(braced) = text.strip_prefix('{') {
        return braced.strip_prefix(name)?.starts_with('}').then_some(name.len() + 3);
    }
    let next = text.strip_prefix(name)?.bytes().next();
    let goes_on = next.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (!goes_on).then_some(name.len() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKENS: &[Token<'_>] =
        &[Token { name: "ORIGIN", value: Some("/opt/x") }, Token { name: "PLATFORM", value: None }];

    fn text(from: &str) -> Option<String> {
        expand(from, TOKENS).map(|out| out.text)
    }

    #[test]
    fn tokens_stand_bare_and_in_braces() {
        assert_eq!(text("$ORIGIN/../lib").as_deref(), Some("/opt/x/../lib"));
        assert_eq!(text("a${ORIGIN}b$ORIGIN").as_deref(), Some("a/opt/xb/opt/x"));
        assert_eq!(expand("/lib", TOKENS).map(|out| out.origin), Some(false));
        assert_eq!(expand("/$ORIGIN", TOKENS).map(|out| out.origin), Some(true));
    }

    #[test]
    fn what_is_no_token_stays() {
        for same in ["$ORIGINAL", "$ORIGIN_", "${ORIGIN", "${ORIGINX}", "$", "$$", "$origin", "$LIB", "a$"] {
            assert_eq!(text(same).as_deref(), Some(same));
        }
        assert_eq!(text("$$ORIGIN").as_deref(), Some("$/opt/x"));
    }

    #[test]
    fn an_origin_that_stands_first_stands_alone_or_before_a_slash() {
        for first in ["$ORIGIN", "${ORIGIN}/../$LIB", "/lib/$LIB", "$ORIGINAL", ""] {
            assert!(origin_stands_first(first), "{first}");
        }
        for other in ["/x/$ORIGIN", "$ORIGIN.d", "${ORIGIN}x", "$ORIGIN/$ORIGIN", "$LIB$ORIGIN"] {
            assert!(!origin_stands_first(other), "{other}");
        }
    }

    #[test]
    fn a_token_without_a_value_spoils_the_text() {
        assert_eq!(text("/lib/$PLATFORM"), None);
    }
}
