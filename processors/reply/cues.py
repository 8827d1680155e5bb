"""What the words round a piece of code say about it: refused, wrong, final, one of several.

They decide only between pieces that all define the expected name, or that there is no answer.
"""

import re


def _any_of(*alternatives: str) -> re.Pattern[str]:
    return re.compile("|".join(alternatives), re.IGNORECASE)


_REFUSES = _any_of(
    r"\b(?:I|we) (?:can(?:no|['\u2019])t|can not|won['\u2019]t|will not)\b",
    r"\b(?:I|we)(?: am|['\u2019]m| are) (?:not able|unable|afraid I)\b",
    r"\b(?:must|have to|I) decline\b",
    r"\b(?:unable|not able) to (?:help|assist|provide|comply|fulfil)",
    r"\bas an AI\b",
    "\u62b1\u6b49",  # Chinese: sorry
    "\u65e0\u6cd5",  # cannot
    "\u043d\u0435 \u043c\u043e\u0433\u0443",  # Russian: I cannot
)
_FORBIDS = _any_of(r"\b(?:do not|don['\u2019]t|avoid|never)\b(?! (?:forget|worry|hesitate|need))")
_SETTLES = _any_of(
    r"\b(?:correct(?:ed|ion|s)?|fix(?:ed|es|ing)?|final(?:ly)?|updated?|improved|revised)\b",
    r"\b(?:proper|recommended|preferred|best|complete|full|instead|should be|actual(?:ly)?)\b",
    "\u6700\u7ec8",  # Chinese: final
    "\u4fee\u6b63",  # corrected
    "\u66f4\u6b63",  # corrected
    "\u5b8c\u6574",  # complete
    "\u043e\u043a\u043e\u043d\u0447\u0430\u0442\u0435\u043b\u044c\u043d",  # Russian: final
    "\u0438\u0441\u043f\u0440\u0430\u0432\u043b\u0435\u043d",  # corrected
)
_REJECTS = _any_of(
    r"\b(?:wrong|incorrect(?:ly)?|bug(?:gy)?|broken|mistakes?|pitfalls?|anti-?pattern|bad|old)\b",
    r"\b(?:na(?:i|\u00ef)ve|original|previous(?:ly)?|before|draft|(?:first|initial) attempt)\b",
    r"\b(?:fails?|does(?: not|n['\u2019]t) work|for comparison|not recommended|what not to)\b",
    "\u9519\u8bef",  # Chinese: error
    "\u4e0d\u6b63\u786e",  # not correct
    "\u043e\u0448\u0438\u0431\u043e\u0447\u043d",  # Russian: mistaken
    "\u043d\u0435\u0432\u0435\u0440\u043d",  # wrong
)
_THING = r"(?:option|approach|method|solution|version|variant|alternative|implementation|way)"
_ALTERNATIVE = _any_of(
    rf"\b{_THING}\s*+(?:(?:#|no\.?)\s*+)?(?:\d|[ivx]+\b|[a-d]\b|one\b|two\b|three\b)",
    rf"\b(?:first|second|third|1st|2nd|3rd|another|other) {_THING}\b",
    r"\balternat(?:ive(?:ly)?|ely)\b",
    r"\bor(?: you (?:can|could)|, | using| as| with|:)",
    r"\b(?:more|very) (?:concise|compact|pythonic)|\bone-?liner|\bbonus\b|\bequivalent|\bshorter\b",
    r"[\u65b9\u89e3][\u6cd5\u6848]\s*(?:[\u4e00\u4e8c\u4e09]|\d)",  # Chinese: method 1
    "\u53e6\u4e00\u79cd",  # another kind
    # Russian: variant, way, solution or approach, and a number
    r"(?:\u0432\u0430\u0440\u0438\u0430\u043d\u0442|\u0441\u043f\u043e\u0441\u043e\u0431"
    r"|\u0440\u0435\u0448\u0435\u043d\u0438\u0435|\u043f\u043e\u0434\u0445\u043e\u0434)\s*+(?:\u2116\s*+)?\d",
    "\u0430\u043b\u044c\u0442\u0435\u0440\u043d\u0430\u0442\u0438\u0432",  # alternative
)
_EXCERPT = _any_of(
    r"\b(?:could|can|might) (?:also|instead)\b|\binstead\b|\balternat|\breplac(?:e|ing)\b",
    r"\bif you (?:need|want|prefer)\b|\b(?:key|important|relevant|crucial|core) (?:line|part|step)",
    r"\b(?:this|these|that|the following) (?:lines?|loop|part|expression|condition)\b",
)
_GOES_ON = _any_of(
    r"\bstep\b|\b(?:then|next|now|finally|lastly|continu\w+|rest|remaining|after that)\b|\d[.)]\s",
)
_RECOMMENDS = re.compile(
    r"\b(?:recommend|prefer|suggest|choose|submit|pick|go with|going with|would use)"
    rf"(?: (?:using|to use|the|that))?\W{{1,4}}(?P<thing>{_THING}\s*#?(?:\d|[a-d]\b))",
    re.IGNORECASE,
)
# "Wait, that is wrong" speaks of what stands above it.
_LOOKS_BACK = _any_of(
    r"\A\W*(?:wait|oops|hmm|no\b|actually|that|this (?:is|was|has)|it\b|the (?:above|previous))",
    r"\A\W*but\b",
)
_FAILED = _any_of(
    r"\A\W*(?:wait|hmm|no\b|oops|actually|but (?:this|that|it)|this|that|however)[^\n]{0,80}"
    r"(?:\b(?:wrong|incorrect|bug|fails?|mistake)|\b(?:not|n['\u2019]t) (?:work|right|correct))"
)
_SENTENCE = re.compile(r"(?<=[.!?\u3002\uff01\uff1f])\s+|\n+")
REACH = 600  # how many characters of prose before a block may speak about it


def refuses(prose: str) -> bool:
    """Return whether the prose declines the task."""
    return _REFUSES.search(prose) is not None


def is_settled(cue: str) -> bool:
    """Return whether the words call what follows the corrected or final code."""
    last = _last_words(cue)
    return _FORBIDS.search(last) is None and _SETTLES.search(last) is not None


def is_rejected(cue: str) -> bool:
    """Return whether the words call what follows wrong, old or a draft."""
    last = _last_words(cue)
    if _FORBIDS.search(last):
        return True
    if last.rstrip(" *_").endswith((".", "!", "?")) or _LOOKS_BACK.match(last):
        return False
    return _SETTLES.search(last) is None and _REJECTS.search(last) is not None


def is_alternative(cue: str) -> bool:
    """Return whether the words call what follows one of several solutions."""
    return _ALTERNATIVE.search(cue) is not None


def is_excerpt(cue: str) -> bool:
    """Return whether the words call what follows a part of the code, or another way for it."""
    return _EXCERPT.search(_last_words(cue)) is not None


def goes_on(cue: str) -> bool:
    """Return whether the words call what follows the next part of the code."""
    return _GOES_ON.search(cue) is not None and not is_excerpt(cue)


def recommended(after: str) -> str | None:
    """Return which solution the words after all of them prefer, "option b", in lower case."""
    match = _RECOMMENDS.search(after)
    return match["thing"].lower() if match else None


def is_taken_back(after: str) -> bool:
    """Return whether the words right after some code say that it is wrong."""
    return _FAILED.search(after.strip()) is not None


def _last_words(cue: str) -> str:
    sentences = [part for part in _SENTENCE.split(cue) if part.strip(" \t#*_:-`>")]
    return sentences[-1] if sentences else ""
