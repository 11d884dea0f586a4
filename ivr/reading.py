"""How a text with digits is read aloud in Mandarin: the rule, pure. The synthesiser is given words only.

    spoken("12345热线14:05恢复，影响1200户") == "幺二三四五热线十四点零五分恢复，影响一千二百户"

What is a number and what is a string of digits is decided by what stands around it: telephone numbers and
hotlines digit by digit with 幺 for 1, quantities as numbers (2 before a measure word is 两), years digit by
digit, times in hours and minutes.
"""

from __future__ import annotations

import re

DIGITS = "零一二三四五六七八九"
DIALLED = DIGITS.replace("一", "幺")
"""On the telephone 1 is 幺, so that it is not heard as 7."""
LETTERS = dict(
    zip(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (
            "诶", "必", "西", "第", "衣", "艾弗", "记", "艾尺", "爱", "杰", "开", "艾勒", "艾姆",
            "恩", "欧", "批", "扣", "阿", "艾丝", "题", "优", "维", "达不溜", "艾克斯", "歪", "贼",
        ),
        strict=True,
    )
)  # fmt: skip
"""The voice knows no Latin letters: they are named as Chinese speakers name them."""
MEASURES = (
    "个月|个|位|名|户|人次|人|家|间|套|栋|幢|台|辆|条|次|件|份|张|块|元|角|万|亿|千|百|小时|分钟|秒|天|周|年内|年来|岁|公里|千米|"
    "米|厘米|毫米|平方|立方|吨|公斤|千克|克|升|度|级|倍|成|路公交|处|段|座|场|批|轮|项|起|口|根|棵|片|多|余"
)
TWO_OF = re.compile(
    r"(?:个|位|名|户|人|家|间|套|栋|幢|台|辆|条|次|件|份|张|块|元|小时|分钟|秒|天|周|处|段|座|场|批|轮|项|起)"
)
HOTLINES = re.compile(r"(?:1[0-2]\d|1[0-2]\d{3}|9[56]\d{3,4}|[48]00\d{7})$")
"""Dialled whatever stands around them: 110, 119, 120, 122, 12345, 12315, 95598, 96xxx, 400…"""
CALLED = re.compile(r"(?:电话|热线|拨打|致电|拨|号码|请打|短信|微信|验证码|邮编|编号|单号)[是为：:\s]*$")


def spoken(text: str) -> str:
    """The text with every digit, sign and Latin letter in words, as one says it on the telephone."""
    text = text.translate(_NARROW)
    for pattern, say in _RULES:
        text = pattern.sub(say, text)
    return re.sub(r"[A-Za-z]", lambda one: LETTERS[one[0].upper()], text)


def number(value: int) -> str:
    """A whole number in words: 1005 is 一千零五, 20000 is 两万. Raises ValueError from 10^12 on."""
    if value < 0:
        return "负" + number(-value)
    if value >= 10**12:
        raise ValueError(f"{value} is too large to be said as a number")
    if value < 10000:
        return _thousands(value)
    unit, name = (10**8, "亿") if value >= 10**8 else (10**4, "万")
    above, below = divmod(value, unit)
    head = "两" if above == 2 else number(above)
    gap = "零" if 0 < below < unit // 10 else ""
    return head + name + (gap + number(below).replace("两千", "二千") if below else "")


def dialled(digits: str) -> str:
    """Digit by digit with 幺, as telephone numbers are said; signs between them are a short stop."""
    return "".join(DIALLED[int(one)] if one.isdigit() else "，" for one in digits)


def _thousands(value: int) -> str:
    if value < 20:
        return DIGITS[value] if value < 10 else "十" + (DIGITS[value - 10] if value > 10 else "")
    said, gap = "", False
    for unit, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit, value = divmod(value, unit)
        if digit:
            said += (
                ("零" if gap and said else "")
                + ("两" if digit == 2 and unit == 1000 else DIGITS[digit])
                + name
            )
            gap = False
        else:
            gap = True
    return said


def _counted(digits: str, after: str = "") -> str:
    """A quantity: 2 before a measure word is 两; too long for a number it is said digit by digit."""
    if len(digits) > 12 or (len(digits) > 1 and digits[0] == "0"):
        return dialled(digits)
    value = int(digits)
    return "两" if value == 2 and TWO_OF.match(after) else number(value)


