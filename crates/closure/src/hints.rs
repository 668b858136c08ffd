//! The files in which a system says where its libraries are.

pub mod ld_elf_hints;
pub mod ld_so_cache;
pub mod ld_so_conf;
pub mod libmap;
pub mod musl_path;
pub mod nsswitch;
