//! How does a probe see an Internet of which everything is known?
//!
//! A [`scenario::Scenario`] describes a world; [`run::run`] builds it in process and in
//! virtual time (rung 1), [`live::run`] from namespaces and real sockets (rung 2). Either
//! lets the probe's own experiments measure in it, and judges what they saw by the rules
//! that the collector uses. All countries, networks, names and addresses are fictitious: the
//! addresses are globally routable in form, since special-purpose ones mean forgery to the
//! rules, and belong to nobody here. No packet leaves the process, or its namespaces.

pub mod alike;
pub mod authority;
pub mod captive;
pub mod clock;
pub mod ech;
pub mod entropy;
#[path = "../evaluation/mod.rs"]
pub mod evaluation;
pub mod flow;
pub mod link;
pub mod live;
pub mod middlebox;
pub mod network;
pub mod observatory;
pub mod outage;
pub mod path;
pub mod quic;
pub mod resolver;
pub mod run;
pub mod scenario;
pub mod web;
pub mod world;
pub mod zone;
