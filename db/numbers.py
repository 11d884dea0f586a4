"""Telephone numbers: one normal form, what may be shown of it, and where it is from. Never raises.

Normal form: E.164 digits without '+' for mainland numbers ("8613812345678", "8657187654321"); short and
service numbers as they are ("12345", "1008611"); '' when withheld or not a number. A foreign number keeps
the international prefix ("0013125550123"): without it, it would read as a Chinese mobile.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import phonenumbers
from phone import Phone
from phonenumbers import carrier, geocoder

_MOBILE = re.compile(r"1[3-9][0-9]{9}")
_LANDLINE = re.compile(r"(10|2[0-9])([2-8][0-9]{7})|([3-9][0-9]{2})([2-8][0-9]{6,7})")
_FREEPHONE = re.compile(r"[48]00[0-9]{7}")
_SHORT = re.compile(r"[1-9][0-9]{2,5}")
_SHORT_BEHIND_AREA = re.compile(r"(?:10|2[0-9]|[3-9][0-9]{2})(1[0-9]{2,4}|9[0-9]{4})")
_LOCAL = re.compile(r"[2-8][0-9]{6,7}")
_AREA = re.compile(r"10|2[0-9]|[3-9][0-9]{2}")
_SCHEME = re.compile(r"^(?:sips?|tel):", re.IGNORECASE)
_EXTENSION = re.compile(r"[,;#]|转|分机|ext|x", re.IGNORECASE)
_FILLING = re.compile(r"[\s.()/\u200b-\u200f\u202a-\u202e]")
_REGIONS_WITHOUT_SUFFIX = ("内蒙古", "广西", "西藏", "宁夏", "新疆")


def normal(raw: str, area_code: str) -> str:
    """Normal form of a number as a carrier or a person wrote it; local numbers get `area_code` ("0571").

    An extension is cut off. Digits that fit no plan (9, 12–15 digits) stay as they are, so that the same
    caller is still known again; more than 15 digits, or anything but digits, gives ''.
    """
    text = _SCHEME.sub("", unicodedata.normalize("NFKC", raw).strip()).split("@")[0]
    text = _FILLING.sub("", _EXTENSION.split(text)[0]).strip("-")
    plus, text = text.startswith("+"), text.lstrip("+").strip("-")
    if not re.fullmatch(r"[0-9]+(?:-+[0-9]+)*", text):
        return ""
    area = _area(area_code)
    if "-" in text:
        head = text.rpartition("-")[0].replace("-", "")
        if _is_complete(_resolved(head, plus, area)):
            return _resolved(head, plus, area)
    return _resolved(text.replace("-", ""), plus, area)


def masked(number: str) -> str:
    """What screens and exports show: "138****5678", "0571-8765****", "+131****123"; short numbers whole."""
    if len(number) <= 6:
        return number
    if number.startswith("00"):
        return f"+{number[2:5]}****{number[-2:]}" if len(number) >= 9 else "****"
    area, local = _split(number)
    if area == "mobile":
        return f"{local[:3]}****{local[-4:]}"
    if area:
        return f"{area}-{local[:-4]}****"
    return f"{number[:3]}****{number[-2:]}" if len(number) >= 9 else f"{number[:-4]}****"


def display(number: str) -> str:
    """The whole number as people write it: "138 1234 5678", "0571-87654321", "+13125550123"."""
    if number.startswith("00"):
        return f"+{number[2:]}"
    area, local = _split(number)
    if area == "mobile":
        return f"{local[:3]} {local[3:7]} {local[7:]}"
    return f"{area}-{local}" if area else number


def dialled(number: str) -> str:
    """A normal number as it is dialled in the mainland: "13812345678", "057187654321", "0013125550123"."""
    area, local = _split(number)
    return local if area == "mobile" else area + local


@lru_cache(maxsize=20_000)
def region(number: str) -> str:
    """Where a normal number belongs: "浙江 杭州 移动", "浙江 杭州 固话", "美国"; '' where nobody knows."""
    area, local = _split(number)
    if area == "mobile":
        return _mobile_region(local)
    if area in ("400", "800"):
        return f"全国 {area} 电话"
    if area or number.startswith("00"):
        return _fixed_region("+86" + number[2:] if area else "+" + number[2:], bool(area))
    return ""


def _resolved(digits: str, plus: bool, area: str) -> str:
    """Normal form of bare digits; `plus`: they came after a '+'."""
    if plus or digits.startswith("00"):
        return _international(digits if plus else digits.lstrip("0"))
    if digits.startswith("0"):
        return _prefixed(digits[1:])
    if digits.startswith("86") and len(digits) >= 12 and _is_complete(_national(digits[2:])):
        return digits
    full = _national(digits)
    if full:
        return full
    if _LOCAL.fullmatch(digits) and area and _LANDLINE.fullmatch(area + digits):
        return "86" + area + digits
    return digits if 7 <= len(digits) <= 15 else ""


def _international(digits: str) -> str:
    if digits.startswith("86"):
        return _prefixed(digits[2:].removeprefix("0"))
    return "00" + digits if 7 <= len(digits) <= 15 and digits[0] != "0" else ""


def _prefixed(digits: str) -> str:
    """What follows +86, 0086 or a trunk 0; a short number behind an area code ("0571 12345") is itself."""
    behind_area = _SHORT_BEHIND_AREA.fullmatch(digits)
    return _national(digits) or (behind_area.group(1) if behind_area else "")


def _national(digits: str) -> str:
    """Normal form of a mainland number without its prefix; '' when it is none."""
    if _MOBILE.fullmatch(digits) or _LANDLINE.fullmatch(digits) or _FREEPHONE.fullmatch(digits):
        return "86" + digits
    return digits if _SHORT.fullmatch(digits) else ""


def _is_complete(number: str) -> bool:
    return len(number) >= 12


def _area(area_code: str) -> str:
    code = area_code.strip().removeprefix("0")
    return code if _AREA.fullmatch(code) else ""


def _split(number: str) -> tuple[str, str]:
    """("mobile", 11 digits) | (area code as dialled, local digits) | ('', number)."""
    rest = number[2:]
    if number[:2] != "86":
        return "", number
    if _MOBILE.fullmatch(rest):
        return "mobile", rest
    if _FREEPHONE.fullmatch(rest):
        return rest[:3], rest[3:]
    fixed = _LANDLINE.fullmatch(rest)
    if not fixed:
        return "", number
    return "0" + (fixed[1] or fixed[3]), fixed[2] or fixed[4]


@lru_cache(maxsize=1)
def _mobiles() -> Phone:
    return Phone()


def _mobile_region(local: str) -> str:
    found = _mobiles().find(local)
    if found:
        places = dict.fromkeys((found["province"], found["city"], found["phone_type"]))
        return " ".join(place for place in places if place)
    parsed = phonenumbers.parse("+86" + local)
    return str(carrier.name_for_number(parsed, "zh")).removeprefix("中国")


def _fixed_region(e164: str, mainland: bool) -> str:
    try:
        parsed = phonenumbers.parse(e164)
    except phonenumbers.NumberParseException:
        return ""
    if not mainland:
        return str(geocoder.country_name_for_number(parsed, "zh"))
    place = str(geocoder.description_for_number(parsed, "zh"))
    return " ".join([*_places(place), "固话"]) if place not in ("", "中国") else "固话"


def _places(place: str) -> list[str]:
    """ "浙江省杭州市" → ["浙江", "杭州"]; "北京市" → ["北京"]."""
    province, sign, city = place.partition("省")
    if not sign:
        province = next((name for name in _REGIONS_WITHOUT_SUFFIX if place.startswith(name)), "")
        city = place.removeprefix(province)
    return [part for part in (province, city.removesuffix("市")) if part]
