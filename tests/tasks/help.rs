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
  detection [--seeds N | --benign N | --cost]
                    how much of each kind of interference is found over lines that lose
                    packets, N (50) runs each; or N runs of each harmless world, where every
                    anomaly is a failure; or what a target costs (faster with cargo run --release -p faultline-tests)
  browse [measure]  drive a browser over the pages of a collector that serves a month of
                    simulated history; or measure how soon pages are readable on a slow phone
  firmware          build the images of boards, and say where the emulated one is
  sizes             what the emulated board's image takes of flash and RAM, in a life
  power-cuts [--times N]
                    cut the emulated board's power so often (default: 200) while it works
  dist [check] [--target amd64|arm64|armhf]... [--version V] [--profile P]
                    build the probe's Debian packages into target/packages (default: all
                    three, by the profile dist), or only get the tools and say whether it works
  evaluate [--events FILE] [--fleets 3,5,10,20,50] [--seeds N] [--quiet-years N] [--out DIR]
                    replay an events file and quiet years with simulated fleets of probes, hold
                    the detector of shutdowns and its rivals against the truth, and write a page
                    and tables (default: into target/evaluation); fails where a bar does not hold
  measure-probe [PROFILE | --package amd64|arm64|armhf]
                    size and memory of the probe while it measures, in namespaces (default:
                    dist), or of a package's program that `dist` built, with qemu if needed;
                    fails above the limits of docs/benchmarks.md
  web [check]       build the web app into dashboards/dist, or only say whether it could be
  help              print this

exit status: 0 done, 1 something is broken, 2 not understood
";
