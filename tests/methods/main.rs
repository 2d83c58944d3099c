//! Methods against their formulas, their invariances, their rates, and their defaults on every kind of measurement.

mod behaviour;
mod defaults;
mod rays;
#[path = "../common/running.rs"]
mod running;
mod starts;
mod steps;
mod textbook;
#[path = "../common/thin.rs"]
mod thin;
