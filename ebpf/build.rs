//! Builds `starling.bpf.c` and `live.bpf.c` for the kernel (objects and libbpf-rs skeletons) and `verdict.h` for the host.

use libbpf_cargo::SkeletonBuilder;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=ebpf");
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            message.lines().for_each(|line| println!("cargo::error={line}"));
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), String> {
    if Command::new("clang").arg("--version").output().is_err() {
        return Err("clang is missing: run scripts/setup".into());
    }
    let variable = |name: &str| std::env::var(name).map_err(|error| format!("{name}: {error}"));
    let out = PathBuf::from(variable("OUT_DIR")?);
    // Debian keeps <asm/types.h> in a folder per architecture, where clang does not look for a BPF target.
    let headers = format!("-I/usr/include/{}-linux-gnu", variable("CARGO_CFG_TARGET_ARCH")?);
    for name in ["starling", "live"] {
        SkeletonBuilder::new()
            .source(format!("ebpf/{name}.bpf.c"))
            .obj(out.join(format!("{name}.bpf.o")))
            .clang_args([headers.as_str(), "-mcpu=v3", "-Wall", "-Wextra", "-Werror"])
            .build_and_generate(out.join(format!("{name}.skel.rs")))
            .map_err(|error| format!("{error:#}"))?;
    }

    cc::Build::new()
        .file("ebpf/host.c")
        .std("c11")
        .warnings(true)
        .extra_warnings(true)
        .warnings_into_errors(true)
        .try_compile("starling_host")
        .map_err(|error| error.to_string())
}
