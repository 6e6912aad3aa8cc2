"""What scripts/bench-sweep and scripts/bench-internet share: programs, worlds, tools, answers found."""

import json
import os
import pathlib
import shlex
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
GATEWAY_MAC = "02:00:00:00:00:02"
SCANNER = "198.18.0.1"


def fail(message):
    sys.exit(f"{pathlib.Path(sys.argv[0]).name}: {message}")


def programs(folder):
    """starling and starling-lab: from `folder`, or built as they are released."""
    if os.geteuid() != 0:
        fail("needs root, for network namespaces and AF_XDP. Next step: run it by sudo")
    if not folder:
        build = ["cargo", "build", "--release", "--locked", "--features", "lab"]
        subprocess.run(build, cwd=ROOT, check=True, stdout=sys.stderr)
        folder = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
    found = [str(pathlib.Path(folder) / name) for name in ("starling", "starling-lab")]
    for program in found:
        if not os.access(program, os.X_OK):
            fail(f"{program} is not there. Next step: cargo build --release --features lab")
    return found


def machine():
    """One line about where this runs."""
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    load = open("/proc/loadavg").read().split()[0]
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, text=True, capture_output=True)
    return (f"{os.cpu_count()} x {model}, Linux {os.uname().release}, load {load}, "
            f"starling {commit.stdout.strip()}")


class Starling:
    """One of starling's ways to send; `options` of its own are added to each scan."""

    def __init__(self, program, tx, lanes, options=()):
        text = subprocess.run([program, "scan", "--help"], text=True, capture_output=True, check=True).stdout
        self.program, self.options, self.kernel_peer = program, list(options), False
        self.name = f"starling {tx}"
        self.probe_only = "--probe-only" in text
        if self.probe_only:
            self.options.append("--probe-only")
        if "--tx" in text:
            self.options += ["--tx", tx]
        elif tx != "copy":
            raise ValueError(f"this starling has no --tx {tx}")
        if "--lanes" in text:
            self.options += ["--lanes", str(lanes)]

    def command(self, space, ports, folder):
        named = ",".join(str(port) if self.probe_only else f"smtp:{port}" for port in ports)
        return [self.program, "scan", "-q", "-i", "near0", "-p", named, "-r", "0", "-c", "2", "-S", SCANNER,
                "-G", GATEWAY_MAC, "-o", f"{folder}/census", *self.options, space]

    def found(self, folder):
        """Answers on record, and how many of them are another target's than an earlier one."""
        hosts = f"{folder}/census/hosts/*.parquet"
        sql = f"select count(*), count(distinct (ip, port)) from '{hosts}' where answer = 'syn_ack'"
        rows = duckdb(sql).split(",")
        return int(rows[0]), int(rows[1])


class Zmap:
    """zmap of Debian's package, full speed, with its usual check for duplicates."""

    kernel_peer = True

    def __init__(self, threads):
        self.threads = threads
        self.name = f"zmap -T{threads}"

    def command(self, space, ports, folder):
        assert len(ports) == 1, "zmap 2 scans one port"
        return ["zmap", "-q", "-i", "near0", "-p", str(ports[0]), "-r", "0", "-T", str(self.threads), "-c", "2",
                "-S", SCANNER, "-G", GATEWAY_MAC, "-b", "/dev/null", "--disable-syslog", "-o", f"{folder}/found", space]

    def found(self, folder):
        lines = open(f"{folder}/found").read().split()
        return len(lines), len(set(lines))


class Masscan:
    """masscan of Debian's package, full speed."""

    kernel_peer = True
    name = "masscan"

    def command(self, space, ports, folder):
        scan = ["masscan", space, "-p", ",".join(map(str, ports)), "--max-rate", "100000000", "-e", "near0",
                "--router-mac", GATEWAY_MAC.replace(":", "-"), "--source-ip", SCANNER, "--wait", "2",
                "-oL", f"{folder}/found"]
        # It looks at its clock only when a packet comes, and would wait for ever where all is silent.
        ping = f'ip netns exec "$LAB_WORLD" ping -q -i 0.2 {SCANNER} >/dev/null 2>&1 &'
        return ["sh", "-c", f"{ping} exec {shlex.join(scan)} 2>/dev/null"]

    def found(self, folder):
        lines = [tuple(line.split()[2:4]) for line in open(f"{folder}/found") if line.startswith("open")]
        return len(lines), len(set(lines))


class Txonly:
    """One frame for ever by AF_XDP copy mode, without any work a probe."""

    kernel_peer = False
    name = "txonly copy"

    def __init__(self, lab, frames):
        self.lab, self.frames = lab, frames

    def command(self, space, ports, folder):
        return [self.lab, "txonly", "-n", str(self.frames)]

    def found(self, folder):
        return None


class Liveonly:
    """SYNs by live frames, without any work a probe."""

    kernel_peer = False
    name = "liveonly"

    def __init__(self, lab, lanes, frames):
        self.lab, self.lanes, self.frames = lab, lanes, frames

    def command(self, space, ports, folder):
        return [self.lab, "liveonly", "--lanes", str(self.lanes), "--space", space, "--port", str(ports[0]),
                "-n", str(self.frames)]

    def found(self, folder):
        return None


def duckdb(sql):
    program = ROOT / ".venv/bin/duckdb"
    if not program.exists():
        fail(f"{program} is not there. Next step: scripts/setup")
    result = subprocess.run([program, "-csv", "-noheader", "-c", sql], text=True, capture_output=True)
    if result.returncode:
        fail(f"duckdb: {result.stderr.strip()}")
    return result.stdout.strip()


def run(lab, tool, space, ports, rates, queues, folder, limit, world=()):
    """Runs the tool in a world of its own: the lab's report, with `found` and `distinct`."""
    report = f"{folder}/report.json"
    listed = ",".join(map(str, ports))
    command = [lab, "run", "--space", space, "--ports", listed, "--rates", rates, "--queues", str(queues),
               "--limit", str(limit), "--report", report, *(["--pass"] if tool.kernel_peer else []), *world,
               "--", *tool.command(space, ports, folder)]
    result = subprocess.run(command, text=True, capture_output=True)
    if result.returncode:
        said = (result.stderr.strip() or result.stdout.strip())[-600:]
        fail(f"{shlex.join(command)}\n  ended with {result.returncode}: {said}")
    report = json.load(open(report))
    report["command"]["shell"] = shlex.join(command)
    found = tool.found(folder)
    if found:
        report["found"], report["distinct"] = found
    return report


def due(report):
    """Targets that answer a SYN by a SYN-ACK, in all of the world."""
    return report["expected"]["syn_ack"] + report["expected"]["syn_ack_only"]


def spread(values, digits):
    """Median and range."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def table(head, rows):
    """A Markdown table."""
    widths = [max(len(str(row[column])) for row in [head, *rows]) for column in range(len(head))]
    lines = [head, ["-" * width for width in widths], *rows]
    for line in lines:
        print("| " + " | ".join(str(cell).ljust(width) for cell, width in zip(line, widths)) + " |")


def scratch():
    """A folder for what the tools write, gone at the end."""
    return tempfile.TemporaryDirectory(prefix="starling-bench-")
