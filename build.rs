//! Passes on what nginx-sys found out about the nginx that the module is built for.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    cfg_from_env("ngx_feature", "DEP_NGINX_FEATURES", "DEP_NGINX_FEATURES_CHECK");
    cfg_from_env("ngx_os", "DEP_NGINX_OS", "DEP_NGINX_OS_CHECK");
}

/// Sets `cfg(name = "value")` for each value that nginx-sys lists in a variable.
fn cfg_from_env(name: &str, values: &str, allowed: &str) {
    println!("cargo::rerun-if-env-changed={values}");
    println!("cargo::rerun-if-env-changed={allowed}");
    let check = env::var(allowed).unwrap_or_else(|_| "any()".into());
    println!("cargo::rustc-check-cfg=cfg({name}, values({check}))");
    for value in env::var(values).unwrap_or_default().split(',').filter(|v| !v.is_empty()) {
        println!("cargo::rustc-cfg={name}=\"{}\"", value.trim());
    }
}
