"""Compares rrule with python-dateutil: random rules, alone and in sets, in many zones.

Where dateutil reads the standard differently (docs/triggers.md, "Other schedulers"), it is asked the question as the standard
has it, so that every answer is compared.
"""

import random
from datetime import datetime, timedelta, timezone
from itertools import takewhile
from zoneinfo import ZoneInfo

from dateutil import rrule as dateutil_rrule
from dateutil.rrule import rrulestr

import peer

# How many days of years, months and weeks, and how many hours, minutes and seconds, dateutil may step through for one rule. What it
# found by then is compared. It is work that is counted, not time, so that a seed has the same outcome on every machine.
PATIENCE = 60_000

DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
FREQUENCIES = ["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY"]


def numbers(rng, low, high, most, negative=0.0):
    chosen = {rng.randint(low, high) * (-1 if rng.random() < negative else 1) for _ in range(rng.randint(1, most))}
    return ",".join(str(number) for number in sorted(chosen - {0})) or "1"


def days(rng, ordinals=0):
    chosen = rng.sample(DAYS, rng.choice([1, 1, 2, 3, 5]))
    if not ordinals:
        return ",".join(chosen)
    return ",".join(f"{rng.choice([-1, 1]) * rng.randint(1, ordinals)}{day}" for day in chosen)


def parts(rng, frequency):
    """A rule that the standard allows, as a table of parts."""
    rule = {"FREQ": frequency}
    if rng.random() < 0.5:
        longest = {"YEARLY": 6, "MONTHLY": 14, "WEEKLY": 10, "DAILY": 60, "HOURLY": 50, "MINUTELY": 200, "SECONDLY": 5000}
        rule["INTERVAL"] = rng.randint(2, longest[frequency])
    if rng.random() < 0.35:
        rule["BYMONTH"] = numbers(rng, 1, 12, 4)
    if frequency == "YEARLY" and rng.random() < 0.25:
        rule["BYWEEKNO"] = numbers(rng, 1, 53, 3, 0.3)
    if frequency in ("YEARLY", "HOURLY", "MINUTELY", "SECONDLY") and rng.random() < 0.2:
        rule["BYYEARDAY"] = numbers(rng, 1, 366, 4, 0.3)
    if frequency != "WEEKLY" and rng.random() < 0.3:
        rule["BYMONTHDAY"] = numbers(rng, 1, 31, 4, 0.3)
    if rng.random() < 0.45:
        ordinals = 0
        if frequency in ("YEARLY", "MONTHLY") and "BYWEEKNO" not in rule and rng.random() < 0.5:
            ordinals = 5 if frequency == "MONTHLY" or "BYMONTH" in rule else 53
        rule["BYDAY"] = days(rng, ordinals)
    # Rules of hours and less are asked a few times only, so that dateutil, which steps, gets somewhere.
    if rng.random() < (0.4 if FREQUENCIES.index(frequency) < 4 else 0.3):
        rule["BYHOUR"] = numbers(rng, 0, 23, 3)
    if rng.random() < 0.3:
        rule["BYMINUTE"] = numbers(rng, 0, 59, 3)
    if rng.random() < 0.2:
        rule["BYSECOND"] = numbers(rng, 0, 59, 3)
    if rng.random() < 0.25 and any(name.startswith("BY") for name in rule):
        rule["BYSETPOS"] = numbers(rng, 1, rng.choice([2, 5, 20]), 3, 0.4)
    if rng.random() < 0.25:
        rule["WKST"] = rng.choice(DAYS)
    return rule


def text(rule):
    return ";".join(f"{name}={value}" for name, value in rule.items())


def compact(time):
    return time.strftime("%Y%m%dT%H%M%S")


class Searched(Exception):
    """dateutil has come to a day that it need not, or may not, look at; the day is the argument."""


class Bounded(dateutil_rrule._iterinfo):
    """dateutil's stepping from period to period, ended after `last` (it would go on to the year 9999), or when it costs too much.

    Each step of its loop asks for the days of the next period by one of these methods; a day at least per step.
    """

    last = None
    left = PATIENCE

    def step(self, year, month, day, days):
        first = datetime(year, month, day)
        self.left -= 10 + days
        if self.left < 0 or first > Bounded.last:
            raise Searched(first)

    def ydayset(self, year, month, day):
        self.step(year, 1, 1, 366)
        return super().ydayset(year, month, day)

    def mdayset(self, year, month, day):
        self.step(year, month, 1, 31)
        return super().mdayset(year, month, day)

    def wdayset(self, year, month, day):
        self.step(year, month, day, 7)
        return super().wdayset(year, month, day)

    def ddayset(self, year, month, day):
        self.step(year, month, day, 1)
        return super().ddayset(year, month, day)


