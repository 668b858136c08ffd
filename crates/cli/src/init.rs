//! Services of an init system on this host: which init system runs, what is put in place of which file, and how all of it is
//! taken back. What is written is decided by thinjail_plan::init, or by who adopts a service.

pub(crate) mod adopted;
pub(crate) mod command;
pub(crate) mod detect;
pub(crate) mod diff;
pub(crate) mod lock;
pub(crate) mod place;
pub(crate) mod record;
