"""Checks the policy files: readable, complete, and equal to the published rules written down a second time here."""

import datetime as dt
import pathlib
import tomllib
import unittest

POLICIES = pathlib.Path(__file__).resolve().parents[1]
MARKETS = ("us_equities", "crypto", "forex", "other")
COMMON_KEYS = {"version", "market", "allowed_delay_ms", "zero_volume_moves_price", "symbols", "session"}
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday")

# Codes of the consolidated tapes' table by what they do not allow; every code of 1..41 that is absent here is Y Y Y.
NO_PRICE = {3, 5, 10, 12, 16, 17, 20, 22, 24, 25, 26, 27, 37}
LAST_ONLY_IF_FIRST = {9, 21, 30, 32}
NO_VOLUME = {16, 20, 39}


def load(market):
    with open(POLICIES / f"{market}.toml", "rb") as file:
        return tomllib.load(file)


def nth_weekday(year, month, weekday, n):
    """The n-th (from 1) or, for n = -1, the last given weekday (Monday = 0) of a month."""
    if n > 0:
        first = dt.date(year, month, 1)
        return first + dt.timedelta((weekday - first.weekday()) % 7 + 7 * (n - 1))
    last = dt.date(year + month // 12, month % 12 + 1, 1) - dt.timedelta(1)
    return last - dt.timedelta((last.weekday() - weekday) % 7)


def easter_sunday(year):
    """Gregorian Easter, by the anonymous (Meeus/Jones/Butcher) method."""
    golden, century, of_century = year % 19, year // 100, year % 100
    correction = (century - (century + 8) // 25 + 1) // 3
    epact = (19 * golden + century - century // 4 - correction + 15) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (of_century // 4) - epact - of_century % 4) % 7
    late = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * late + 114, 31)
    return dt.date(year, month, day + 1)


def observed(date):
    return date + dt.timedelta({5: -1, 6: 1}.get(date.weekday(), 0))


def planned_closings(year):
    thanksgiving = nth_weekday(year, 11, 3, 4)
    days = {
        nth_weekday(year, 1, 0, 3),
        nth_weekday(year, 2, 0, 3),
        easter_sunday(year) - dt.timedelta(2),
        nth_weekday(year, 5, 0, -1),
        observed(dt.date(year, 7, 4)),
        nth_weekday(year, 9, 0, 1),
        thanksgiving,
        observed(dt.date(year, 12, 25)),
    }
    if dt.date(year, 1, 1).weekday() != 5:
        days.add(observed(dt.date(year, 1, 1)))
    if year >= 2022:
        days.add(observed(dt.date(year, 6, 19)))
    return days


def early_closings(year):
    """The day after Thanksgiving; 3 July and 24 December when they are trading days before a mid-week holiday."""
    days = {nth_weekday(year, 11, 3, 4) + dt.timedelta(1)}
    if dt.date(year, 7, 4).weekday() in (1, 2, 3, 4):
        days.add(dt.date(year, 7, 3))
    if dt.date(year, 12, 25).weekday() in (1, 2, 3, 4):
        days.add(dt.date(year, 12, 24))
    return days


class PolicyFiles(unittest.TestCase):
    def test_every_file_has_exactly_the_documented_keys(self):
        self.assertEqual(sorted(p.stem for p in POLICIES.glob("*.toml")), sorted(MARKETS))
        session_keys = {
            "always": set(),
            "weekly": {"open_day", "open_time", "close_day", "close_time"},
            "daily": {"weekdays", "pre_open", "regular_open", "regular_close", "post_close", "closed", "half_days"},
        }
        for market in MARKETS:
            with self.subTest(market=market):
                policy = load(market)
                extra = {"conditions"} if market == "us_equities" else set()
                self.assertEqual(set(policy), COMMON_KEYS | extra)
                self.assertEqual((policy["version"], policy["market"]), (1, market))
                self.assertEqual(policy["allowed_delay_ms"], 5000 if market == "us_equities" else 2000)
                self.assertIs(policy["zero_volume_moves_price"], market == "forex")
                self.assertEqual(set(policy["symbols"]), {"prefixes", "forms"})
                session = policy["session"]
                common = {"timezone", "kind", "trading_day_start"}
                self.assertEqual(set(session), common | session_keys[session["kind"]])

    def test_a_prefix_belongs_to_one_market_only(self):
        prefixes = [prefix for market in MARKETS for prefix in load(market)["symbols"]["prefixes"]]
        self.assertEqual(len(prefixes), len(set(prefixes)))
        self.assertTrue(all(prefix.endswith(":") and len(prefix) > 1 for prefix in prefixes))

    def test_one_file_takes_what_is_left(self):
        self.assertEqual([m for m in MARKETS if "any" in load(m)["symbols"]["forms"]], ["other"])


class UsCalendar(unittest.TestCase):
    def setUp(self):
        self.session = load("us_equities")["session"]
        self.years = range(2020, 2028)

    def test_closings_are_those_of_the_holiday_rules_and_the_one_unplanned(self):
        expected = {day for year in self.years for day in planned_closings(year)} | {dt.date(2025, 1, 9)}
        self.assertEqual(self.session["closed"], [day.isoformat() for day in sorted(expected)])

    def test_early_closings_are_those_of_the_rules(self):
        expected = sorted(day.isoformat() for year in self.years for day in early_closings(year))
        self.assertEqual([half["date"] for half in self.session["half_days"]], expected)
        for half in self.session["half_days"]:
            self.assertEqual((half["regular_close"], half["post_close"]), ("13:00", "17:00"))
            self.assertNotIn(half["date"], self.session["closed"])

    def test_every_listed_date_is_a_week_day(self):
        dates = self.session["closed"] + [half["date"] for half in self.session["half_days"]]
        self.assertTrue(all(dt.date.fromisoformat(date).weekday() < 5 for date in dates))
        self.assertEqual(tuple(self.session["weekdays"]), WEEKDAYS)


class UsConditions(unittest.TestCase):
    def setUp(self):
        self.rows = load("us_equities")["conditions"]

    def test_every_code_is_there_with_a_name_of_its_own(self):
        self.assertEqual(list(self.rows), [str(code) for code in range(1, 42)])
        self.assertEqual(len({row["name"] for row in self.rows.values()}), 41)

    def test_rows_follow_the_table(self):
        for code in range(1, 42):
            with self.subTest(code=code):
                last = "yes"
                if code in NO_PRICE:
                    last = "no"
                elif code in LAST_ONLY_IF_FIRST:
                    last = "first"
                elif code == 15:
                    last = "first_after"
                expected = {
                    "high_low": code not in NO_PRICE,
                    "last": last,
                    "volume": code not in NO_VOLUME,
                    "vwap": code == 12 or (code not in NO_PRICE and code not in NO_VOLUME),
                }
                if code == 15:
                    expected["until"] = "16:00:10"
                if code == 24:
                    expected["extended_hours"] = True
                if code == 39:
                    expected["daily_only"] = True
                row = dict(self.rows[str(code)])
                del row["name"]
                self.assertEqual(row, expected)


if __name__ == "__main__":
    unittest.main()
