"""What can go wrong with a ticket, told in sentences for the person at the screen.

TicketProblem
├── Invalid       the form or the inputs lack something; `fields` says what, field by field
├── NotAllowed    the action does not fit the state, or is not for this role
├── Stale         somebody else changed the ticket since it was read
└── NumbersUsedUp more than 99,999 tickets on one day
"""

from __future__ import annotations

from collections.abc import Mapping


class TicketProblem(Exception):
    """`str(problem)` is a Chinese sentence for the person; `code` is for the program."""

    code = "refused"


class Invalid(TicketProblem):
    """`fields` maps each field that is wrong to its sentence."""

    code = "invalid"

    def __init__(self, fields: Mapping[str, str], message: str = "有内容需要补充或更正。") -> None:
        super().__init__(message)
        self.fields = dict(fields)


class NotAllowed(TicketProblem):
    """`code` is not_allowed_in_state, not_your_role or unknown_action."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Stale(TicketProblem):
    code = "stale"

    def __init__(self) -> None:
        super().__init__("工单已被他人更新，请刷新后再操作。")


class NumbersUsedUp(TicketProblem):
    code = "numbers_used_up"

    def __init__(self) -> None:
        super().__init__("今日工单编号已用完。")