def _year(digits: str) -> str:
    return "".join(DIGITS[int(one)] for one in digits)


def _date(found: re.Match[str]) -> str:
    return f"{_year(found[1])}年{number(int(found[2]))}月{number(int(found[3]))}日"


def _time(found: re.Match[str]) -> str:
    hour, minute = int(found[1]), int(found[2])
    said = ("两" if hour == 2 else number(hour)) + "点"
    if minute == 0:
        return said + ("整" if found[3] is None and not _range_around(found) else "")
    if minute == 30:
        return said + "三十分"
    return said + ("零" if minute < 10 else "") + number(minute) + "分"


def _range_around(found: re.Match[str]) -> bool:
    after, before = found.string[found.end() : found.end() + 1], found.string[: found.start()][-1:]
    return after in "-~至到" or before in "-~至到"


def _point(found: re.Match[str]) -> str:
    whole, parts = found[1], found[2]
    return number(int(whole)) + "点" + _year(parts)


def _plain(found: re.Match[str]) -> str:
    """A run of digits by what stands around it."""
    digits, before, after = found[0], found.string[: found.start()], found.string[found.end() :]
    if re.match(rf"(?:{MEASURES})", after) and not CALLED.search(before):
        return _counted(digits, after)
    if HOTLINES.match(digits) or CALLED.search(before) or len(digits) >= 7 or digits[0] == "0":
        return dialled(digits) if len(digits) > 1 else DIGITS[int(digits)]
    if re.match(r"号?[路线]", after) and len(digits) >= 3:
        return dialled(digits)
    if re.search(r"[A-Za-z]$", before) or re.match(r"[A-Za-z]", after):
        return dialled(digits)
    return _counted(digits, after)


_NARROW = {
    ord(wide): ord(plain)
    for wide, plain in zip("０１２３４５６７８９％：－～．", "0123456789%:-~.", strict=True)
}
_CLOCK = r"(?<![\d:])([01]?\d|2[0-4]):([0-5]\d)(:[0-5]\d)?(?![\d:])"
_RULES = (
    (re.compile(r"(?<!\d)((?:19|20)\d\d)[-/.](1[0-2]|0?[1-9])[-/.](3[01]|[12]\d|0?[1-9])(?!\d)"), _date),
    (re.compile(r"(?<!\d)((?:19|20)\d\d)(?=年)"), lambda found: _year(found[1])),
    (re.compile(_CLOCK), _time),
    # 8点-18点, 1-3号, 3~5天: from … to; a telephone number's hyphens have been said by then.
    (
        re.compile(
            r"(?<!\d)(?:0\d{2,3}-\d{7,8}(?:-\d{1,5})?|[48]00-\d{3,4}-\d{3,4}|1\d{2}-\d{4}-\d{4})(?!\d)"
        ),
        lambda found: dialled(found[0]),
    ),
    (re.compile(r"(?<=[\d点分日号时月整])\s*[-~—]+\s*(?=[\d零一二三四五六七八九十两])"), lambda _found: "至"),
    (re.compile(r"-(\d+(?:\.\d+)?)(?=\s*(?:℃|°C|度|摄氏度))"), lambda found: "零下" + found[1]),
    (
        re.compile(r"(\d+(?:\.\d+)?)\s*%"),
        lambda found: (
            "百分之" + (_point(p) if (p := re.fullmatch(r"(\d+)\.(\d+)", found[1])) else _counted(found[1]))
        ),
    ),
    (re.compile(r"(?<![\d.])(\d{1,12})\.(\d{1,6})(?![\d.])"), _point),
    (re.compile(r"\d+"), _plain),
    (re.compile(r"℃|°C"), lambda _found: "摄氏度"),
    (re.compile(r"㎡|m²"), lambda _found: "平方米"),
    (re.compile(r"(?<=[一-龥])km(?![a-z])", re.IGNORECASE), lambda _found: "公里"),
    (re.compile(r"[/／](?=[一-龥])"), lambda _found: "或"),
    (re.compile(r"&"), lambda _found: "和"),
    (re.compile(r"\+"), lambda _found: "加"),
)
