"""Compares cron tables with APScheduler 3.11's CronTrigger.

APScheduler has no policy for changes of clocks: it fires at times that do not exist, repeats, and skips the first midnight
after a change when it comes from before it. Differences are accepted where the first one lies beyond or within two days of a
change of clocks, and nowhere else. It refuses steps that never take a second step, which are a note here.
"""

import random
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

import peer

# How far APScheduler searches from the time asked about: fields that seldom or never meet it steps through day by day, by itself
# to the year 9999. The same weekdays and leap days come back after 28 years.
SEARCHED = timedelta(days=29 * 366)

MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
DAYS = "mon tue wed thu fri sat sun".split()
ORDINALS = ["1st", "2nd", "3rd", "4th", "5th", "last"]


def field(rng, low, high, names=None):
    items = []
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        first = rng.randint(low, high)
        last = rng.randint(first, high)
        shape = rng.random()
        if names and shape < 0.5:
            items.append(names[first - low] if rng.random() < 0.6 else f"{names[first - low]}-{names[last - low]}")
        elif shape < 0.15:
            items.append("*")
        elif shape < 0.35:
            items.append(f"*/{rng.randint(1, max(1, (high - low) // 2))}")
        elif shape < 0.6:
            items.append(str(first))
        elif shape < 0.8:
            items.append(f"{first}-{last}")
        else:
            items.append(f"{first}-{last}/{rng.randint(1, max(1, last - first))}")
    return ",".join(items)


def table(rng):
    fields = {}
    if rng.random() < 0.1:
        fields["year"] = rng.choice(["2030", "*/2", "2020-2060/3", "2000,2040"])
    if rng.random() < 0.3:
        fields["month"] = field(rng, 1, 12, MONTHS)
    if rng.random() < 0.4:
        shape = rng.random()
        fields["day"] = ("last" if shape < 0.15 else f"{rng.choice(ORDINALS)} {rng.choice(DAYS)}" if shape < 0.4
                         else field(rng, 1, 31))
    if rng.random() < 0.1:
        fields["week"] = field(rng, 1, 53)
    if rng.random() < 0.3:
        first = rng.randint(0, 6)
        last = rng.randint(first, 6)
        fields["day_of_week"] = DAYS[first] if rng.random() < 0.6 else f"{DAYS[first]}-{DAYS[last]}"
    if rng.random() < 0.6:
        fields["hour"] = field(rng, 0, 23)
    if rng.random() < 0.5:
        fields["minute"] = field(rng, 0, 59)
    if rng.random() < 0.15:
        fields["second"] = field(rng, 0, 59)
    return fields or {"minute": "*/7"}


def end(case):
    return datetime.fromisoformat(case["after"]) + SEARCHED


def theirs(case):
    zone = ZoneInfo(case["timezone"])
    now = datetime.fromisoformat(case["after"]).astimezone(zone) + timedelta(seconds=1)
    try:
        trigger = CronTrigger(timezone=zone, end_date=end(case), **case["fields"])
    except ValueError as error:
        return f"refused: {error}"
    fires = []
    previous = None
    for _ in range(case["count"]):
        fire = trigger.get_next_fire_time(previous, now)
        if fire is None:
            break
        fires.append(fire)
        previous = fire
        now = fire
    return fires


def explained(case, ours, their):
    """Whether a change of clocks lies between the last common fire and the first different one, or next to it."""
    previous, our, their = peer.first_difference(case, ours, their)
    if our is None:
        return False
    zone = ZoneInfo(case["timezone"])
    return (previous.astimezone(zone).utcoffset() != our.astimezone(zone).utcoffset()
            or peer.changes_near(case["timezone"], our) or peer.changes_near(case["timezone"], their))


def main():
    options = peer.arguments(__doc__.splitlines()[0], count=10_000)
    rng = random.Random(options.seed)
    cases = []
    for _ in range(options.count):
        zone = rng.choice(peer.ZONES)
        fields = table(rng)
        written = ", ".join(f'{key} = "{value}"' for key, value in fields.items())
        cases.append({"expr": f"cron {{ {written} }}", "fields": fields, "timezone": zone,
                      "after": peer.random_after(rng, zone).isoformat(), "count": 5})
    answers = peer.ask(options.moondial, [{k: v for k, v in case.items() if k != "fields"} for case in cases])
    report = peer.Report("APScheduler")
    for case, ours in zip(cases, answers):
        their = theirs(case)
        if isinstance(ours, str):
            if isinstance(their, str):
                report.explained("refused by both")
            elif not their:
                report.explained("fields that never meet: refused here, no fires there")
            else:
                report.different(case, ours, their)
        elif isinstance(their, str):
            if "the step value" in their:
                report.explained("a step that never takes a second step: a note here, refused there")
            else:
                report.different(case, ours, their)
        elif peer.same(ours := [fire for fire in ours if fire <= end(case)], their):
            report.equal()
        elif explained(case, ours, their):
            report.explained("at the first fire after a change of clocks, where APScheduler has no policy")
        else:
            report.different(case, ours, their)
    report.finish()


main()
