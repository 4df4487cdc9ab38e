"""The words of English that are few enough to list, by what they do in a sentence.

Grammar words (articles, prepositions, auxiliaries, pronouns) are a closed class, so a list of them
can be whole; whatever is on no list is taken for a noun. The open classes that describe rather
than name (colours, sizes, states, everyday verbs) are here as far as people use them about what a
camera sees: a missing one makes a phrase longer, never lost. Everything is in lower case.
"""

from collections.abc import Sequence
import unicodedata


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ARTICLES = _words('a an')
DEFINITES = _words('the this that these those my your his her its our their')
"""Determiners that take for granted that the thing exists."""
POSSESSIVES = _words('my your his her its our their')
QUANTIFIERS = _words(
    'some any no every each all both either neither another many much few several multiple most'
    ' more less fewer enough'
)
NUMBERS = {
    word: value
    for value, word in enumerate(
        'zero one two three four five six seven eight nine ten eleven twelve thirteen'
        ' fourteen fifteen sixteen seventeen eighteen nineteen twenty'.split()
    )
} | {
    'thirty': 30, 'forty': 40, 'fifty': 50, 'sixty': 60, 'seventy': 70, 'eighty': 80,
    'ninety': 90, 'hundred': 100, 'thousand': 1000, 'dozen': 12,
}  # fmt: skip
_MULTIPLIERS = frozenset({'dozen', 'hundred', 'thousand'})
DETERMINERS = ARTICLES | DEFINITES | QUANTIFIERS | NUMBERS.keys()

PREPOSITIONS = _words(
    'of in on at by with without from to into onto over under above below beneath underneath'
    ' beside besides between among amongst around near nearby behind beyond inside outside'
    ' through across along alongside against toward towards upon off up down out about for'
    ' during before after like as per via within next than except opposite atop amid past until'
    ' since close closer adjacent ahead away'
)
CONJUNCTIONS = _words(
    'and or but nor plus minus while because if unless whether then so though although &'
)
PRONOUNS = _words(
    'i me you he him she it we us they them myself yourself himself herself itself ourselves'
    ' themselves mine yours hers ours theirs there here someone somebody anyone anybody everyone'
    ' everybody nobody none something anything nothing everything one ones'
)
QUESTION_WORDS = _words('what which who whom whose where when why how')
AUXILIARIES = _words(
    'is are was were be been being am do does did done has have had having can could will would'
    " shall should may might must 's 're 'm 've 'll 'd ain not"
)
ADVERBS = _words(
    'very too quite rather really also just only even still already now then today currently'
    ' please never ever always often again together else yet almost least maybe perhaps once'
    ' twice thrice nowhere elsewhere everywhere sometimes nowadays soon earlier later ago further'
    ' yesterday tomorrow tonight forward forwards backward backwards upside upstairs downstairs'
    ' indoors outdoors somewhere anywhere well visible present etc ok okay hey hi hello yes'
    ' sort kind'
)
POSITIONS = _words(
    'left right top bottom front back middle center centre side corner edge half quarter rest'
    ' end foreground background distance'
)
"""Nouns that name a place in the picture or on a thing rather than a thing."""
IMAGE_WORDS = _words(
    'picture image photo photograph scene view frame video shot screenshot snapshot'
    ' snapshots images pictures photos'
)
COLLECTIVES = _words(
    'group pair couple bunch lot lots number set piece slice row herd flock crowd variety kind'
    ' type sort part plenty dozens hundreds majority collection series line stack pile pieces'
    ' slices groups pairs rows stacks piles kinds types sorts parts'
)
"""Nouns that, before `of`, only count what follows."""

