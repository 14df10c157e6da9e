"""A platelet response a second time, from LB, SUPPLB and CM alone and with nothing of immunomon: plain loops and dates.

Definitions: the International Working Group's of 2009 with a study's defaults; a durable response is 75 % of the counts
of days 99 to 197, four at least, one of them in the last 28 days, and no rescue there.
"""

from __future__ import annotations

GOOD = ("CR", "R")


def response_again(laboratory, supplement, medication=()):
    """Return by USUBJID what ADEFF says: a mapping of PARAMCD to value, None where a parameter has no record."""
    said = {(row["USUBJID"], row["IDVARVAL"], row["QNAM"]): row["QVAL"] for row in supplement}
    rescue = {}
    for row in medication:
        if row["CMCAT"] == "RESCUE" and row["CMSTDY"] is not None:
            last = row["CMENDY"] if row["CMENDY"] is not None else row["CMSTDY"]
            rescue.setdefault(row["USUBJID"], set()).update(range(row["CMSTDY"], last + 1))
    counts = {}
    for row in laboratory:
        if row["LBTESTCD"] != "PLAT" or row["LBDY"] is None:
            continue
        number = str(int(row["LBSEQ"]))
        bleeding = said.get((row["USUBJID"], number, "BLEED"))
        counts.setdefault(row["USUBJID"], []).append((row["LBDY"], row["LBSTRESN"], bleeding))
        if said.get((row["USUBJID"], number, "RESCUE")) == "Y":
            rescue.setdefault(row["USUBJID"], set()).add(row["LBDY"])
    return {who: _of_one(sorted(rows, key=lambda row: row[0]), rescue.get(who, set())) for who, rows in counts.items()}


def _of_one(rows, rescue):
    before = [count for day, count, _ in rows if day <= 1 and count is not None]
    baseline = before[-1] if before else None
    judged = []
    for day, count, bleeding in rows:
        if day <= 1:
            continue
        if bleeding == "Y" or any(0 <= day - given <= 28 for given in rescue):
            judged.append((day, "NR"))
        elif count is None:
            continue
        elif count >= 100:
            judged += [(day, "CR")] if bleeding == "N" else []
        elif count < 30:
            judged.append((day, "NR"))
        elif baseline is not None and bleeding == "N":
            judged.append((day, "R" if count >= 2 * baseline else "NR"))
        elif baseline is not None and count < 2 * baseline:
            judged.append((day, "NR"))
    return _values(judged, rescue, has_baseline=baseline is not None)


def _first_episode(judged, good):
    """Return the first day of the first confirmed run of good counts, and the day of its loss, None if not lost."""
    days = [day for day, _ in judged]
    fits = [level in good for _, level in judged]
    start = next((i for i in range(len(days)) if fits[i] and _lasts(days, fits, i)), None)
    if start is None:
        return None, None
    for i in range(start + 1, len(days)):
        if not fits[i]:
            later = [k for k in range(i + 1, len(days)) if days[k] - days[i] >= 1]
            if later and not any(fits[i : later[0] + 1]):
                return days[start], days[i]
    return days[start], None


def _lasts(days, fits, i):
    """Say whether the good counts in a row from here span 7 days."""
    if i and fits[i - 1]:
        return False
    end = i
    while end + 1 < len(days) and fits[end + 1]:
        end += 1
    return days[end] - days[i] >= 7


def _values(judged, rescue, *, has_baseline):
    values = dict.fromkeys(("BOR", "TTR", "DOR", "TTCR", "DOCR", "LOSS", "CLOSS", "DURABLE"))
    days = [day for day, _ in judged]
    start, lost = _first_episode(judged, GOOD)
    complete, complete_lost = _first_episode(judged, ("CR",))
    if start is None and (not has_baseline or len(days) < 2):
        values["BOR"] = "NE"
    else:
        values["BOR"] = "NR" if start is None else "R" if complete is None else "CR"
    if days:
        values["TTR"] = ((start or days[-1]) - 1, int(start is None))
        values["TTCR"] = ((complete or days[-1]) - 1, int(complete is None))
    if start is not None:
        values["DOR"] = ((lost or days[-1]) - start, int(lost is None))
        values["LOSS"] = "N" if lost is None else "Y"
    if complete is not None:
        values["DOCR"] = ((complete_lost or days[-1]) - complete, int(complete_lost is None))
        values["CLOSS"] = "N" if complete_lost is None else "Y"
    window = [level for day, level in judged if 99 <= day <= 197]
    if len(window) < 4 or days[-1] <= 169:
        values["DURABLE"] = "NE"
    else:
        kept = not any(99 <= day <= 197 for day in rescue)
        values["DURABLE"] = "Y" if kept and sum(level in GOOD for level in window) >= 0.75 * len(window) else "N"
    return values
