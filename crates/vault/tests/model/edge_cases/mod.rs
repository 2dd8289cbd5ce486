//! Cases that deserve to be named, each told step by step.

mod elsewhere;
mod full;
mod memories;
mod shared;
mod trash;
mod uploads;
