//! What happened? From who was heard when, and what was noted, to events. Pure functions over
//! rows with time as an argument. [`Detector`] is the way in: rows, ticks, revisions.

mod aftermath;
mod apart;
mod belief;
mod burst;
mod cables;
mod case;
mod classify;
mod control;
mod coverage;
mod cusum;
mod detector;
mod draft;
pub mod event;
mod fleet;
mod group;
mod incident;
pub mod input;
mod late;
pub mod liveness;
mod moment;
mod probe;
mod raise;
mod settings;
mod severity;
mod site;
mod slow;
pub mod wave;
mod witness;

pub use detector::{Changes, Detector};
pub use input::Input;
pub use settings::Settings;

#[cfg(test)]
mod tests;
