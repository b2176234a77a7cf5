//! How fragmented is the Internet as a country's users see it, and how sure is that? Pure
//! functions over cells: no SQL, no HTTP, no clock. The method is [`profile::METHOD`];
//! [`method`] prints it; `docs/method.md` explains it.
//!
//! ```text
//! row + verdict -> cells -> evidence -> rates -> score, posterior -> profile
//! ```

pub mod aggregate;
pub mod assess;
pub mod binomial;
pub mod cell;
pub mod chance;
pub mod change;
pub mod contest;
pub mod estimate;
pub mod evidence;
pub mod explain;
pub mod floors;
pub mod index;
pub mod indicator;
pub mod method;
pub mod namespace;
pub mod posterior;
pub mod profile;
pub mod services;
pub mod shares;
pub mod vintage;
