"""The one dictionary of figures: what is divided by what, what is left out, and where the rule comes from.

A screen or a report that shows a figure takes its name and its explanation from here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Definition:
    """One figure. A count or a sum has no denominator: then `denominator` is empty."""

    code: str
    name: str
    """As people read it."""
    numerator: str
    denominator: str
    exclusions: str
    source: str
    """Where the rule comes from."""


_FIGURES_4 = "DOMAIN 4"
_TALK = "通话从本人应答起，到本人离开或通话结束止，含保持和与第三方协商的时间"

_ALL = (
    Definition(
        "answered", "今日接听", "本人今日应答的来电数", "", "呼出通话；振铃未接；今日零点前应答的", _FIGURES_4
    ),
    Definition("outbound", "今日呼出", "本人今日拨出的通话数，不论是否接通", "", "来电", _FIGURES_4),
    Definition(
        "talk_seconds", "今日通话时长", _TALK + "；来电和呼出合计，只计今日零点后的部分", "", "", _FIGURES_4
    ),
    Definition(
        "average_talk_seconds",
        "平均通话时长",
        "已结束的今日通话的通话时长之和",
        "这些通话的数量（来电与呼出接通）",
        "正在进行的通话；今日零点前应答的通话",
        _FIGURES_4,
    ),
    Definition(
        "average_wait_seconds",
        "平均等待时长",
        "今日来电由本人首先应答的，从离开语音导航到应答的时间（排队和振铃）之和",
        "这些来电的数量",
        "由他人转来的来电；呼出通话",
        _FIGURES_4,
    ),
    Definition(
        "after_call_seconds",
        "话后处理时长",
        "今日话后处理状态的时间，重叠只计一次",
        "",
        "示忙的其他原因",
        _FIGURES_4,
    ),
    Definition(
        "average_after_call_seconds",
        "平均话后处理时长",
        "今日话后处理时长",
        "本人今日应答的来电与接通的呼出之和",
        "没有通话的日子不计算",
        _FIGURES_4,
    ),
    Definition(
        "signed_in_seconds",
        "签入时长",
        "今日签入到签出的时间，多次签入相加，重叠只计一次；通话中视为签入",
        "",
        "签出之后；签出没有记下时，以最后一个队列移出为准",
        _FIGURES_4,
    ),
    Definition(
        "utilisation",
        "工时利用率",
        "通话、保持与话后处理的时间，重叠只计一次",
        "签入时长",
        "未签入时不计算",
        _FIGURES_4,
    ),
    Definition(
        "direct_rate",
        "直办率",
        "本人今日受理并直办答复的工单数",
        "本人今日受理的工单数（直办与转派，两率之和为 100%）",
        "尚未选择直办或转派的、不予受理的、已并单的工单和草稿",
        _FIGURES_4,
    ),
    Definition(
        "satisfaction",
        "满意率",
        "今日通话后按键评价为满意或基本满意的通话数",
        "今日通话后有按键评价的通话数",
        "未评价的通话；评价归于最后与市民通话的话务员；回访的满意率另计",
        _FIGURES_4,
    ),
)

_ROSTER_RULE = "排班表与通话日志中的签入、签出"

_ROSTER = (
    Definition(
        "adherence",
        "排班遵守率",
        "排班时段内处于签入状态的时间，重叠只计一次",
        "已过去的排班时段之和（跨零点的班次整班计入开始的那一天）",
        "计划内缺勤（请假、病假、其他）的班次；尚未开始的时段",
        _ROSTER_RULE,
    ),
    Definition(
        "conformance",
        "工时符合率",
        "当日全部签入时间，含排班以外的（提前到岗、加班、计划外）",
        "已过去的排班时段之和",
        "计划内缺勤的班次；属于另一天班次的签入时间；可以大于 100%",
        _ROSTER_RULE,
    ),
    Definition(
        "late",
        "迟到",
        "班次内首次签入晚于上班时间超过宽限（默认 5 分钟）的班次数；迟到分钟自上班时间算起",
        "",
        "计划内缺勤；整班未签入的计为缺勤",
        _ROSTER_RULE,
    ),
    Definition(
        "left_early",
        "早退",
        "班次结束前最后一次签出早于下班时间超过宽限的班次数",
        "",
        "计划内缺勤；尚未结束的班次",
        _ROSTER_RULE,
    ),
    Definition(
        "absent",
        "缺勤",
        "整班没有签入，或上班后超过缺勤时限（默认 60 分钟）仍未签入的班次数",
        "",
        "计划内缺勤",
        _ROSTER_RULE,
    ),
)

_ASKED = "时段内离开语音导航、要求人工服务的来电（按要求人工的时刻归属时段，按最后所在队列归属队列）"
_DECIDED = "时段内要求人工服务、且已不再等待的来电"
_NOT_ASKED = "呼出通话；在导航中自助办结或挂断的来电"
_STILL_WAITING = _NOT_ASKED + "；仍在等待的来电"
_NORM = "DOMAIN 4；GB/T 33358-2016：15 秒内人工应答，任意 24 小时接通率不低于 95%"
_BOARD = "现场看板"

_QUEUE = (
    Definition("queue_offered", "人工请求量", _ASKED, "", _NOT_ASKED, _FIGURES_4),
    Definition("queue_decided", "已有结果", _DECIDED, "", _STILL_WAITING, _FIGURES_4),
    Definition(
        "queue_waiting", "等待中", "时段内要求人工服务、此刻仍在等待的来电", "", _NOT_ASKED, _FIGURES_4
    ),
    Definition(
        "queue_answered", "人工接听", "其中由人工应答的来电（含值班电话）", "", _NOT_ASKED, _FIGURES_4
    ),
    Definition(
        "queue_answered_in_15",
        "15 秒内接听",
        "其中从要求人工到应答（排队和振铃）不超过 15 秒的来电；秒数为设置项 answer_norm_seconds",
        "",
        _NOT_ASKED,
        _NORM,
    ),
    Definition(
        "queue_abandoned",
        "排队放弃",
        "其中等待中挂断的来电",
        "",
        "速挂、预约回拨、留言（均另计）",
        _FIGURES_4,
    ),
    Definition(
        "queue_short_abandons",
        "速挂",
        "其中等待不足 5 秒即挂断的来电；秒数为设置项 short_abandon_seconds",
        "",
        _NOT_ASKED,
        "DOMAIN 3",
    ),
    Definition("queue_callbacks", "预约回拨", "其中改为预约回拨的来电", "", _NOT_ASKED, _FIGURES_4),
    Definition(
        "queue_overflowed",
        "溢出与留言",
        "其中无坐席、等待超时或队列已满而溢出的，以及留言的来电",
        "",
        _NOT_ASKED,
        "DOMAIN 3",
    ),
    Definition("queue_failed", "系统故障", "其中因系统故障而中断的来电，应为零", "", _NOT_ASKED, "DOMAIN 3"),
    Definition(
        "queue_other",
        "其他结果",
        "其中专席已关闭、拒接或最终自助办结的来电。人工请求量等于等待中与各项结果之和",
        "",
        _NOT_ASKED,
        "DOMAIN 3",
    ),
    Definition("queue_answer_rate", "接通率", "人工接听数", _DECIDED, _STILL_WAITING, _NORM),
    Definition("queue_in_15_rate", "15 秒接通率", "15 秒内接听数", _DECIDED, _STILL_WAITING, _NORM),
    Definition(
        "queue_abandon_rate",
        "放弃率",
        "排队放弃数（速挂、预约回拨另计）",
        _DECIDED,
        _STILL_WAITING,
        _FIGURES_4,
    ),
    Definition(
        "queue_average_wait_seconds",
        "平均等待",
        "人工接听的来电从要求人工到应答的时间之和",
        "这些来电的数量",
        "未接听的来电",
        _FIGURES_4,
    ),
    Definition(
        "queue_longest_wait_seconds",
        "最长等待",
        "人工接听的来电中等待最久的一通",
        "",
        "未接听的来电；此刻等待最久的来电另列",
        _FIGURES_4,
    ),
    Definition(
        "queue_average_talk_seconds",
        "平均通话",
        "人工接听且已结束的来电的通话时长（含保持）之和",
        "这些来电的数量",
        "正在进行的通话",
        _FIGURES_4,
    ),
    Definition(
        "queue_estimated_wait_seconds",
        "预计等待",
        "（等待人数＋1）×（最近一小时平均通话时长＋话后处理时长）；有空闲坐席且无人等待时为 0",
        "正在服务该队列的坐席数（示闲、振铃、通话、保持、话后）",
        "示忙、未签入、话机未连接的坐席；没有坐席服务时不估计",
        _BOARD,
    ),
    Definition(
        "queue_callbacks_owed",
        "待回拨",
        "漏话清单中尚未了结的市民（含预约回拨、排队放弃、留言），按其最后来电的队列",
        "",
        "已联系上、市民已再次接通或已放弃回拨的",
        "DOMAIN 5",
    ),
    Definition(
        "day_forecast",
        "预测人工请求量",
        "此前六周内同一星期几、同为工作日或休息日的各日，同一刻钟人工请求量之和；四日及以上时去掉最高和最低",
        "这些日的数量",
        "没有来电记录的日子；样本不足两日时改用同为工作日或休息日的其他日子",
        _BOARD,
    ),
    Definition("day_waiting", "最多同时等待", "每刻钟内同时等待人工的来电数的最大值", "", _NOT_ASKED, _BOARD),
    Definition(
        "day_seats",
        "签入坐席",
        "每刻钟内各话务员签入时间之和（按日志的签入、签出）",
        "该刻钟已过去的时间",
        "签出之后",
        _BOARD,
    ),
)
"""Of queues and of the day; `queue_x` explains `x` of `reports.interval.Figures` and of the board."""

_LIVE = "现场看板：电话系统此刻的状态，不是统计"
_NOW = (
    Definition(
        "now_waiting", "正在排队", "此刻在队列中等待或正在坐席振铃、尚无人应答的来电", "", _NOT_ASKED, _LIVE
    ),
    Definition(
        "now_longest_wait",
        "最长等待",
        "正在排队的来电中等待最久的一通，从要求人工起到此刻",
        "",
        "已应答和已挂断的来电",
        _LIVE,
    ),
    Definition(
        "now_ready", "示闲坐席", "示闲、话机在线且没有通话的坐席", "", "话机失联、示忙、话后处理的坐席", _LIVE
    ),
    Definition("now_in_call", "通话坐席", "振铃、通话和保持中的坐席", "", "话后处理的坐席", _LIVE),
    Definition("now_after_call", "话后坐席", "正在话后处理的坐席", "", "因其他原因示忙的坐席", _LIVE),
    Definition(
        "now_not_ready",
        "示忙坐席",
        "因小休、就餐等原因示忙的坐席，按原因分列",
        "",
        "话后处理、未签入的坐席",
        _LIVE,
    ),
    Definition(
        "now_trunk",
        "中继占用",
        "此刻与运营商之间占用的话路数，呼入和呼出合计",
        "",
        "坐席话机与电话系统之间的话路；上限为设置项“中继线路数”",
        _LIVE,
    ),
)
"""What the floor says at this moment; no report counts it."""

DEFINITIONS: dict[str, Definition] = {
    definition.code: definition for definition in (*_ALL, *_ROSTER, *_QUEUE, *_NOW)
}
