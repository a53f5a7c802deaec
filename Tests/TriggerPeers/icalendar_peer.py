"""Compares calendar_of { ics = … } with icalendar and recurring-ical-events: the days that the events of random calendars touch."""

import random
import tempfile
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import icalendar
import recurring_ical_events

import peer

DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
FIRST, LAST = date(2026, 1, 1), date(2028, 1, 1)


def written(moment, zone):
    """A property's parameters and value."""
    if not isinstance(moment, datetime):
        return ";VALUE=DATE:" + moment.strftime("%Y%m%d")
    if zone == "Z":
        return ":" + moment.strftime("%Y%m%dT%H%M%SZ")
    return (f";TZID={zone}" if zone else "") + ":" + moment.strftime("%Y%m%dT%H%M%S")


def rule(rng, start, zone):
    frequency = rng.choice(["YEARLY", "MONTHLY", "WEEKLY", "DAILY"])
    parts = [f"FREQ={frequency}"]
    if rng.random() < 0.4:
        parts.append(f"INTERVAL={rng.randint(2, 5)}")
    if frequency in ("MONTHLY", "YEARLY") and rng.random() < 0.5:
        if frequency == "YEARLY":
            parts.append(f"BYMONTH={rng.randint(1, 12)}")
        parts.append(rng.choice([f"BYDAY={rng.choice([1, 2, 3, -1])}{rng.choice(DAYS)}", f"BYMONTHDAY={rng.choice([1, 15, 28, -1])}"]))
    elif frequency == "WEEKLY" and rng.random() < 0.6:
        parts.append("BYDAY=" + ",".join(rng.sample(DAYS, rng.randint(1, 3))))
    elif frequency == "MONTHLY" and rng.random() < 0.3:
        parts.append(f"BYDAY=MO,TU,WE,TH,FR;BYSETPOS={rng.choice([1, -1, 2])}")
    chance = rng.random()
    if chance < 0.3:
        parts.append(f"COUNT={rng.randint(1, 40)}")
    elif chance < 0.5:
        until = start + timedelta(days=rng.randrange(1200))
        # The standard: a date for dates, UTC for times of a zone, local for others.
        if not isinstance(start, datetime):
            parts.append("UNTIL=" + until.strftime("%Y%m%d"))
        elif zone:
            parts.append("UNTIL=" + until.strftime("%Y%m%dT%H%M%SZ"))
        else:
            parts.append("UNTIL=" + until.strftime("%Y%m%dT%H%M%S"))
    return ";".join(parts)


def event(rng, number, clock):
    """The lines of an event, and of those that stand for some of its occurrences."""
    day = FIRST + timedelta(days=rng.randrange(-700, 600))
    zone = rng.choice(["", "Z", clock, clock, rng.choice(peer.ZONES)])
    start = day
    if rng.random() < 0.5:
        start = datetime.combine(day, time(rng.randrange(24), rng.choice([0, 30])))
    lines = [f"UID:{number}", "SUMMARY:" + rng.choice(["A\\, b", "a text that is\r\n  folded", "x"]), "DTSTART" + written(start, zone)]
    is_day = not isinstance(start, datetime)
    chance = rng.random()
    if chance < 0.4:
        length = timedelta(days=rng.randint(1, 4)) if is_day else timedelta(minutes=rng.choice([15, 60, 600, 1440, 3000]))
        lines.append("DTEND" + written(start + length, zone))
    elif chance < 0.6:
        lines.append("DURATION:" + (f"P{rng.randint(1, 4)}D" if is_day else rng.choice(["PT30M", "PT5H", "PT36H", "P1DT2H"])))
    overrides = []
    if rng.random() < 0.6:
        lines.append("RRULE:" + rule(rng, start, zone))
        chosen = [start + timedelta(days=rng.choice([1, 7, 14, 28, 365]) * rng.randrange(4)) for _ in range(3)]
        if lines[-1] in ("RRULE:FREQ=DAILY", "RRULE:FREQ=WEEKLY") and rng.random() < 0.7:
            # One occurrence takes place on another day.
            week = timedelta(days=7)
            overrides.append([f"UID:{number}", "RECURRENCE-ID" + written(start + week, zone),
                              "DTSTART" + written(start + week + timedelta(days=rng.randint(1, 90)), zone)])
        elif rng.random() < 0.3:
            lines.append("EXDATE" + written(chosen[0], zone))
        if rng.random() < 0.25:
            lines.append("RDATE" + written(chosen[1] + timedelta(days=1), zone))
    elif rng.random() < 0.2:
        lines.append("RDATE" + written(start + timedelta(days=rng.randint(1, 300)), zone))
    return [lines] + overrides


def calendar(rng, clock):
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//moondial//peers//EN"]
    for number in range(rng.randint(1, 4)):
        for body in event(rng, number, clock):
            lines += ["BEGIN:VEVENT", "DTSTAMP:20260101T000000Z", *body, "END:VEVENT"]
    return "\r\n".join(lines + ["END:VCALENDAR", ""])


def their_days(text, clock):
    """The days of FIRST ..< LAST on the clocks of a zone."""
    tz = ZoneInfo(clock)
    found = set()
    window = (FIRST - timedelta(days=10), LAST + timedelta(days=10))
    for occurrence in recurring_ical_events.of(icalendar.Calendar.from_ical(text)).between(*window):
        start, end = occurrence["DTSTART"].dt, occurrence.end

        def local(moment):
            if not isinstance(moment, datetime):
                return datetime.combine(moment, time())
            return (moment.astimezone(tz) if moment.tzinfo else moment).replace(tzinfo=None)

        if isinstance(start, datetime) and start.tzinfo and isinstance(end, datetime):
            # An end is an instant: a length on the clock may be another one when clocks change.
            end = max(start.astimezone(timezone.utc), end.astimezone(timezone.utc)).astimezone(tz)
        first, last = local(start), local(end)
        day = first.date()
        while day == first.date() or datetime.combine(day, time()) < last:
            found.add(day)
            day += timedelta(days=1)
    return sorted(day for day in found if FIRST <= day < LAST)


def main():
    options = peer.arguments(__doc__)
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as directory:
        cases = []
        for number in range(options.count):
            clock = rng.choice(peer.ZONES)
            text = calendar(rng, clock)
            path = Path(directory) / f"{number}.ics"
            path.write_bytes(text.encode())
            cases.append({"text": text, "expr": f'calendar_of {{ ics = "{path}" }}', "timezone": clock,
                          "after": "2025-12-20T00:00:00Z", "count": 800})
        keys = ("expr", "timezone", "after", "count")
        answers = peer.ask(options.moondial, [{key: case[key] for key in keys} for case in cases])
        report = peer.Report("icalendar")
        for case, ours in zip(cases, answers):
            their = their_days(case["text"], case["timezone"])
            if isinstance(ours, str) and "there is no event" in ours and not their:
                report.explained("refused: no event takes place; nor does one there")
                continue
            if isinstance(ours, str):
                report.different(case, ours, their)
                continue
            days = [fire.astimezone(ZoneInfo(case["timezone"])).date() for fire in ours]
            days = sorted({day for day in days if FIRST <= day < LAST})
            if days == their:
                report.equal()
            else:
                odd = sorted(set(days) ^ set(their))[:6]
                case = {**case, "differing": [f"{day} {'only here' if day in set(days) else 'only there'}" for day in odd]}
                report.different(case, [], [])
        report.finish()


main()
