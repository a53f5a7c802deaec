"""Compares `moondial import crontab` with python-crontab: entries, accounts, variables and comments of random crontabs.

Each crontab is imported, the script is loaded by `moondial check`, and what its jobs would run is read from the script.
"""

import os
import random
import re
import subprocess
import sys
import tempfile

from crontab import CronTab

import peer

SCHEDULES = ["0 3 * * *", "*/5 9-17 * * mon-fri", "30 2 1,15 * fri", "@daily", "@hourly", "@reboot", "15 4 * jan-mar 0", "7 7 7 7 *",
             "59 23 31 12 *", "0 0-23/2 * * *"]
WORDS = ["backup", "--all", "/usr/bin/find", "/", '-name "*.o"', "| sort", "&& echo 'it is'", "2>&1", "$HOME", "x=y", "tést", "]]", "\\n",
         "# no comment", "a%b", "\\%", "%", ";", "`date`", '"', "'", "\\"]
NAMES = ["PATH", "SHELL", "FOO", "LANG", "X_1"]
VALUES = ["/bin:/usr/bin", "/bin/bash", "two words", '"quoted value"', "'single'", "a=b", "tést"]
USERS = ["root", "www-data", "nobody"]
RUN = re.compile(r"run = shell\((.*)\)(?: }|,)$")


def crontab(rng, is_system):
    lines = []
    for _ in range(rng.randint(1, 12)):
        shape = rng.random()
        if shape < 0.2:
            lines.append(f"{rng.choice(NAMES)}={rng.choice(VALUES)}")
        elif shape < 0.3:
            lines.append("# " + " ".join(rng.choice(WORDS[:4]) for _ in range(3)))
        elif shape < 0.35:
            lines.append("")
        else:
            user = rng.choice(USERS) + " " if is_system else ""
            words = " ".join([rng.choice(WORDS[:4])] + [rng.choice(WORDS) for _ in range(rng.randint(0, 5))])
            lines.append(f"{rng.choice(SCHEDULES)} {user}{words}")
    if is_system:
        lines.append("0 1 * * * root true")
    return "\n".join(lines) + "\n"


def read_string(text, at):
    """A Lua string that begins at `at`, and where it ends."""
    if text[at] == '"':
        value = ""
        at += 1
        while text[at] != '"':
            if text[at] == "\\":
                at += 1
                value += {"n": "\n", "t": "\t"}.get(text[at], text[at])
            else:
                value += text[at]
            at += 1
        return value, at + 1
    opening = re.match(r"\[(=*)\[", text[at:])
    start = at + len(opening.group(0))
    end = text.index("]" + opening.group(1) + "]", start)
    return text[start:end], end + len(opening.group(0))


def read_table(text):
    """The fields of a table of strings."""
    fields = {}
    at = 1
    while True:
        name = re.match(r"[\s,]*([A-Za-z_][A-Za-z_0-9]*) = ", text[at:])
        if not name:
            return fields
        fields[name.group(1)], at = read_string(text, at + len(name.group(0)))


def ours(script):
    """(schedule, user, command, input, variables) of each job, and the comments."""
    jobs, comments, variables, schedule = [], [], {}, None
    lines = script.split("\n")
    for index, line in enumerate(lines):
        if re.match(r"(local )?vars = {", line):
            # A long table goes on in the next lines.
            variables = read_table("\n".join([line[line.index("{"):]] + lines[index + 1:]))
        found = re.search(r'cron = "([^"]*)"', line)
        if found:
            schedule = found.group(1)
        found = RUN.search(line)
        if found:
            command, at = read_string(found.group(1), 0)
            rest = found.group(1)[at + len(", vars"):]
            options = read_table(rest[2:]) if rest else {}
            jobs.append((schedule, options.get("user"), command, options.get("stdin"), dict(variables)))
        if line.startswith("-- "):
            comments.append(line[3:])
    return jobs, comments


def theirs(text, is_system):
    # With an account for user or False for a system crontab, python-crontab reads the text only.
    table = CronTab(tab=text, user=False if is_system else None)
    jobs = []
    # It keeps with an entry what is set right above it; its own chain to what is set further up loses its way at equal entries.
    variables = {"PATH": "/usr/bin:/bin", "SHELL": "/bin/sh"}
    variables.update((name, str(value)) for name, value in (table.env or {}).items())
    for line in table.crons:
        # It takes what follows a # for a comment, or a line of comment above; cron gives the whole line to the shell.
        command = f"{line.command} # {line.comment}" if line.comment and not line.pre_comment else line.command
        variables.update((name, str(value)) for name, value in line.env.items())
        schedule = str(line.slices)
        jobs.append((schedule, None if line.user in (None, "", "root") else line.user, command, line.stdin, dict(variables)))
    return jobs


def plain(job):
    schedule, user, command, given, variables = job
    nicknames = {"@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *"}
    schedule = nicknames.get(schedule, schedule).lower().replace("0-23/2", "*/2")
    return schedule, user, command.strip(), (given or "").strip(), variables


def main():
    options = peer.arguments(__doc__.splitlines()[0], count=500)
    rng = random.Random(options.seed)
    report = peer.Report("python-crontab")
    with tempfile.TemporaryDirectory() as place:
        scripts = os.path.join(place, "scripts")
        os.mkdir(scripts)
        made = []
        for index in range(options.count):
            is_system = rng.random() < 0.4
            text = crontab(rng, is_system)
            # Both are told whether there are accounts: a command may have the name of one of this machine ("backup").
            kind = "--system" if is_system else "--no-system"
            done = subprocess.run(
                [options.moondial, "import", "crontab", kind, "-"], input=text, capture_output=True, text=True)
            made.append((text, is_system, done))
            # Names are unique in a crontab, not among them.
            unique = re.sub(r'^job "', f'job "{index} ', done.stdout, flags=re.M)
            with open(os.path.join(scripts, f"tab{index}.lua"), "w") as file:
                file.write(unique)
        checked = subprocess.run([options.moondial, "check", scripts], capture_output=True, text=True)
        if checked.returncode != 0:
            sys.exit(f"check does not accept an imported script:\n{checked.stderr}")
    for text, is_system, done in made:
        case = {"crontab": text, "system": is_system}
        if any("not imported" in note for note in done.stderr.splitlines()):
            report.different(case, done.stderr, "")
            continue
        jobs, comments = ours(done.stdout)
        expected = theirs(text, is_system)
        missing = [line for line in text.split("\n") if line.startswith("#") and line[1:].strip() not in
                   [comment.strip() for comment in comments]]
        pairs = list(zip(map(plain, jobs), map(plain, expected)))
        if len(jobs) == len(expected) and not missing and all(our == their for our, their in pairs):
            report.equal()
        elif len(jobs) == len(expected) and not missing and all(our == their or "#" in our[2] + our[3] for our, their in pairs):
            report.explained("a # in a command: the shell's business in cron, cut off there, with the blanks and percent signs around")
        else:
            report.different(case, str([plain(job) for job in jobs]), str([plain(job) for job in expected]))
    report.finish()


main()
