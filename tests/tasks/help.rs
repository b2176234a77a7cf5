//! Which tasks are there?

/// What `cargo x help` prints.
pub(crate) const TEXT: &str = "\
usage: cargo x <task>

  house [CHECKOUT]  check the invariants that the README promises, by reading the tree
  core              check faultline-core alone, with each set of features
  demo [--once] [--simulated] [--port PORT]
                    measure a world of six countries over real sockets in namespaces, show
                    what was found and serve it (cargo demo); --once ends after the table,
                    --simulated sends no packets
  measure-probe [PROFILE]
                    size and memory of the probe, in namespaces (default: dist)
  web [check]       build the web app into dashboards/dist, or only say whether it could be
  help              print this

exit status: 0 done, 1 something is broken, 2 not understood
";
