//! Which tasks are there?

/// What `cargo x help` prints.
pub(crate) const TEXT: &str = "\
usage: cargo x <task>

  house [CHECKOUT]  check the invariants that the README promises, by reading the tree
  core              check faultline-core alone, with each set of features
  demo [--once] [--simulated] [--days N] [--port PORT]
                    look back on N days of six countries, then measure them over real sockets
                    in namespaces, and serve the pages (cargo demo); --once measures once,
                    without a past, and ends after the table; --simulated sends no packets
  browse [measure]  drive a browser over the pages of a collector that serves a month of
                    simulated history; or measure how soon pages are readable on a slow phone
  measure-probe [PROFILE]
                    size and memory of the probe, in namespaces (default: dist)
  web [check]       build the web app into dashboards/dist, or only say whether it could be
  help              print this

exit status: 0 done, 1 something is broken, 2 not understood
";
