//! Cases that deserve to be named, each told step by step.

mod elsewhere;
mod memories;
mod uploads;
