//! What is said to the user beside the results.

use std::fmt::Arguments;
use std::io::Write;

/// Writes a line to standard error. Unlike `eprintln!` it does not mind that nobody is there any more: a terminal may be gone
/// while the work goes on, and that must not cost the results.
pub fn say(line: Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Writes lines that end in a newline each, likewise.
pub fn show(lines: &str) {
    let _ = write!(std::io::stderr(), "{lines}");
}
