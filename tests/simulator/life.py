"""The life of a contract and of its offers: SPEC 1 (C1 to C8) and 10 a second time, with the bodies of SPEC 4."""

from datetime import UTC, date, datetime, timedelta

from reference.rules import day_of, periods, seconds

NEXT = {
    ("DRAFT", "activated"): "ACTIVE",
    ("DRAFT", "revised"): "DRAFT",
    ("ACTIVE", "suspended"): "INACTIVE",
    ("INACTIVE", "resumed"): "ACTIVE",
    **{(status, "amended"): status for status in ("ACTIVE", "INACTIVE", "EXPIRED")},
    **{(status, "closed"): "CLOSED" for status in ("ACTIVE", "INACTIVE", "EXPIRED")},
    **{(status, "renewed"): status for status in ("ACTIVE", "INACTIVE", "EXPIRED", "CLOSED")},
}


def is_valid(terms, *, is_draft):
    """C1 to C4 and the adjustments, for the contracts of the simulator: time and materials with one account."""
    if terms["end_date"] < terms["start_date"]:
        return False
    spans = [str(start) for start, _ in periods(terms)]
    if any(adjustment["period_start"] not in spans for adjustment in terms["adjustments"]):
        return False
    [account] = terms["accounts"]
    contracted, planned = seconds(terms["contracted_hours"]), seconds(account["planned_hours"])
    sums = [planned + sum(_adjusted(terms, start)) for start in spans if min(_adjusted(terms, start), default=0) < 0]
    return is_draft or (contracted > 0 and planned == contracted and min(sums, default=0) >= 0)


def _adjusted(terms, start):
    return [seconds(adjustment["hours"]) for adjustment in terms["adjustments"] if adjustment["period_start"] == start]


def months_later(day, months):
    """The same day of a later month, or the last one of a shorter month."""
    year, month = divmod(day.month - 1 + months, 12)
    first = date(day.year + year, month + 1, 1)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return first.replace(day=min(day.day, last.day))


class ExpectedOffer:
    """An offer; ``until`` is the last second in which it can be answered."""

    def __init__(self, adjustment, until):
        self.adjustment, self.until, self.status = adjustment, until, "open"


class ExpectedLife:
    """What must come of the commands."""

    def __init__(self, terms, renewed_from=None):
        self.terms, self.status, self.version, self.offers = terms, "DRAFT", 1, []
        self.renewed_from, self.renewed_as = renewed_from, None

    def state(self):
        return self.version, self.status, self.terms, self.renewed_from, self.renewed_as

    def has_ended(self, now):
        return day_of(now, self.terms) > self._end

    @property
    def _end(self):
        return datetime.fromisoformat(self.terms["end_date"]).date()

    def command(self, type_, terms, now):
        status = NEXT.get((self.status, type_))
        is_complete = type_ in ("activated", "amended")
        if status is None or ((is_complete or type_ == "revised") and not is_valid(terms, is_draft=not is_complete)):
            return
        if type_ in ("amended", "revised") and terms == self.terms:
            return
        self.terms, self.status, self.version = terms, status, self.version + 1
        if type_ == "amended" and status == "EXPIRED" and not self.has_ended(now):
            self.status = "ACTIVE"
        self.expire(now)

    def renew(self, own_id, code, id_, now):
        """The contract that follows (C8), or None. Its account has no id yet."""
        if (self.status, "renewed") not in NEXT:
            return None
        start, first = date.fromisoformat(self.terms["start_date"]), self._end + timedelta(days=1)
        end = first + (self._end - start)
        for months in range(1, 240):
            if months_later(start, months) == first:
                end = months_later(first, months) - timedelta(days=1)
        self.command("renewed", self.terms, now)
        self.renewed_as = id_
        accounts = [{**account, "id": None} for account in self.terms["accounts"]]
        changes = {"code": code, "start_date": str(first), "end_date": str(end), "accounts": accounts}
        return ExpectedLife({**self.terms, **changes, "adjustments": []}, renewed_from=own_id)

    def expire(self, now):
        """C7."""
        if self.status == "ACTIVE" and self.has_ended(now):
            self.status, self.version = "EXPIRED", self.version + 1

    # Offers

    def make(self, adjustment, until, now):
        amended = {**self.terms, "adjustments": [*self.terms["adjustments"], adjustment]}
        if self.status != "ACTIVE" or self.has_ended(now) or not is_valid(amended, is_draft=False):
            return
        self.offers.append(ExpectedOffer(adjustment, until or self._default_deadline(adjustment, now)))

    def _default_deadline(self, adjustment, now):
        """14 days, or the end of the period if that is earlier and still to come."""
        [last] = [last for start, last in periods(self.terms) if str(start) == adjustment["period_start"]]
        moment = datetime(last.year, last.month, last.day, tzinfo=UTC) - timedelta(days=1)
        while day_of(moment, self.terms) <= last:
            moment += timedelta(minutes=15)
        end, latest = moment - timedelta(seconds=1), now.replace(microsecond=0) + timedelta(days=14)
        return end if now < end < latest else latest

    def answer(self, number, answer, now):
        if number >= len(self.offers) or self.offers[number].status != "open":
            return
        offer = self.offers[number]
        if answer == "withdrawn":
            offer.status = answer
        elif now <= offer.until:
            if answer == "accepted":
                version, adjustments = self.version, [*self.terms["adjustments"], offer.adjustment]
                if self.status == "ACTIVE" and not self.has_ended(now):
                    self.command("amended", {**self.terms, "adjustments": adjustments}, now)
                if self.version == version:
                    return
            offer.status = answer

    def expire_offers(self, now):
        for offer in self.offers:
            if offer.status == "open" and now > offer.until:
                offer.status = "expired"
