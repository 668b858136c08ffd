//! spec + facts -> plan. Decides everything, touches nothing.
#![forbid(unsafe_code)]

pub mod facts;
pub mod path;
pub mod plan;
pub mod resolve;
pub mod spec;
pub mod step;
pub mod wants;
