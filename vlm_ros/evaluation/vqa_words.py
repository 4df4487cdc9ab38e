"""The normalization of answers that the VQA challenge prescribes (https://visualqa.org/evaluation).

Answers are lowered, lose articles and most punctuation, have digits for number words up to ten,
and get back the apostrophe that a contraction lost. Its reference implementation has quirks that
change results, and they are kept: `none` is the number 0, a punctuation mark between two letters
becomes a space but one beside a space goes, and `somebody'd` loses its apostrophe.
"""

import re

NUMBERS = {
    word: str(number)
    for number, words in enumerate(
        ('none zero', *'one two three four five six seven eight nine ten'.split())
    )
    for word in words.split()
}
ARTICLES = frozenset({'a', 'an', 'the'})
PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'

# The dataset's list without those in a capital letter, which a lowered word never meets.
CONTRACTIONS = """
    ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't
    haven't he'd he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am might've mightn't
    mightn't've must've mustn't needn't not've o'clock oughtn't 'ow's'at shan't she'd've should've
    shouldn't shouldn't've somebody'd've somebody'll somebody's someone'd someone'd've someone'll
    someone's something'd something'd've something'll that's there'd there'd've there're there's
    they'd they'd've they'll they're they've 'twas wasn't we'd've we've weren't what'll what're
    what's what've when's where'd where's where've who'd who'd've who'll who's who've why'll
    why're why's won't would've wouldn't wouldn't've y'all y'all'd've y'all'll you'd you'd've
    you'll you're you've
""".split()


def _with_one_dropped(word: str) -> list[str]:
    places = [place for place, letter in enumerate(word) if letter == "'"]
    return [word[:place] + word[place + 1 :] for place in places]


RESTORED = {short: word for word in CONTRACTIONS for short in _with_one_dropped(word)}
"""What a contraction that lost one apostrophe becomes."""
RESTORED |= {"somebody'd": 'somebodyd'}

_NUMBER_WITH_COMMA = re.compile(r'\d,\d')
_FULL_STOP = re.compile(r'\.(?!\d)')


def normalize(answer: str) -> str:
    """Return the form in which answers are compared."""
    words = [NUMBERS.get(word, word) for word in without_punctuation(answer).lower().split()]
    return ' '.join(RESTORED.get(word, word) for word in words if word not in ARTICLES)


def without_punctuation(answer: str) -> str:
    """Take out, or put a space for, what is no letter, digit, apostrophe or colon."""
    text = answer
    dropped = _NUMBER_WITH_COMMA.search(answer) is not None
    for mark in PUNCTUATION:
        beside_space = f'{mark} ' in answer or f' {mark}' in answer
        text = text.replace(mark, '' if dropped or beside_space else ' ')
    return _FULL_STOP.sub('', text)
