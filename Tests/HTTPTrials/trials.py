"""Starts a host, lets schemathesis and hostile.py at it, and sums up."""

import argparse
import hashlib
import pathlib
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time

import hostile

SCRIPT = """
job "tick" { every = "100ms", tags = { "t" }, run = function(ctx)
  metric.counter("ticks_total") if ctx.id % 50 == 0 then log.info("fifty") end
  return { n = ctx.id } end }
job "fails" { every = "5s", run = function() error("no\\n<0>way \\27[2J") end }
job "waits" { on = "never", overlap = "queue", run = function() sleep "50ms" end }
"""

CHECKS = ",".join([
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "unsupported_method", "ignored_auth",
])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Host:
    """A host in a directory of its own."""

    def __init__(self, binary, directory):
        self.binary, self.path = binary, pathlib.Path(directory)
        self.port = free_port()
        self.reader, self.operator = secrets.token_hex(32), secrets.token_hex(32)
        (self.path / "scripts").mkdir()
        (self.path / "scripts" / "jobs.lua").write_text(SCRIPT)
        self.configure()
        self.log = open(self.path / "log", "wb")
        self.process = subprocess.Popen(
            [binary, "run", "scripts"], cwd=self.path, stderr=self.log, stdout=self.log,
            env={"PATH": "/usr/bin:/bin", "MOONDIAL_SECRET_DEPLOY": self.operator})
        deadline = time.time() + 60
        while time.time() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.1)
        sys.exit("the host does not listen:\n" + (self.path / "log").read_text(errors="replace"))

    def configure(self, with_reader=True):
        digest = hashlib.sha256(self.reader.encode()).hexdigest()
        reader = f'grafana = {{ role = "read", hash = "sha256:{digest}" }},' if with_reader else ""
        (self.path / "moondial.lua").write_text(
            f'return {{ http = {{ listen = "127.0.0.1:{self.port}", hosts = {{ "moondial.example.org" }},\n'
            f'  tokens = {{ {reader} deploy = {{ role = "operate", secret = "deploy" }} }} }} }}\n')

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        self.log.close()
        return code


def schemathesis(host, program, wanted):
    """Runs until as many cases were made as are wanted. False: something is wrong with an answer."""
    cases, seed = 0, 1
    while cases < wanted:
        run = subprocess.run(
            [program, "run", f"http://127.0.0.1:{host.port}/api/v1/openapi.json",
             "-H", f"Authorization: Bearer {host.operator}", "--checks", CHECKS, "-n", "150", "--seed", str(seed),
             "--phases", "examples,coverage,fuzzing", "--exclude-path-regex", "stream$|/events$|^/logout$",
             "--suppress-health-check", "all", "--request-timeout", "30", "--continue-on-failure", "--no-color",
             "--warnings", "off", "--generation-database", "none"],
            cwd=host.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        found = re.search(r"(\d+) generated", run.stdout)
        cases += int(found.group(1)) if found else 0
        if run.returncode != 0 or not found:
            print(run.stdout)
            return False
        seed += 1
    print(f"schemathesis: {cases} cases, no server error, no answer outside the document")
    return True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--moondial", required=True)
    parser.add_argument("--schemathesis", required=True)
    parser.add_argument("--cases", type=int, default=5000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="moondial-http-") as directory:
        host = Host(options.moondial, directory)
        try:
            fine = schemathesis(host, options.schemathesis, options.cases)
            fine = hostile.attack(host) and fine
        finally:
            code = host.stop()
        if code != 0:
            print(f"the host ended with {code}")
        sys.exit(0 if fine and code == 0 else 1)


if __name__ == "__main__":
    main()