GENERIC_NAMES = _words('thing object item stuff')
"""Names that any thing answers to."""
SCENES = _words(
    'room kitchen bathroom bedroom office street road floor ground wall ceiling sky pavement'
    ' sidewalk grass garden yard field city town country world beach park forest warehouse'
    ' hallway corridor lobby intersection highway environment area surroundings workspace place'
    ' air scene space lane horizon path way route aisle passage driveway'
)
"""What a picture is taken in or of, which has no box to look for."""
ABSTRACT = _words(
    'colour color size shape type kind sort name number amount count position location time day'
    ' date weather season temperature material brand model make breed species age gender sex'
    ' height width length depth distance direction speed state status condition situation'
    ' problem issue reason purpose difference relationship mood expression activity action event'
    ' word text letter title language answer question idea way case fact order style design'
    ' pattern price cost quality resolution hurry danger meaning whole lot motion movement noise'
    ' sound chance role job nationality name emotion one ones other others left right point view'
    ' look rest majority anything something nothing everything content emergency mess obstacle'
    ' joke test game mistake trick dream hazard trouble meter metre centimeter centimetre'
    ' millimeter millimetre kilometer kilometre inch mile second minute hour percent degree'
)
"""Names of what cannot be seen by itself."""

BODY_PARTS = _words(
    'hand arm leg foot head face eye ear nose mouth hair finger shoulder knee neck back lap'
)
"""What everybody has, so that a text which mentions it asks for nothing more."""

COLOURS = _words(
    'red green blue yellow orange purple pink brown black white grey gray beige turquoise'
    ' violet golden silver gold cyan magenta maroon navy tan crimson teal lilac'
)
_STATES = _words(
    'open closed shut empty full broken dirty clean wet dry hot cold warm new old young lit'
    ' unlit asleep awake alive dead busy free ready damaged intact folded locked unlocked hidden'
    ' lost missing parked painted bare sharp blunt soft hard heavy loose tight safe dangerous'
    ' burning fallen overturned stuck blocked available occupied upright ajar alone drunk ill'
    ' sick injured hurt unconscious aware present visible operational functional active inactive'
    ' idle online offline pregnant flammable edible clear blurry hungry thirsty scared afraid'
    ' excited bored calm'
)
_SIZES = _words(
    'big small large huge tiny little tall short long wide narrow thick thin high low deep'
    ' shallow giant medium massive mini bigger smaller larger taller shorter longer biggest'
    ' smallest largest tallest shortest longest older younger oldest youngest higher lower'
    ' highest lowest upper leftmost rightmost topmost lowermost furthest farthest nearest'
    ' closest wider narrower thicker thinner heavier lighter faster slower brighter darker'
    ' deeper newer cleaner dirtier widest narrowest brightest darkest'
)
_MATERIALS = _words(
    'wooden wood metal metallic plastic glass leather paper steel concrete brick ceramic rubber'
    ' cardboard stone woollen woolen silk cotton marble'
)
_LOOKS = _words(
    'bright dark pale shiny striped spotted colorful colourful transparent round square'
    ' rectangular oval triangular flat curved straight fluffy furry hairy bald smooth rough'
    ' beautiful pretty cute ugly nice good bad happy sad angry tired elderly male female adult'
    ' blond blonde fat slim strong weak fast slow famous modern vintage antique classic typical'
    ' different same similar other main only own certain various single double several whole'
    ' extra real fake foreign american european japanese chinese fresh ripe rotten sunny cloudy'
    ' crowded quiet loud lovely friendly strange unknown unusual suspicious many'
)
_UNITS = 'first second third fourth fifth sixth seventh eighth ninth'.split()
_TENS = 'twenty thirty forty fifty sixty seventy eighty ninety'.split()
_ENDINGS = {1: 'st', 2: 'nd', 3: 'rd'}
_ORDINALS = (
    _words(
        'tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth'
        ' nineteenth twentieth last next'
    )
    | set(_UNITS)
    | {f'{ten}-{unit}' for ten in _TENS for unit in _UNITS}
    | {f'{n}{"th" if n // 10 == 1 else _ENDINGS.get(n % 10, "th")}' for n in range(1, 100)}
)
_ACTIVITIES = _words(
    'running walking sleeping sitting standing lying moving flying smiling crying laughing'
    ' playing jumping swimming barking waiting hanging falling approaching working eating'
)
ATTRIBUTES = (
    COLOURS
    | _STATES
    | _SIZES
    | _MATERIALS
    | _LOOKS
    | _ORDINALS
    | _ACTIVITIES
    | _words('left right front back')
)
"""What describes a thing and can be left out of its name."""
DESCRIBING = (COLOURS | _STATES | _SIZES | _MATERIALS | _LOOKS | _ACTIVITIES) - _words(
    'hidden lost missing available alone aware present visible free bigger smaller larger taller'
    ' shorter longer biggest smallest largest tallest shortest longest older younger oldest'
    ' youngest higher lower highest lowest upper leftmost rightmost topmost lowermost furthest'
    ' farthest nearest closest wider narrower thicker thinner heavier lighter faster slower'
    ' brighter darker deeper newer cleaner dirtier widest narrowest brightest darkest famous'
    ' typical different same similar other main only own certain various single double several'
    ' whole extra real fake foreign american european japanese chinese strange unknown unusual'
    ' many good bad hungry thirsty'
)
"""Attributes that a look at the thing alone can tell; no comparatives, no `missing`."""
NOUNS_TOO = _words('orange glass gold silver square stone brick paper metal wood silk second back')
"""Attributes that name a thing when no noun follows them."""
SHADES = _words('light dark bright pale deep')
"""Words that belong to the colour after them."""

