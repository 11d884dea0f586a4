"""Digits as they are said on the telephone in Mandarin."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.reading import LETTERS, number, spoken


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("请拨打12345", "请拨打幺二三四五"),
        ("12345热线", "幺二三四五热线"),
        ("火警119、急救120", "火警幺幺九、急救幺二零"),
        ("停水影响12000户", "停水影响一万二千户"),
        ("影响120户居民", "影响一百二十户居民"),
        ("咨询电话0571-88880000", "咨询电话零五七幺，八八八八零零零零"),
        ("拨打400-800-1234", "拨打四零零，八零零，幺二三四"),
        ("联系13800138000", "联系幺三八零零幺三八零零零"),
        ("供电95598", "供电九五五九八"),
        ("2026年11月22日", "二零二六年十一月二十二日"),
        ("2026-11-22起", "二零二六年十一月二十二日起"),
        ("14:05恢复", "十四点零五分恢复"),
        ("今晚22:00停水", "今晚二十二点整停水"),
        ("8：30开始", "八点三十分开始"),
        ("8:00-18:00", "八点至十八点"),
        ("11月22日22:00至23日6:00", "十一月二十二日二十二点至二十三日六点"),
        ("预计2小时", "预计两小时"),
        ("2个小区", "两个小区"),
        ("12个小区", "十二个小区"),
        ("2号楼", "二号楼"),
        ("1-3号楼", "一至三号楼"),
        ("水压下降95%", "水压下降百分之九十五"),
        ("涨幅3.5%", "涨幅百分之三点五"),
        ("水深1.05米", "水深一点零五米"),
        ("气温-5℃", "气温零下五摄氏度"),
        ("301路公交停运", "三百零一路公交停运"),
        ("301路停运", "三零幺路停运"),
        ("G60高速", "记六零高速"),
        ("A座3楼", "诶座三楼"),
        ("１２３４５", "幺二三四五"),
        ("验证码8821", "验证码八八二幺"),
        ("没有数字。", "没有数字。"),
    ],
)
def test_is_read_as_a_person_would(written: str, said: str) -> None:
    assert spoken(written) == said


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "零"),
        (10, "十"),
        (11, "十一"),
        (20, "二十"),
        (105, "一百零五"),
        (110, "一百一十"),
        (1005, "一千零五"),
        (1050, "一千零五十"),
        (2000, "两千"),
        (10000, "一万"),
        (10005, "一万零五"),
        (20000, "两万"),
        (120000, "十二万"),
        (100000000, "一亿"),
        (100010000, "一亿零一万"),
        (-5, "负五"),
    ],
)
def test_numbers_in_words(value: int, words: str) -> None:
    assert number(value) == words


@given(st.text(alphabet="0123456789.:-%~年月日个户电话路AaZ，。 ", max_size=40))
def test_never_fails_and_leaves_nothing_that_the_voice_cannot_say(text: str) -> None:
    assert not re.search(r"[0-9A-Za-z]", spoken(text))


def test_every_letter_has_a_name() -> None:
    assert len(LETTERS) == 26
