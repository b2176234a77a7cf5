//! Tasks: `cargo x <task>`.
fn main() {}
