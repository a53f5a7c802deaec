"""Compares on_calendar with systemd-analyze calendar, in UTC (systemd has no policy for changes of clocks)."""

import os
import random
import re
import shutil
import subprocess
from datetime import datetime, timezone

import peer

DAYS = "Mon Tue Wed Thu Fri Sat Sun".split()


def component(rng, low, high, star):
    if rng.random() < star:
        return "*"
    items = []
    for _ in range(rng.choice([1, 1, 1, 2])):
        first = rng.randint(low, high)
        last = rng.randint(first, high)
        shape = rng.random()
        items.append(f"{first:02}" if shape < 0.5 or first == last else f"{first:02}..{last:02}" if shape < 0.7
                     else f"{first:02}/{rng.randint(1, 12)}" if shape < 0.9 else f"{first:02}..{last:02}/{rng.randint(1, 5)}")
    return ",".join(items)


def event(rng):
    if rng.random() < 0.05:
        return rng.choice("minutely hourly daily weekly monthly quarterly semiannually yearly".split())
    words = []
    if rng.random() < 0.4:
        first = rng.randint(0, 6)
        last = rng.randint(first, 6)
        words.append(DAYS[first] if rng.random() < 0.5 or first == last else f"{DAYS[first]}..{DAYS[last]}")
    if rng.random() < 0.7 or not words:
        year = rng.choice(["*", "*", "*", "2030", "2027..2040/3"])
        month = component(rng, 1, 12, 0.6)
        if rng.random() < 0.2:
            day = f"~{rng.randint(1, 28):02}" + (f"/{rng.randint(1, 7)}" if rng.random() < 0.5 else "")
        else:
            day = "-" + component(rng, 1, 31, 0.4)
        words.append(f"{year}-{month}{day}")
    if rng.random() < 0.8:
        time = f"{component(rng, 0, 23, 0.4)}:{component(rng, 0, 59, 0.3)}"
        if rng.random() < 0.3:
            time += f":{component(rng, 0, 59, 0.1)}"
        words.append(time)
    return " ".join(words)


def theirs(case):
    after = datetime.fromisoformat(case["after"]).strftime("%Y-%m-%d %H:%M:%S UTC")
    done = subprocess.run(
        ["systemd-analyze", "calendar", f"--iterations={case['count']}", f"--base-time={after}", case["event"]],
        capture_output=True, text=True, env={**os.environ, "TZ": "UTC", "SYSTEMD_PAGER": "", "LC_ALL": "C"})
    if done.returncode != 0:
        return f"refused: {done.stderr.strip()}"
    found = re.findall(r"(?:Next elapse|Iter\. #\d+|Iteration #\d+): \w+ (\d+-\d+-\d+ \d+:\d+:\d+) UTC", done.stdout)
    return [datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc) for text in found]


def never_repeats(event):
    """Whether some `a/n` or `a..b/n` in the event has only one value."""
    for word in event.split():
        for place, part in enumerate(word.split(":") if ":" in word else re.split("[-~]", word)):
            highest = (23 if place == 0 else 59) if ":" in word else [9999, 12, 31][min(place, 2)]
            for item in part.split(","):
                found = re.fullmatch(r"(\d+)(?:\.\.(\d+))?/(\d+)", item)
                if found and int(found[1]) + int(found[3]) > int(found[2] or highest):
                    return True
                if found and "~" in word and place == 2 and int(found[3]) >= int(found[1]):
                    return True
    return False


def written_out(event):
    """The event with repetitions of days as the days that they are: the same to the letter of systemd.time(7)."""
    def days(found):
        first, step = int(found[1]), int(found[2])
        return ",".join(f"{day:02}" for day in range(first, 32, step))
    words = event.split()
    for index, word in enumerate(words):
        if ":" not in word and word.count("-") == 2:
            year, month, day = word.split("-")
            words[index] = f"{year}-{month}-" + re.sub(r"\b(?<!\.)(\d+)/(\d+)", days, day)
    return " ".join(words)


def main():
    options = peer.arguments(__doc__, count=5000)
    if shutil.which("systemd-analyze") is None:
        print("skipped: systemd-analyze is not on this machine; apt install systemd")
        return
    rng = random.Random(options.seed)
    cases = []
    for _ in range(options.count):
        text = event(rng)
        after = datetime(2026, 1, 1, tzinfo=timezone.utc).timestamp() + rng.randrange(10 * 365 * 86400)
        cases.append({"expr": f'on_calendar "{text}"', "event": text, "timezone": "UTC",
                      "after": datetime.fromtimestamp(after, timezone.utc).isoformat(), "count": 4})
    answers = peer.ask(options.moondial, [{k: v for k, v in case.items() if k != "event"} for case in cases])
    report = peer.Report("systemd")
    for case, ours in zip(cases, answers):
        their = theirs(case)
        if isinstance(ours, str):
            if isinstance(their, str) or not their:
                report.explained("refused here; refused or without fires there")
            else:
                report.different(case, ours, their)
        elif isinstance(their, str) and never_repeats(case["event"]):
            report.explained("a repetition that never takes a second step: accepted here, refused there")
        elif not isinstance(their, str) and peer.same(ours, their):
            report.equal()
        elif (plain := written_out(case["event"])) != case["event"] and peer.same(ours, theirs({**case, "event": plain})):
            report.explained("a repetition of days past the month's end: systemd loses days right after it; the same when written out")
        else:
            report.different(case, ours, their)
    report.finish()


main()
