//! spec + facts -> plan. Decides everything, touches nothing.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod adopt;
mod defaults;
pub mod doubts;
pub mod env_file;
mod etc;
pub mod explain;
pub mod facts;
pub mod init;
pub mod join;
pub mod nearest;
pub mod needs;
pub mod path;
pub mod paths;
pub mod plan;
pub mod resolve;
pub mod show;
pub mod spec;
mod special;
pub mod step;
pub mod syscalls;
pub mod wants;
mod wishes;
