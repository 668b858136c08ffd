//! Hands the linker the order of the functions, where `cargo xtask dist` names the file.

fn main() {
    println!("cargo::rerun-if-env-changed=THINJAIL_ORDER");
    println!("cargo::rerun-if-changed=build.rs");
    if let Ok(script) = std::env::var("THINJAIL_ORDER") {
        println!("cargo::rerun-if-changed={script}");
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{script}");
    }
}
