//! System tests: what they share. The tests themselves are in `tests/`.