dateutil_rrule._iterinfo = Bounded


def local_fires(rule, start, end, asked=None):
    """What dateutil makes of one rule up to `end`, on the clock of the rule; and before when that is all, if it stopped earlier.

    Enough is what covers a few fires after the local time `asked`.
    """
    rule = dict(rule)
    count, first = rule.pop("COUNT", None), start
    until = rule.pop("UNTIL", None)
    if until is not None:
        end = min(end, until)
    others = {"BYDAY", "BYMONTHDAY", "BYYEARDAY"} & rule.keys()
    if rule["FREQ"] == "YEARLY" and "BYWEEKNO" in rule and not others:
        # The standard takes the weekday from the start; dateutil takes all seven.
        rule["BYDAY"] = DAYS[start.weekday()]
    if rule["FREQ"] == "WEEKLY" and "BYSETPOS" in rule:
        # The standard chooses from whole weeks; dateutil's first week begins with the start. Its time of day stays.
        first = start - timedelta(days=(start.weekday() - DAYS.index(rule.get("WKST", "MO"))) % 7)
        rule.setdefault("BYDAY", DAYS[start.weekday()])
    fires, beyond = [], 0
    Bounded.last = end
    try:
        for fire in rrulestr(text({**rule, "UNTIL": compact(end)}), dtstart=first):
            if fire >= start:
                fires.append(fire)
                if count is not None and len(fires) >= count:
                    break
                beyond += asked is not None and fire > asked + timedelta(days=3)
                if beyond > 8:
                    return fires, fire
    except Searched as day:
        # All before that day was looked at; it may have stopped within the day.
        searched = max([day.args[0] - timedelta(seconds=1)] + fires[-1:])
        return fires, searched if searched <= end else None
    except ValueError as error:
        # Its words for a rule that never fires.
        if "Invalid combination" not in str(error) and "empty set" not in str(error):
            raise
    return fires, None


def instants(fires, zone, follows_clock):
    """Local times as instants, by Moondial's policy for changes of clocks."""
    tz = ZoneInfo(zone)
    result = set()
    for fire in fires:
        both = [fire.replace(tzinfo=tz, fold=fold) for fold in (0, 1)]
        shown = [one for one in both if one.astimezone(timezone.utc).astimezone(tz).replace(tzinfo=None) == fire]
        if shown:
            result.update(one.astimezone(timezone.utc) for one in (shown if follows_clock else shown[:1]))
        elif not follows_clock:
            # The end of the gap: the first second after it on the old offset.
            low, high = fire - timedelta(days=2), fire + timedelta(days=2)
            low, high = low.replace(tzinfo=tz).timestamp(), high.replace(tzinfo=tz).timestamp()
            before = tz.utcoffset(datetime.fromtimestamp(low, tz).replace(tzinfo=None))
            while high - low > 1:
                middle = (low + high) // 2
                there = datetime.fromtimestamp(middle, timezone.utc).astimezone(tz)
                if there.utcoffset() == before or there.replace(tzinfo=None) < fire:
                    low = middle
                else:
                    high = middle
            result.add(datetime.fromtimestamp(high, timezone.utc))
    return sorted(result)


def case(rng):
    zone = rng.choice(peer.ZONES) if rng.random() < 0.5 else "UTC"
    after = peer.random_after(rng, zone)
    there = after.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    # One in six begins long ago; but not what is dense, since dateutil has to step through it.
    frequency = rng.choice(FREQUENCIES[:4]) if rng.random() < 0.75 else rng.choice(FREQUENCIES[4:])
    back = 400 if FREQUENCIES.index(frequency) < 4 else 3
    if rng.random() < 0.15 and back > 3:
        back = 6000
    start = there - timedelta(seconds=rng.randrange(-back * 8640, back * 86400))
    if rng.random() < 0.7:
        start = start.replace(minute=rng.choice([0, 30]), second=0)
    rules = [parts(rng, frequency)]
    if rng.random() < 0.1:
        rules.append(parts(rng, rng.choice(FREQUENCIES[:4])))
    lines = [f"DTSTART:{compact(start)}"]
    for rule in rules:
        chance = rng.random()
        written = dict(rule)
        if chance < 0.25:
            rule["COUNT"] = written["COUNT"] = rng.choice([1, 2, 5, 10, 30, 100])
        elif chance < 0.4:
            until = start + timedelta(seconds=rng.randrange(0, 1000 * 86400))
            if rng.random() < 0.3:
                # A date alone is the whole day; dateutil reads its midnight.
                written["UNTIL"] = until.strftime("%Y%m%d")
                until = until.replace(hour=23, minute=59, second=59)
            else:
                written["UNTIL"] = compact(until)
            rule["UNTIL"] = until
        lines.append("RRULE:" + text(written))
    added, removed = [], []
    if rng.random() < 0.1:
        added = [start + timedelta(seconds=rng.randrange(0, 600 * 86400)) for _ in range(rng.randint(1, 4))]
        lines.append("RDATE:" + ",".join(compact(time) for time in added))
    return {"zone": zone, "after": after, "start": start, "rules": rules, "lines": lines, "added": added,
            "removed": removed, "count": 6}


