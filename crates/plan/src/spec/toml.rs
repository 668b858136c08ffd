//! TOML -> [`Spec`](super::Spec), with line, column and hint for what does not fit.
