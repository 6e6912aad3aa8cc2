//! Builds `starling.bpf.c`, `live.bpf.c` and `monitor.bpf.c` for the kernel (objects, and libbpf-rs skeletons of the first and
//! the last), `verdict.h` for the host, and, for the feature `lab`, `responder.bpf.c` and
//! `bare.bpf.c` for the kernel (objects).

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
    let program = |name: &str| {
        let mut builder = SkeletonBuilder::new();
        builder.source(format!("ebpf/{name}.bpf.c")).obj(out.join(format!("{name}.bpf.o"))).clang_args([
            headers.as_str(),
            "-mcpu=v3",
            "-Wall",
            "-Wextra",
            "-Werror",
        ]);
        builder
    };
    program("starling").build_and_generate(out.join("starling.skel.rs")).map_err(|error| format!("{error:#}"))?;
    program("live").build().map_err(|error| format!("{error:#}"))?;
    program("monitor").build_and_generate(out.join("monitor.skel.rs")).map_err(|error| format!("{error:#}"))?;
    if std::env::var_os("CARGO_FEATURE_LAB").is_some() {
        for name in ["responder", "bare"] {
            program(name).build().map_err(|error| format!("{error:#}"))?;
        }
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
