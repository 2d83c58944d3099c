//! Methods against their formulas, their invariances, their rates, and their defaults on every kind of measurement.

mod behaviour;
mod bounded;
mod defaults;
mod fixed_trace;
mod games;
mod gauss_newton;
mod nonnegative;
mod perturbed;
mod rays;
mod starts;
mod steps;
mod textbook;
mod values;
