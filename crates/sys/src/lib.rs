//! One safe function per system call; the only unsafe code of the project.