COMPOUND_NAMES = frozenset(
    name.replace('_', ' ')
    for name in _words(
        'hot_dog stop_sign exit_sign remote_control high_chair first_aid paper_towel'
        ' paper_clip wine_glass hard_hat hard_drive soft_toy soft_drink front_door back_door'
        ' walking_stick running_shoe running_shoes sleeping_bag swimming_pool swimming_trunks'
        ' playing_card playing_cards standing_desk watch_tower park_bench turn_signal'
        ' stand_mixer orange_juice white_wine red_wine polar_bear red_panda bald_eagle guide_dog'
        ' rubber_duck rubber_band rubber_boot rubber_glove concrete_mixer cotton_bud'
        ' metal_detector work_bench work_surface search_light show_case cover_plate push_button'
        ' pull_cord lift_truck walk_signal look_out check_point stop_light drink_can'
        ' drink_carton touch_screen cutting_board trash_can garbage_can tin_can watering_can'
    )
)
"""Names that begin with a word of another list."""

_VERBS = _words(
    'see wear hold ride carry eat sit stand walk run lie contain pick grab take bring go move'
    ' find tell describe locate give put place push pull follow watch look detect navigate avoid'
    ' lean cross appear seem feel think know want need like get make come keep leave let read'
    ' write throw catch kick hit jump swim fly fall hang cover fill surround play talk speak'
    ' wait use belong happen try ask answer say ignore pretend forget include depict identify'
    ' recognize recognise spot approach touch face point stare graze chase pour serve lay slice'
    ' feed climb sleep park drive operate load unload lift attach connect face pass reach enter'
    ' exit show count list check fetch turn close stop search help work drink cook dress cut'
    ' wash clean smile laugh cry dance sing lean bend kneel crouch block store mount park exist'
    ' bark meow shout sneeze cough wave bite'
)
_IRREGULAR = (
    _words(
        'seen saw wore worn held rode ridden ate eaten sat stood ran lay lain took taken'
        ' brought went gone found told gave given put kept left let read wrote written threw'
        ' thrown caught hit swam flew flown fell fallen hung said saying thought knew known felt'
        ' got gotten made came spoke spoken slept drove driven fed sang knelt bent made'
    )
    - ATTRIBUTES
    - POSITIONS
)
_NOUNS_AS_VERBS = _words(
    'watch place park face point show count list check turn stop search help work drink cook'
    ' dress cut wash slice pass exit block store mount light saw lay shop run walk stand play'
    ' ride fly look touch cover fall cross smile dance use lift load cry clean read spot exits'
    ' places parks faces points shows counts lists checks turns stops drinks cooks dresses cuts'
    ' slices passes blocks stores mounts stands plays rides flies looks covers falls crosses'
    ' watches works runs walks loads lifts shops uses helps feed feeds hit hits catch pull push'
    ' reach serve taking close bark wave waves bite bites cough shout'
)
NOUNS_IN_ING = _words(
    'building ceiling painting string ring king wing swing spring clothing railing awning thing'
    ' crossing lighting opening drawing earring wedding icing pudding sibling duckling dumpling'
    ' bearing housing wiring flooring parking sling fencing plumbing landing meeting morning'
    ' evening darling herring starling being anything something everything nothing dining'
    ' washing cutting frying shopping ironing baking sewing vending rocking mixing measuring'
    ' filing steering recycling drinking rolling reading writing boxing bowling climbing fishing'
    ' hiking sailing skating skiing surfing buildings ceilings paintings'
)
NOUNS_IN_ED = _words(
    'bed shed sled seed weed reed hundred bobsled moped seaweed flatbed breed speed feed'
    ' thoroughbred flowerbed infrared watershed red need deed steed'
)
NOUNS_IN_LY = _words(
    'fly butterfly jelly family lily belly assembly ally rally bully doily dolly dragonfly'
    ' supply gully july firefly housefly holly ply ugly lovely friendly elderly silly smelly'
    ' curly only'
)


