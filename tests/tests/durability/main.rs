//! Is anything lost, doubled or put in the wrong place, whatever is killed, cut, full or
//! forged?
//!
//! Real processes are killed at their n-th system call by strace, which also fills disks:
//! no point in time is left to chance or to a sleep. The quick run takes a seeded sample of
//! the points; `FAULTLINE_EVERY_POINT=1` takes all, `FAULTLINE_SEED` other samples.

mod attribution;
mod clock_jumps;
mod collector_killed;
mod events_killed;
mod import_killed;
mod ledger_killed;
mod load;
mod probe_killed;
mod process;
mod refusals;
mod uplink_mangled;
mod world;
