//! spec + facts -> plan. Decides everything, touches nothing.
#![forbid(unsafe_code)]

mod defaults;
mod etc;
pub mod facts;
mod nearest;
pub mod path;
pub mod plan;
pub mod resolve;
pub mod spec;
pub mod step;
pub mod wants;
mod wishes;
