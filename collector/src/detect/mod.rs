//! What happened? From who was heard when, and what was noted, to events. Pure functions over
//! rows with time as an argument.

pub mod event;
pub mod input;
pub mod liveness;
pub mod wave;