def _forms(verb: str) -> set[str]:
    stem = verb[:-1] if verb.endswith('e') and not verb.endswith('ee') else verb
    doubled = verb + verb[-1]
    ending = 'es' if verb.endswith(('s', 'sh', 'ch', 'x', 'o')) else 's'
    plain = verb[:-1] + 'ies' if verb.endswith('y') and verb[-2] not in 'aeou' else verb + ending
    return {verb, plain, stem + 'ing', stem + 'ed', doubled + 'ing', doubled + 'ed'}


VERBS = (frozenset().union(*map(_forms, _VERBS)) | _IRREGULAR) - _words('need needs feed feeds')
"""Verbs in all their forms."""
CERTAIN_VERBS = VERBS - _NOUNS_AS_VERBS
"""Verbs that are not nouns as well, wherever they stand."""
AMBIGUOUS_VERBS = VERBS - CERTAIN_VERBS
"""Verbs that are nouns as well."""
BREAKS = PREPOSITIONS | CONJUNCTIONS | PRONOUNS | QUESTION_WORDS | AUXILIARIES | ADVERBS
"""Words that are never part of a name."""


MANY = _words('these those many several multiple few both all most more')
"""Determiners that only a plural follows."""
SINGLE = _words('a an one this that each every')
"""Determiners that only a singular follows."""
MODALS = _words('do does did can could will would shall should may might must')
BEFORE_VERBS = (
    CONJUNCTIONS | AUXILIARIES | _words('to please i you we they he she it who which that not')
)
"""Words after which a word that can be a verb is one."""


def is_participle(word: str) -> bool:
    """Tell whether a word has the form of `running` or `parked` and is no known noun."""
    if word.endswith('ing'):
        return len(word) > 4 and word not in NOUNS_IN_ING
    return word.endswith('ed') and len(word) > 3 and word not in NOUNS_IN_ED


def is_adverb(word: str) -> bool:
    """Tell whether a word has the form of `slowly` and is no known noun or adjective."""
    return len(word) > 4 and word.endswith('ly') and word not in NOUNS_IN_LY


def number_value(word: str) -> int | None:
    """Return what a number word or a row of up to six digits counts, None for another word."""
    if word in NUMBERS:
        return NUMBERS[word]
    tens, hyphen, unit = word.partition('-')
    if hyphen and tens in NUMBERS and unit in NUMBERS:
        return number_of((tens, unit))
    return int(word) if word.isascii() and word.isdecimal() and len(word) <= 6 else None


def number_of(words: Sequence[str]) -> int | None:
    """Return what number words in a row count (`two hundred`); None where they make no number."""
    if len(words) == 1:
        return number_value(words[0])
    total, group, limit = 0, 0, 10**6
    for word in words:
        value = number_value(word)
        if value is None:
            return None
        if word in _MULTIPLIERS and group and value < limit:
            total, group, limit = total + group * value, 0, value
        elif not group and word not in _MULTIPLIERS:
            group = value
        elif 20 <= group < 100 and not group % 10 and 0 < value < 10:
            group += value
        else:
            return None
    return total + group if words and group < limit else None


def is_latin(word: str) -> bool:
    """Tell whether the word's first letter is one of the Latin script."""
    letter = next((letter for letter in word if letter.isalpha()), 'a')
    return letter.isascii() or unicodedata.name(letter, '').startswith('LATIN')
