//! What happened? From who was heard when, and what was noted, to events. Pure functions over
//! rows with time as an argument; built so far: how alive each probe is.

pub mod liveness;
