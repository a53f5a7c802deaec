"""What the comparisons share: asking moondial, random parts, and counting differences.

A comparison makes random cases, asks `moondial next --batch` and the peer, and explains each difference or fails.
"""

import argparse
import json
import random
import subprocess
import sys
from collections import Counter
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "America/Santiago", "Africa/Cairo", "Africa/Casablanca",
         "Asia/Kolkata", "Asia/Beirut", "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Auckland", "America/St_Johns"]


def arguments(description, count=1000):
    """The arguments of a comparison that makes so many cases unless told."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--moondial", default=".build/release/moondial", help="the binary to compare")
    parser.add_argument("--count", type=int, default=count, help=f"how many random cases; default: {count}")
    parser.add_argument("--seed", type=int, default=None, help="repeat a run; default: a new seed")
    options = parser.parse_args()
    if options.seed is None:
        options.seed = random.randrange(1 << 32)
    print(f"{sys.argv[0]}: seed {options.seed}, {options.count} cases")
    return options


def ask(binary, cases):
    """The answers of moondial to cases of {expr, timezone, after, count}: lists of times, or an error text."""
    lines = "".join(json.dumps({"id": index, **case}) + "\n" for index, case in enumerate(cases))
    done = subprocess.run([binary, "next", "--batch"], input=lines, capture_output=True, text=True, check=True)
    answers = [None] * len(cases)
    for line in done.stdout.splitlines():
        answer = json.loads(line)
        answers[answer["id"]] = (
            answer["error"] if "error" in answer else [datetime.fromisoformat(fire) for fire in answer["fires"]])
    missing = [index for index, answer in enumerate(answers) if answer is None]
    if missing:
        sys.exit(f"moondial gave no answer to {len(missing)} cases, the first: {cases[missing[0]]}")
    return answers


def changes_near(zone, instant, days=2):
    """Whether the zone's offset changes within so many days of an instant."""
    tz = ZoneInfo(zone)
    offsets = {(instant + timedelta(hours=h)).astimezone(tz).utcoffset() for h in range(-24 * days, 24 * days + 1)}
    return len(offsets) > 1


def random_after(rng, zone):
    """An instant, half of the time within two days of a change of clocks."""
    instant = datetime(1990, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=rng.randrange(80 * 365 * 86400))
    if rng.random() < 0.5:
        tz = ZoneInfo(zone)
        for day in range(0, 400):
            there = instant + timedelta(days=day)
            if there.astimezone(tz).utcoffset() != (there + timedelta(days=1)).astimezone(tz).utcoffset():
                instant = there - timedelta(hours=rng.randrange(30))
                break
    return instant.replace(microsecond=0)


def same(ours, theirs):
    return [fire.timestamp() for fire in ours] == [fire.timestamp() for fire in theirs]


def first_difference(case, ours, theirs):
    """The last common time before the answers part, and the first times after it."""
    previous = datetime.fromisoformat(case["after"])
    for our, their in zip(ours, theirs):
        if our != their:
            return previous, our, their
        previous = our
    return previous, None, None


class Report:
    """Counts equal answers and explained differences; prints the first unexplained ones."""

    def __init__(self, name):
        self.name = name
        self.counts = Counter()
        self.unexplained = []

    def equal(self):
        self.counts["equal"] += 1

    def explained(self, reason):
        self.counts[reason] += 1

    def different(self, case, ours, theirs):
        self.counts["UNEXPLAINED"] += 1
        self.unexplained.append((case, ours, theirs))

    def finish(self):
        """Prints the counts, the last line being the sum, and ends with an exit code that says whether all is explained."""
        for reason, count in self.counts.most_common():
            print(f"  {count:7} {reason}")
        for case, ours, theirs in self.unexplained[:5]:
            print("  case  ", json.dumps(case))
            print("  ours  ", ours if isinstance(ours, str) else [fire.isoformat() for fire in ours])
            print("  theirs", theirs if isinstance(theirs, str) else [fire.isoformat() for fire in theirs])
        total, unexplained = self.counts.total(), len(self.unexplained)
        explained = total - self.counts["equal"] - unexplained
        print(f"{self.name}: {total} compared, {self.counts['equal']} equal, {explained} explained, {unexplained} unexplained")
        sys.exit(1 if self.unexplained else 0)
