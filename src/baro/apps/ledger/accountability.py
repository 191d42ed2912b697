"""What a person accepts, once, before the first electronic signature."""

from __future__ import annotations

from baro.apps.ledger.naming import in_language

VERSION = "1"
TEXT_KO = (
    "본인은 이 시스템에서 하는 전자서명이 손으로 쓴 서명과 같은 법적 구속력을 가짐을 알고, "
    "자신의 전자서명으로 한 모든 행위에 책임을 집니다. 사용자명과 비밀번호는 본인만 사용하며 "
    "다른 사람에게 알리거나 빌려주지 않습니다. 다른 사람이 알게 되었거나 그럴 우려가 있으면 "
    "즉시 시스템 관리자에게 알립니다."
)
TEXT_EN = (
    "I know that my electronic signature in this system is the legally binding equivalent of my "
    "handwritten signature, and I am accountable for every action that carries it. My user name and my "
    "password are used by me alone; I neither tell nor lend them to anybody. If somebody else knows "
    "them, or may know them, I tell the system administrator at once."
)


def statement() -> str:
    """The text in the language of the page."""
    return in_language(TEXT_KO, TEXT_EN)