def follows_clock(case):
    return not case["added"] and all(FREQUENCIES.index(rule["FREQ"]) > 3 for rule in case["rules"])


def theirs(case):
    days = 5 * 366 if min(FREQUENCIES.index(rule["FREQ"]) for rule in case["rules"]) < 4 else 20
    if all(FREQUENCIES.index(rule["FREQ"]) > 3 for rule in case["rules"]):
        days = 20
    zone = ZoneInfo(case["zone"])
    asked = max(case["after"].astimezone(zone).replace(tzinfo=None), case["start"])
    end = asked + timedelta(days=days)
    fires = set(case["added"])
    is_slow = False
    for rule in case["rules"]:
        found, searched = local_fires(rule, case["start"], end, asked)
        fires.update(found)
        if searched is not None:
            end = min(end, searched)
            is_slow = is_slow or not found
    fires -= set(case["removed"])
    near = sorted(fire for fire in fires if fire > asked - timedelta(days=3))
    answer = [fire for fire in instants(near, case["zone"], follows_clock(case)) if fire > case["after"]]
    # What lies beyond the end was not searched; nor, with a change of clocks there, what lies right before it.
    margin = timedelta(0 if case["zone"] == "UTC" else 2)
    return answer, end.replace(tzinfo=zone).astimezone(timezone.utc) - margin, is_slow


def found_at_all(rule, case):
    """The first fires of a rule in decades, where it steps by days and more; or in years."""
    years = 40 if FREQUENCIES.index(rule["FREQ"]) < 4 else 2
    fires, _ = local_fires(rule, case["start"], case["start"] + timedelta(days=years * 366))
    # Clocks may skip all of them.
    return instants(sorted(set(fires) - set(case["removed"]))[:200], case["zone"], follows_clock(case))


def same_but_new_year(ours, theirs, zone):
    """Whether the answers differ in nothing but the days up to 3 January: dateutil takes the length of the wrong year for the
    number of weeks of the year before."""
    def rest(fires):
        local = [fire.astimezone(ZoneInfo(zone)) for fire in fires]
        return [fire for fire in local if not (fire.month == 1 and fire.day <= 3)]
    ours, theirs = rest(ours), rest(theirs)
    length = min(len(ours), len(theirs))
    return peer.same(ours[:length], theirs[:length])


def main():
    options = peer.arguments(__doc__, count=10_000)
    rng = random.Random(options.seed)
    cases = [case(rng) for _ in range(options.count)]
    for one in cases:
        if rng.random() < 0.1:
            # What is left out is mostly what there is.
            end = one["start"] + timedelta(days=9)
            fires = sorted(set().union(*(local_fires(rule, one["start"], end)[0] for rule in one["rules"])))
            one["removed"] = rng.sample(fires, min(len(fires), rng.randint(1, 5)))
            if one["removed"]:
                one["lines"].append("EXDATE:" + ",".join(compact(time) for time in one["removed"]))
    asked = [{"expr": 'rrule "' + "\\n".join(one["lines"]) + '"', "timezone": one["zone"],
              "after": one["after"].isoformat(), "count": one["count"]} for one in cases]
    report = peer.Report("dateutil")
    for one, question, ours in zip(cases, asked, peer.ask(options.moondial, asked)):
        their, end, is_slow = theirs(one)
        if isinstance(ours, str):
            if "never fires" in ours and any(not found_at_all(rule, one) for rule in one["rules"]):
                report.explained("refused: a rule that never fires; nor does it there, as far as it got in decades")
            else:
                report.different(question, ours, their)
            continue
        ours = [fire for fire in ours if fire <= end]
        their = [fire for fire in takewhile(lambda fire: fire <= end, their)][:one["count"]]
        if peer.same(ours, their):
            if is_slow and not their:
                report.explained("not compared: dateutil found nothing in its time")
            else:
                report.equal()
        elif any("BYWEEKNO" in rule for rule in one["rules"]) and same_but_new_year(ours, their, one["zone"]):
            report.explained("BYWEEKNO: first days of January that belong to the last week of the year before, missing there")
        else:
            report.different(question, ours, their)
    report.finish()


main()
