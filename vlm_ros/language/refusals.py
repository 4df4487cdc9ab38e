"""Texts that are not answered from an image: orders to disregard it, and what no image shows.

Both are found by patterns, so neither list is complete. The first is a fence against text that a
robot reads off a sign or gets from a planner, not a proof; the second only saves asking, because
an answer that no box supports is given to nobody who has not asked for it.
"""

import re

_SAY = r'(?:say|answer|reply|respond|output|return|print|claim|state)'
_YES = r'(?:yes|no|true|false)'
_PICTURE = r'(?:image|picture|photo|camera|video|frame)'
_QUESTION = r'(?:is|are|do|does|can|what|where|who|which|how|there)\b'
_WRITTEN = re.compile(
    r'^(?:does|do|did) (?:it|(?:the|this|that|these|those|any|an?) (?:[\w-]+ ){0,2}(?:sign|label'
    r'|text|note|notice|poster|screen|display|board|banner|sticker|t?-?shirt|paper|page|card|box'
    r'|package|bottle|door|menu|caption)s?) (?:say|read|state) '
)
_ORDERS = re.compile(
    rf'^(?:please )?(?:ignore|disregard|pretend|forget(?! (?:about )?(?:it|that) {_QUESTION}))\b'
    rf'|\b{_SAY}(?: with| only| just| back)* {_YES}\b(?! or )'
    rf'|\b(?:ignore|disregard|forget) (?:all|any|the|your|every|previous|everything)\b.*\b(?:'
    rf'{_PICTURE}|instructions?|prompts?|rules?|told)\b'
    r'|\bthe (?:correct |right |only |true |expected )?answer (?:is|must be|should be|will be)\b'
    rf'|\byou (?:must|should|have to|shall|need to|will)(?: always| only| now| just)* {_SAY}\b'
    rf'|\balways {_SAY}\b|\bevery answer is\b|\bfrom now on\b'
    r'|\byou are (?:now|no longer)\b|^act as\b|\bset (?:the |your )?confidence\b'
    rf'|\b(?:do not|never) (?:look at|use|consider|check) (?:the|this|that|any) {_PICTURE}\b'
    r'|\b(?:system prompt|developer mode|jailbreak)\b'
)
# Marks of a conversation that a text pretends to be.
_ROLES = re.compile(
    r'(?:^|\n)\W*(?:system|assistant|developer|override|admin)\s*:|\[/?inst\]|<<sys>>|</?s>'
    r'|<\|[^|]{1,40}\|>|#{2,} ?(?:instruction|system|response)',
    re.IGNORECASE,
)

_NUMBER = (
    r'(?:\d+|zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|hundred)'
)
_SUM = re.compile(
    r'^\W*(?:(?:what|how much)(?: is|\'s)|calculate|compute)?\s*[\d.,()\s]*\d[\d.,()\s]*'
    r'[-+*/^×÷][-\d.,()\s+*/^×÷]*\d[\d.,()\s=]*\??\W*$',
    re.IGNORECASE,
)
_DAYS = r'(?:yesterday|tomorrow|(?:next|last) (?:week|month|year|night|summer|winter))'
_UNSEEN = re.compile(
    rf'^(?:(?:what|how much) is|calculate|compute) {_NUMBER} (?:plus|minus|times|divided by'
    rf'|multiplied by) {_NUMBER}'
    r'|\b(?:square|cube) root of\b|\bmeaning of life\b'
    r'|^what (?:time is it|is the (?:time|weather|temperature)(?: like)?) in (?!the |this )\w+'
    r'|^what (?:day|date|month|year) is (?:it|today)(?: today)?$'
    r"|^what is (?:today 's|today's) (?:date|day)"
    rf'|^(?:what|who|where|when|why|how|did|will|which) .*\b{_DAYS}$'
    rf'|^(?:what |who |where |when |how )?will .*\b{_DAYS}\b|\b(?:was|were|had) .*\b{_DAYS}$'
    r'|^what is (?:my|your) (?:(?:full|first|last) )?(?:name|age|birthday|address|job|favou?rite'
    r'|opinion|phone number|email|password)\b'
    r'|^who (?:are you|am i|made you|created you)$|^how (?:old )?(?:are you|am i)(?: \w+)?$'
    r'|^do you (?:love|like|hate|miss|know|remember) (?:me|us)$'
    r'|^what is the (?:capital|population|currency|gdp|climate|history) of \w+'
    r'|^who (?:is|was) (?:the )?(?:current )?(?:president|prime minister|chancellor|pope)'
    r'(?: of .+)?$'
    r'|^who (?:won|lost) the (?:\w+ )?(?:election|war|world cup|championship|lottery)'
    r'|^who (?:invented|discovered|founded) \w+|^when (?:was|were) .+ (?:born|invented|founded)$'
    r'|^when did .+ die$|^how far .*\b(?:moon|sun|mars)$|\blife on (?:mars|venus|other planets)$'
    r'|\b(?:stock price|exchange rate|price of (?:bitcoin|gold|oil))\b'
)
_SHOWN = re.compile(rf'\b(?:{_PICTURE}|scene|view|screen|sign)\b')
# Before `tell me` and the like are taken off.
_TASKS = re.compile(
    r'^(?:please )?(?:(?:can|could|will|would) you )?(?:please )?'
    r'(?:tell (?:me|us) (?:a|another) (?:\w+ )?(?:joke|story|riddle|tale)'
    r'|translate (?!.*\b(?:the|this|that|what|it)\b).+ (?:to|into) \w+'
    r'|(?:write|compose|sing)(?: me| us)? (?:an?|some|the) (?:\w+ )?(?:poem|song|story|essay'
    r'|letter|email|program|code|haiku|limerick)\b)'
)


def disregards_image(text: str, plain: str) -> bool:
    """Tell whether a text orders an answer whatever the image shows.

    Args:
        text: As it was written: marks such as `SYSTEM:` count.
        plain: As `wording.plain_text` makes it.
    """
    # `does the sign say no parking?` gives no order to say no.
    words = _WRITTEN.sub('', plain).replace(' ,', '')
    return _ORDERS.search(words) is not None or _ROLES.search(text) is not None


def is_unseen(text: str, plain: str, core: str) -> bool:
    """Tell whether no image can show what a question asks for.

    Args:
        text: As it was written.
        plain: As `wording.plain_text` makes it.
        core: As `wording.core_of` leaves it.
    """
    if _SHOWN.search(plain):
        return False
    found = _SUM.match(' '.join(text[:200].split())) or _TASKS.match(plain) or _UNSEEN.search(core)
    return found is not None
