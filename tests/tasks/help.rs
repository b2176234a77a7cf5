//! Which tasks are there?

/// What `cargo x help` prints.
pub(crate) const TEXT: &str = "\
usage: cargo x <task>

  house [CHECKOUT]  check the invariants that the README promises, by reading the tree
  core              check faultline-core alone, with each set of features
  demo [--once] [--port PORT]
                    measure a simulated world and show what was found (cargo demo)
  measure-probe [PROFILE]
                    size and memory of the probe, in namespaces (default: dist)
  help              print this

exit status: 0 done, 1 something is broken, 2 not understood
";
