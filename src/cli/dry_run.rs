//! `-d`: the targets instead of their probes.

use super::args::Format;
use crate::app::scan::Plan;
use crate::targets::Target;
use std::fs::File;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::os::fd::AsFd;

/// Targets written at once: about as much as a large pipe takes.
const BATCH: usize = 1 << 16;

/// Prints the targets of the plan's shard in probing order on standard output.
pub(super) fn print(plan: &Plan, format: Format) -> io::Result<()> {
    // Not `stdout()`: it looks for the end of the last line in whatever it is given.
    let mut out = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let (left, permutation) = (plan.left(), plan.permutation());
    let again = left.again.into_iter().map(|(address, port)| Target { address, port });
    let walk = left.positions.into_iter().flat_map(|positions| permutation.walk(positions));
    let targets = again.chain(walk.map(|index| plan.space.target(index)));
    let mut bytes = Vec::with_capacity(BATCH * 24);
    for (count, target) in (1..).zip(targets) {
        append(&mut bytes, target, format);
        if count % BATCH == 0 {
            out.write_all(&bytes)?;
            bytes.clear();
        }
    }
    out.write_all(&bytes)
}

#[inline]
fn append(bytes: &mut Vec<u8>, target: Target, format: Format) {
    let Target { address, port } = target;
    match format {
        Format::Text => {
            // Writing into memory does not fail.
            let _ = writeln!(bytes, "{},{port}", Ipv4Addr::from(address));
        }
        Format::Binary => {
            let [a, b, c, d] = address.to_le_bytes();
            let [e, f] = port.to_le_bytes();
            bytes.extend_from_slice(&[a, b, c, d, e, f]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_say_the_same() {
        let target = Target { address: 0xc612_0102, port: 993 };
        let mut bytes = Vec::new();
        append(&mut bytes, target, Format::Text);
        assert_eq!(bytes, b"198.18.1.2,993\n");
        bytes.clear();
        append(&mut bytes, target, Format::Binary);
        assert_eq!(bytes, [2, 1, 18, 198, 0xe1, 3]);
    }
}
