"""Compares cron expressions with cronsim, which follows Debian's cron.

Explained differences (see docs/triggers.md, "Other schedulers"): cronsim has no rules for fixed times when an expression
has seconds, accepts days that never meet, reads `20-20/9` as `20/9`, steps hour by hour over half-hour changes of clocks, takes midnights
that clocks skip for real ones, and goes round in circles where they go back past midnight.
"""

import random
import re
from datetime import UTC, datetime, time
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


class GoingRound(Exception):
    """cronsim does not get anywhere."""


class Bounded(CronSim):
    """A cronsim that gives up after so many steps of a second, minute or hour: some hundred are what an answer takes."""

    left = 50_000

    def tick(self, seconds=1):
        self.left -= 1
        if self.left < 0:
            raise GoingRound
        super().tick(seconds)


def theirs(case):
    """Its answers, and whether it goes on from there."""
    after = datetime.fromisoformat(case["after"]).astimezone(ZoneInfo(case["timezone"]))
    fires = []
    try:
        for fire in Bounded(case["expression"], after):
            if fires and fire.timestamp() <= fires[-1].timestamp():
                return fires, False
            fires.append(fire)
            if len(fires) == case["count"]:
                break
    except CronSimError as error:
        return f"refused: {error}", True
    except GoingRound:
        return fires, False
    return fires, True


def at_skipped_midnight(case, ours, theirs):
    """Whether the first difference is on a day that does not begin at midnight."""
    _, our, their = peer.first_difference(case, ours, theirs)
    zone = ZoneInfo(case["timezone"])
    days = {fire.astimezone(zone).date() for fire in (our, their) if fire is not None}
    midnights = [datetime.combine(day, time(), tzinfo=zone) for day in days]
    return any(midnight.astimezone(UTC).astimezone(zone).time() != time() for midnight in midnights)


def half_hour_change(case, ours, their):
    _, our, their = peer.first_difference(case, ours, their)
    return our is not None and (peer.changes_near(case["timezone"], our) or peer.changes_near(case["timezone"], their))


def main():
    options = peer.arguments(__doc__.splitlines()[0], count=10_000)
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
        their, goes_on = theirs(case)
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
        elif not goes_on:
            # It got stuck between its last answer and the next one.
            known, next_one = ours[:len(their)], ours[len(their):][:1]
            if peer.same(known, their) and any(peer.changes_near(case["timezone"], fire) for fire in next_one):
                report.explained("clocks go back past midnight, where cronsim goes round in circles")
            else:
                report.different(case, ours, their)
        elif peer.same(ours, their):
            report.equal()
        elif at_skipped_midnight(case, ours, their):
            report.explained("a midnight that clocks skip, at which cronsim fires, or after which it misses an hour")
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
