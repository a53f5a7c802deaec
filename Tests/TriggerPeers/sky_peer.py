"""Compares solar with astral, and solar and lunar with ephem, at random places and times.

astral has the sun 47' below the horizon at its rise, where almanacs have 50', and adds refraction to its twilights; and its two rounds
do not settle where the sun hardly leaves the horizon. Such times are held against astral with the almanacs' depression, then against
ephem's theory of the sun (VSOP87): its altitude at that time, its direction, and that no passage is left out.
"""

import math
import random
from datetime import datetime, timedelta, timezone

import ephem
from astral import Observer, sun

import peer

DEPRESSION = {"sunrise": 50 / 60, "sunset": 50 / 60, "dawn": 6, "dusk": 6}
UTC = timezone.utc


def astral_times(case, start, days):
    """astral's times by its own rules, and by the almanacs' depression; a day without one is left out."""
    place = Observer(case["latitude"], case["longitude"], 0)
    event = case["event"]
    rising = sun.SunDirection.RISING if event in ("sunrise", "dawn") else sun.SunDirection.SETTING
    own, almanac = [], []
    for day in range(-2, days + 2):
        date = (start + timedelta(days=day)).date()
        if event == "noon":
            own.append(sun.noon(place, date))
            almanac.append(sun.noon(place, date))
            continue
        for times, ask in ((own, lambda: getattr(sun, event)(place, date)), (almanac, lambda: sun.time_at_elevation(
                place, -DEPRESSION[event], date, rising, with_refraction=False))):
            try:
                times.append(ask())
            except ValueError:
                pass
    return own, almanac


def altitude(case, instant):
    """The altitude of the sun's centre, in degrees, without refraction."""
    place = ephem.Observer()
    place.pressure = 0
    place.lat, place.lon = math.radians(case["latitude"]), math.radians(case["longitude"])
    place.date = instant.astimezone(UTC).replace(tzinfo=None)
    body = ephem.Sun(place)
    # ephem sees the sun from the surface; almanacs leave the parallax (8.8 seconds of arc) out.
    return math.degrees(body.alt) + 8.794 / 3600 * math.cos(body.alt)


def near(times, instant, seconds=60):
    return any(abs((other - instant).total_seconds()) <= seconds for other in times)


def agrees_with_ephem(case, ours):
    """Whether the sun passes its altitude at each of our times, in the right direction, within a hundredth of a degree."""
    goal = -DEPRESSION[case["event"]]
    sign = 1 if case["event"] in ("sunrise", "dawn") else -1
    for fire in ours:
        if abs(altitude(case, fire) - goal) > 0.012:
            return False
        if sign * (altitude(case, fire + timedelta(minutes=5)) - altitude(case, fire - timedelta(minutes=5))) < -0.003:
            return False
    # No passage is left out: between two fires the sun goes to the other side and back once.
    edges = [datetime.fromisoformat(case["after"])] + ours
    for before, after in zip(edges, edges[1:]):
        sides = []
        instant = before + timedelta(minutes=7)
        step = max(timedelta(minutes=7), (after - before) / 400)
        while instant < after - timedelta(minutes=7):
            height = sign * (altitude(case, instant) - goal)
            if abs(height) > 0.03 and (not sides or sides[-1] != (height > 0)):
                sides.append(height > 0)
            instant += step
        if sides not in ([True, False], [False], [True], []):
            return False
    return True


def compare_sun(options, rng):
    cases = []
    for _ in range(options.count):
        case = {"event": rng.choice(["sunrise", "sunset", "dawn", "dusk", "noon"]),
                "latitude": round(rng.choice([rng.uniform(-60, 60), rng.uniform(-89.5, 89.5)]), 3),
                "longitude": round(rng.uniform(-180, 180), 3), "timezone": "UTC", "count": 4,
                "after": (datetime(1950, 1, 1, tzinfo=UTC) + timedelta(seconds=rng.randrange(110 * 365 * 86400))).isoformat()}
        case["expr"] = f'solar("{case["event"]}", {{ latitude = {case["latitude"]}, longitude = {case["longitude"]} }})'
        cases.append(case)
    answers = peer.ask(options.moondial, [{key: case[key] for key in ("expr", "timezone", "after", "count")} for case in cases])
    report = peer.Report("astral and ephem")
    for case, ours in zip(cases, answers):
        if isinstance(ours, str):
            report.different(case, ours, [])
            continue
        start = datetime.fromisoformat(case["after"])
        span = ours[-1] - start
        days = min(10, span.days + 1)
        end = start + timedelta(days=days)
        own, almanac = astral_times(case, start, days)
        checked = [fire for fire in ours if fire < end - timedelta(minutes=2)]

        def all_same(theirs):
            inside = [time for time in theirs
                      if start + timedelta(minutes=2) < time < min(end - timedelta(minutes=2), ours[-1] + timedelta(minutes=2))]
            return all(near(theirs, fire) for fire in checked) and all(near(ours, time) for time in inside)

        if all_same(own):
            report.equal()
        elif case["event"] == "noon":
            report.different(case, ours, own)
        elif all_same(almanac):
            report.explained("astral's refraction; the same when given the almanacs' depression")
        elif agrees_with_ephem(case, ours):
            report.explained("astral's two rounds do not settle; the sun is where it should be by ephem")
        else:
            report.different(case, ours, own)
    return report


def compare_moon(options, rng, report):
    phases = {"new": ephem.next_new_moon, "first_quarter": ephem.next_first_quarter_moon, "full": ephem.next_full_moon,
              "last_quarter": ephem.next_last_quarter_moon}
    cases = []
    for _ in range(max(1, options.count // 4)):
        phase = rng.choice(list(phases))
        after = datetime(1800, 1, 1, tzinfo=UTC) + timedelta(seconds=rng.randrange(240 * 365 * 86400))
        cases.append({"expr": f'lunar "{phase}"', "phase": phase, "timezone": "UTC", "count": 3, "after": after.isoformat()})
    answers = peer.ask(options.moondial, [{k: v for k, v in case.items() if k != "phase"} for case in cases])
    for case, ours in zip(cases, answers):
        date = ephem.Date(datetime.fromisoformat(case["after"]).replace(tzinfo=None))
        theirs = []
        for _ in range(4):
            date = phases[case["phase"]](date)
            theirs.append(date.datetime().replace(tzinfo=UTC))
            date = ephem.Date(date + 1)
        if not isinstance(ours, str) and all(near(theirs, fire, 120) for fire in ours):
            report.equal()
        else:
            report.different(case, ours, theirs)


def main():
    options = peer.arguments(__doc__.splitlines()[0], count=5000)
    rng = random.Random(options.seed)
    report = compare_sun(options, rng)
    compare_moon(options, rng, report)
    report.finish()


main()
