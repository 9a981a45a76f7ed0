"""The dates of LoCoMo's sessions, as its files write them."""

from __future__ import annotations

import re
from datetime import datetime

from vocabulary import DataError

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_DATE = re.compile(rf"(\d{{1,2}}):(\d{{2}}) (am|pm) on (\d{{1,2}}) ({'|'.join(_MONTHS)}), (\d{{4}})")


def parse_session_date(text: str) -> datetime:
    """A date as LoCoMo writes it, ``1:56 pm on 8 May, 2023``; it has no time zone. Raises `DataError`.

    Not `strptime`: that reads month names and am/pm in the language of the machine.
    """
    match = _DATE.fullmatch(text.strip())
    if match:
        hour, minute, half, day, month, year = match.groups()
        if 1 <= int(hour) <= 12:
            try:
                return datetime(
                    int(year), _MONTHS.index(month) + 1, int(day), int(hour) % 12 + 12 * (half == "pm"), int(minute)
                )
            except ValueError:
                pass  # such as 31 June: said below, with the text as it stands
    raise DataError(f"date {text!r} is not like '1:56 pm on 8 May, 2023'")
