//! How well are shutdowns found? Fleets of probes live through worlds in which everything that
//! happens is known; the detector, and the rules of others beside it, see what a collector
//! would see, and what they say is held against the truth.
//!
//! ```text
//!   events file -> history -> strike --.
//!   fleet -> habits, benign ------------+-> timeline -> rows -> play -> score -> report
//!                                                          `--> rivals --^
//! ```
//!
//! The generator knows nothing of the detector but the rows that it takes
//! ([`faultline_collector::detect::input`]): a world that shared the detector's picture of
//! the world would agree with it. Figures come from what others published (each constant says
//! which); where nothing was published it says so.
//!
//! Times here are whole seconds since 1970.

pub mod benign;
pub mod calendar;
pub mod chance;
pub mod fleet;
pub mod history;
pub mod play;
pub mod quiet;
pub mod replay;
pub mod report;
pub mod rivals;
pub mod rows;
pub mod run;
pub mod score;
pub mod strike;
pub mod timeline;
pub mod world;
