"""Compares cron expressions with cronsim, which follows Debian's cron.

Explained differences (see docs/triggers.md, "Other schedulers"): cronsim has no rules for fixed times when an expression
has seconds, accepts days that never meet, reads `20-20/9` as `20/9`, and steps hour by hour over half-hour changes of clocks.
"""

import random
import re
from datetime import datetime, timezone
from itertools import islice
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

import peer

MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
DAYS = "sun mon tue wed thu fri sat".split()


def field(rng, low, high, star, names=None):
    if rng.random() < star:
        return rng.choice(["*", "*", f"*/{rng.randint(1, 20)}"])
    items = []
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        first = rng.randint(low, high)
        last = rng.randint(first, high)
        shape = rng.random()
        if shape < 0.6:
            items.append(names[first - low] if names and first - low < len(names) and rng.random() < 0.5 else str(first))
        elif shape < 0.8:
            items.append(f"{first}-{last}")
        elif shape < 0.9:
            items.append(f"{first}-{last}/{rng.randint(1, 9)}")
        else:
            items.append(f"{first}/{rng.randint(1, 9)}")
    return ",".join(items)


def expression(rng):
    fields = [field(rng, 0, 59, 0.3), field(rng, 0, 23, 0.4)]
    day = rng.random()
    fields.append("L" if day < 0.05 else "LW" if day < 0.1 else field(rng, 1, 31, 0.6))
    fields.append(field(rng, 1, 12, 0.7, MONTHS))
    weekday = rng.random()
    if weekday < 0.08:
        fields.append(f"{rng.randint(0, 7)}#{rng.randint(1, 5)}")
    elif weekday < 0.16:
        fields.append(f"{rng.randint(0, 7)}L")
    else:
        fields.append(field(rng, 0, 7, 0.6, DAYS))
    if rng.random() < 0.15:
        fields.insert(0, field(rng, 0, 59, 0.2))
    return " ".join(fields)


def theirs(case):
    after = datetime.fromisoformat(case["after"]).astimezone(ZoneInfo(case["timezone"]))
    try:
        return list(islice(CronSim(case["expression"], after), case["count"]))
    except CronSimError as error:
        return f"refused: {error}"


def half_hour_change(case, ours, their):
    _, our, their = peer.first_difference(case, ours, their)
    return our is not None and (peer.changes_near(case["timezone"], our) or peer.changes_near(case["timezone"], their))


def main():
    options = peer.arguments(__doc__.splitlines()[0])
    rng = random.Random(options.seed)
    cases = []
    for _ in range(options.count):
        zone = rng.choice(peer.ZONES)
        text = expression(rng)
        cases.append({"expr": f'cron "{text}"', "expression": text, "timezone": zone,
                      "after": peer.random_after(rng, zone).isoformat(), "count": 6})
    answers = peer.ask(options.moondial, [{k: v for k, v in case.items() if k != "expression"} for case in cases])
    report = peer.Report("cronsim")
    for case, ours in zip(cases, answers):
        their = theirs(case)
        fields = case["expression"].split()
        if isinstance(ours, str):
            if isinstance(their, str):
                report.explained("refused by both")
            elif not their:
                report.explained("a date that does not exist: refused here, no fires there")
            else:
                report.different(case, ours, their)
        elif isinstance(their, str):
            report.different(case, ours, their)
        elif peer.same(ours, their):
            report.equal()
        elif re.search(r"\b(\d+)-\1/", case["expression"]):
            report.explained("a step over a range of one value, which cronsim runs to the field's end")
        elif case["timezone"] == "Australia/Lord_Howe" and half_hour_change(case, ours, their):
            report.explained("a change of clocks by half an hour, which cronsim steps over hour by hour")
        elif (len(fields) == 6 and fields[1][0] != "*" and fields[2][0] != "*"
              and any(peer.changes_near(case["timezone"], fire) for fire in ours + their)):
            report.explained("seconds and fixed times near a change of clocks: cronsim keeps Debian's rules to five fields")
        else:
            report.different(case, ours, their)
    report.finish()


main()
