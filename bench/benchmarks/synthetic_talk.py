"""The words that a synthetic haystack is made of: invented names, small talk, and the wordings of facts. Data only.

Everybody is invented; a likeness to a person or a business is chance. Small talk uses the topics and words of the
facts, so that a search by words meets it. ``{x}`` stands for whom or what a sentence is about, ``{v}`` for a value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


SPEAKERS: Final = _words("Marlene Joaquim Sunniva Tobias Yasmin Lorcan Beatriz Henrik Paloma Dmitri")

FIRST_NAMES: Final = _words(
    """
    Ada Adrian Agnes Alba Aldo Amina Anders Anouk Arno Astrid Aurel Bela Benno Berta Bianca Boris Bruno Camille
    Carla Cedric Chiara Clemens Cosima Dagny Dalia Damian Daria Denis Edda Edgar Elif Elina Elmar Emeric Enzo Erika
    Esther Ezra Fabian Farah Fedor Felicia Finn Flora Frida Gerda Gideon Gita Goran Greta Gustav Halima Hanna Hector
    Helga Hugo Ida Ines Irina Isaac Ivo Jakob Jana Jasper Joris Judith Kaya Kira Klara Konrad Lars Leila Leopold
    Linnea Lucia Magda Malik Mattis Milena Nadia Nestor Nora Olga Oscar Petra Rafael Ronja Ruben Salma Selma Silas
    Tamar Thea Viktor Wanda Yusuf
    """
)
SURNAME_HEADS: Final = _words(
    """
    Alder Ambro Ard Ash Bal Bar Bel Bir Bol Bram Brin Bur Cal Car Chal Cor Crom Dal Dar Del Dor Dun Ed Elm Fal Fen
    Fir Gal Gar Gil Gol Had Hal Haver Hol Hur Ing Jor Kel Kes Kil Lam Lin Lor Mal Mar Mel Mir Mul Nor Oak Or Pal Pem
    Pol Quil Ral Ren Rol Sal Sel Stan Sul Tal Tel Tol Tur Ul Val Ver Wal Wim
    """
)
SURNAME_TAILS: Final = _words(
    """
    bane beck bourne broke by combe cott croft dene field fleet ford gate grave hurst keld leigh ling lock mere mond
    moor ney quist rick shaw stead stow thorpe tree vane ville wade well wick worth
    """
)
PLACE_HEADS: Final = _words(
    """
    Amber Ashen Azure Barley Birch Blue Brass Bright Bronze Cedar Cherry Chestnut Clover Cobalt Copper Coral Crimson
    Crooked Crystal Dappled Dusty Ebony Fern Flint Frosty Gilded Golden Granite Green Hazel Hollow Ivory Ivy Jade
    Juniper Lantern Laurel Lilac Linden Little Marble Misty Mossy Oaken Old Opal Pearl Pebble Pepper Quiet Red
    Russet Sandy Scarlet Silver Velvet
    """
)
PLACE_NOUNS: Final = _words(
    """
    Anchor Acorn Arrow Badger Barrel Beacon Bell Bramble Bridge Bucket Button Candle Castle Compass Crane Crown
    Curlew Dolphin Feather Ferry Fiddle Finch Fox Gate Goose Hare Harp Heron Kettle Key Ladder Lark Magpie Mill
    Mitten Moth Otter Owl Oyster Pigeon Plough Quill Raven Saddle Sparrow Spindle Spoon Squirrel Stag Star Swan
    Teapot Thimble Thistle Wagon Wren
    """
)
PLACE_KINDS: Final = ("bakery", "bookshop", "brewery", "pharmacy", "print shop", "tea room", "toy shop", "workshop")

OPENINGS: Final = (
    "Hey {name}! Good to hear from you.", "Hi {name}, how have you been?", "Morning {name}! Did you sleep at all?",
    "There you are, {name}! I was about to ring you.", "Hello {name}, got a minute?", "{name}! It's been a while.",
)  # fmt: skip
CLOSINGS: Final = (
    "Right, I have to run. Talk soon!", "Okay, dinner is burning. Bye!", "Sleep well, and say hi at home.",
    "My bus is here. Let's talk again this week.", "Good chat. Take care of yourself!", "Got to go, the doorbell rang.",
)  # fmt: skip
REACTIONS: Final = (
    "Ha, I can picture it.", "Really? Tell me more.", "That sounds about right.", "No way!", "Oh, that's lovely.",
    "Hm, I'm not so sure about that.", "I know exactly what you mean.", "Well, good for them.", "That made me laugh.",
    "You never told me that before.", "I had no idea.", "Fair enough.", "Same here, to be honest.", "Poor thing!",
    "I'd have done the same.", "Wow, okay.", "Makes sense.", "Don't get me started.", "Time flies, doesn't it?",
)  # fmt: skip
LEADS: Final = (
    "", "", "", "", "by the way, ", "oh, ", "I meant to tell you that ", "I just heard that ", "funny thing: ",
    "before I forget, ", "speaking of which, ", "word is that ", "it turns out that ", "you may know already that ",
)  # fmt: skip
TAILS: Final = (
    "", "", "", "", " Small world.", " I only found out by accident.", " We had a long talk about it.",
    " I thought you might like to hear.", " Who would have guessed?", " Everybody was pleased.", " It made my day.",
    " The others took it calmly.", " I would never have thought so.", " Anyway.", " We laughed a lot about it.",
)  # fmt: skip

MENTIONS: Final = (
    "{x} says hello, by the way.", "I ran into {x} at the market again.", "I still owe {x} a phone call.",
    "{x} came round for an hour, and we sat on the steps.", "Did you get that message from {x} as well?",
    "I must give {x} that umbrella back.", "{x} was late again, as always.", "Guess who waved from the tram: {x}!",
    "{x} and I went for a short walk until it started to rain.", "I saw {x} from afar, but there was no time to stop.",
    "We should invite {x} one of these days.", "{x} sent me a long voice message, I haven't listened to it yet.",
    "I sat next to {x} the whole evening.", "{x} made everybody laugh.", "Nothing new from {x}, I'm afraid.",
)  # fmt: skip
TOPIC_MENTIONS: Final = (
    "{x} and I got to talking about {topic}.", "I meant to ask {x} about {topic}, but I forgot.",
    "With {x} it always comes round to {topic} in the end.", "{x} had a lot of questions about {topic}.",
    "I read something about {topic} and thought of {x} at once.", "{x} lent me a magazine about {topic}.",
    "{x} knows a good joke about {topic}, you should ask.", "Don't mention {topic} when {x} is in the room!",
)  # fmt: skip
PLACE_MENTIONS: Final = (
    "I walked past {x} this morning.", "We could meet in front of {x}.", "Have you ever been to {x}?",
    "There was a queue outside {x} again.", "I left my gloves at {x}.", "Somebody was playing music next to {x}.",
    "They had put flowers in the window of {x}.", "My bike had a flat tyre right outside {x}.",
)  # fmt: skip

SMALL_TALK: Final = (
    "It has been {weather} here all {time}.", "I spent the whole {time} {chore}, and I'm still not done.",
    "My back hurts from {chore}.", "Have you been {chore} as well?", "We had {weather} skies the whole {time}.",
    "I was up early and the street was quite empty, {weather} and still.", "Can you remind me about {thing}?",
    "I finally found {thing}. It was under the bed the whole time.", "Somebody has taken {thing} again.",
    "I can't stop thinking about {topic}.", "There was a long article about {topic} in the paper.",
    "On the radio they talked about {topic} all {time}.", "Do you ever think about {topic}?",
    "My whole office only talks about {topic}.", "I might sign up for an evening class about {topic}.",
    "The podcast on {topic} that you sent me was great.", "What would you say if I started over with {topic}?",
    "I promised to write something about {topic} and I don't know where to begin.", "Let's not argue about {topic}.",
    "How is the family?", "Is your knee better?", "What are you up to this {time}?", "Did you see the sky last night?",
    "I slept through the whole {time}.", "Nothing much happened this {time}, and I don't mind.", "{aside}", "{aside}",
    "Could you bring {thing} next time?", "I tried {chore} with music on. Much better.", "So, how was your {time}?",
    "It's {weather} outside, so I'm staying in with a blanket.", "First {chore}, then tea, that's my plan.",
)  # fmt: skip
SLOTS: Final = {
    "weather": ("grey", "mild", "wet", "foggy", "bright", "windy", "freezing", "sticky", "stormy", "dry"),
    "time": ("morning", "afternoon", "evening", "week", "weekend", "day", "month"),
    "chore": ("ironing", "painting the hall", "sorting old photos", "cleaning the oven", "digging up weeds", "packing",
              "filling in forms", "moving shelves", "defrosting the freezer", "looking for a plumber"),
    "thing": ("the spare key", "that recipe", "my good scissors", "the blue folder", "the train tickets", "your jacket",
              "the charger", "the corkscrew", "the parking permit", "that old map"),
    "aside": ("Which place would you live in if you could choose?", "I read of a man who was allergic to cold water.",
              "What would you work as in another life?", "Which instrument sounds best in a small room?",
              "Which sport could I still learn at my age?", "Which street has the nicest trees, do you think?",
              "On which day of the week are you free?", "Have you got a favourite dish for cold days?",
              "A friend of a friend drives a taxi at night.", "I'd love to own a little shop some day.",
              "Everybody seems to move house this year.", "I'm scared of nothing but my own inbox.",
              "Half of the street collects something these days.", "They need people to help out at weekends.",
              "I could spend every summer on the balcony.", "The neighbours have a noisy pet, I think it is a bird.",
              "Some people learn a language in a month. Not me.", "The lift is broken, so that keeps me fit.",
              "When did we last go dancing?", "On what date is your birthday?", "Who is your landlord these days?",
              "I wish I earned a living by sleeping.", "My colleague says there is no use in complaining."),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Attribute:
    """Something to know of a person or a place, with the values that it can have.

    `question` is near the wording of the `statements`, `paraphrase` far from it. `changes` tell of a new value.
    """

    topic: str
    values: tuple[str, ...]
    statements: tuple[str, ...]
    question: str
    paraphrase: str
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Relation:
    """How `{x}` is tied to another person or a place, ``{link}``; the other two describe the link by `{x}` alone."""

    statement: str
    description: str
    paraphrase: str


@dataclass(frozen=True, slots=True)
class Event:
    """Something that `{x}` did on one day."""

    topic: str
    past: str
    question: str
    paraphrase: str


# fmt: off
PEOPLE: Final = (
    Attribute("jobs and bosses",
              ("baker", "beekeeper", "carpenter", "chimney sweep", "court clerk", "florist", "gardener", "geologist",
               "librarian", "locksmith", "midwife", "nurse", "pilot", "potter", "translator", "watchmaker"),
              ("{x} works as a {v}", "{x} has been working as a {v} for years"),
              "What does {x} work as?", "How does {x} earn a living?",
              ("{x} has quit the old job and works as a {v} now", "{x} lost that job and works as a {v} now")),
    Attribute("moving house",
              ("Aarhus", "Bergen", "Bilbao", "Bologna", "Coimbra", "Dresden", "Galway", "Ghent", "Graz", "Leeds",
               "Lyon", "Malmo", "Nantes", "Porto", "Riga", "Turin", "Utrecht", "Zagreb"),
              ("{x} lives in {v}", "{x} lives in a small flat in {v}"),
              "In which town does {x} live?", "Where is the home of {x}?",
              ("{x} has packed everything up and lives in {v} now", "{x} has left the old flat and lives in {v} now")),
    Attribute("food and doctors",
              ("almonds", "celery", "hazelnuts", "lobster", "mustard", "oysters", "peanuts", "sesame", "soya"),
              ("{x} is allergic to {v}", "{x} turned out to be allergic to {v}"),
              "What is {x} allergic to?", "Which food should nobody serve to {x}?"),
    Attribute("music and instruments",
              ("accordion", "banjo", "bassoon", "cello", "clarinet", "double bass", "flute", "harpsichord", "mandolin",
               "oboe", "saxophone", "trombone", "ukulele", "zither"),
              ("{x} plays the {v}", "{x} plays the {v} in a little orchestra"),
              "Which instrument does {x} play?", "On what does {x} make music?",
              ("{x} sold the old instrument and plays the {v} now", "{x} changed over and plays the {v} now")),
    Attribute("languages and courses",
              ("Basque", "Catalan", "Czech", "Danish", "Finnish", "Greek", "Hindi", "Icelandic", "Korean", "Polish",
               "Portuguese", "Swahili", "Turkish", "Welsh"),
              ("{x} is learning {v}", "{x} is learning {v} in the evenings"),
              "Which language is {x} learning?", "What would {x} like to be able to speak?",
              ("{x} has dropped the other course and is learning {v} now", "{x} gave it up and is learning {v} now")),
    Attribute("cooking and recipes",
              ("apple strudel", "dumplings", "fish pie", "gnocchi", "goulash", "lentil curry", "moussaka", "paella",
               "pea soup", "ramen", "ratatouille", "risotto"),
              ("the favourite dish of {x} is {v}", "the favourite dish of {x} has always been {v}"),
              "What is the favourite dish of {x}?", "What should I cook to please {x}?",
              ("the favourite dish of {x} is a new one now, {v}", "{x} found a new favourite dish, it is {v} now")),
    Attribute("hobbies and flea markets",
              ("beer mats", "brass bells", "comic books", "fossils", "garden gnomes", "marbles", "old maps",
               "postcards", "seashells", "snow globes", "teaspoons", "tin robots", "typewriters"),
              ("{x} collects {v}", "{x} collects {v} and has a whole wall of them"),
              "What does {x} collect?", "What fills the shelves of {x}?",
              ("{x} sold the old collection and collects {v} now", "{x} gave all those away and collects {v} now")),
    Attribute("animals and vets",
              ("budgerigar", "chameleon", "corn snake", "ferret", "goldfish", "greyhound", "guinea pig", "hedgehog",
               "parrot", "poodle", "rabbit", "tabby cat", "tortoise"),
              ("{x} has a pet, a {v}", "{x} has a {v} for a pet"),
              "What pet does {x} have?", "Which animal shares a roof with {x}?"),
    Attribute("traffic and parking",
              ("black van", "blue jeep", "brown estate car", "green scooter", "grey pickup", "orange camper",
               "purple hatchback", "red convertible", "silver moped", "white minibus", "yellow tractor"),
              ("{x} drives a {v}", "{x} drives a {v} that is older than we are"),
              "What does {x} drive?", "Which vehicle belongs to {x}?",
              ("{x} traded the old one in and drives a {v} now", "{x} had a breakdown and drives a {v} now")),
    Attribute("charities and good causes",
              ("animal shelter", "blood bank", "city museum", "food bank", "lifeboat station", "night shelter",
               "open-air pool", "repair shed", "school garden", "seniors' club", "steam railway"),
              ("{x} helps out at the {v} at weekends", "{x} helps out at the {v} every other weekend"),
              "Where does {x} help out at weekends?", "Which organisation has {x} as a volunteer?",
              ("{x} left that place and helps out at the {v} now", "{x} has switched and helps out at the {v} now")),
    Attribute("exercise and gyms",
              ("archery", "badminton", "bouldering", "cricket", "curling", "fencing", "handball", "judo", "lacrosse",
               "rowing", "skating", "table tennis", "water polo"),
              ("{x} is mad about {v}", "{x} is mad about {v} and trains twice a week"),
              "Which sport is {x} mad about?", "How does {x} keep fit?",
              ("{x} left the old club and is mad about {v} now", "{x} has a new sport and is mad about {v} now")),
    Attribute("nerves and nightmares",
              ("clowns", "escalators", "geese", "heights", "lightning", "moths", "needles", "spiders", "tunnels"),
              ("{x} is scared of {v}", "{x} has always been scared of {v}"),
              "What is {x} scared of?", "What gives {x} the creeps?"),
    Attribute("holidays and trains",
              ("Alsace", "Brittany", "Cornwall", "Corsica", "Crete", "Dalmatia", "Gotland", "Lapland", "Madeira",
               "Sardinia", "Tuscany", "Tyrol"),
              ("{x} spends every summer in {v}", "{x} spends every summer with a tent in {v}"),
              "Where does {x} spend every summer?", "Which region does {x} choose for holidays?",
              ("{x} wanted a change and spends every summer in {v} now", "{x} spends every summer in {v} now")),
)
PLACES: Final = (
    Attribute("streets", ("Anvil Lane", "Barrack Row", "Cooper Street", "Drovers Way", "Glebe Road", "Hemp Alley",
                          "Mercer Street", "Nettle Hill", "Orchard Road", "Ropewalk", "Tanner Street", "Weaver Lane"),
              ("you find {x} on {v}", "{x} is on {v}, next to the post office"),
              "On which street is {x}?", "What is the address of {x}?"),
    Attribute("opening hours", ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
              ("{x} is closed every {v}", "{x} stays closed every {v}, I stood before the door"),
              "On which day of the week is {x} closed?", "When is it no use to go to {x}?"),
    Attribute("old houses", tuple(str(year) for year in range(1891, 1990, 7)),
              ("{x} has been open since {v}", "{x} has been there since it was opened in {v}"),
              "In which year was {x} opened?", "Since when has {x} existed?"),
)
TO_PEOPLE: Final = (
    Relation("{x} has {link} for a landlord", "the landlord of {x}", "the person that {x} rents from"),
    Relation("{x} has {link} for a neighbour", "the neighbour of {x}", "the person next door to {x}"),
    Relation("{x} takes singing lessons with {link}", "the singing teacher of {x}", "the voice coach of {x}"),
    Relation("{x} is married to {link}", "the person {x} is married to", "the other half of {x}"),
    Relation("{x} shares an office with {link}", "the person who shares an office with {x}", "the colleague of {x}"),
)
TO_PLACES: Final = (
    Relation("{x} has a new job at {link}", "the business where {x} has a job", "the employer of {x}"),
    Relation("{x} has bought {link}", "the business that {x} bought", "the shop that belongs to {x}"),
    Relation("{x} rents a flat above {link}", "the business below the flat of {x}", "the shop downstairs from {x}"),
)
EVENTS: Final = (
    Event("weddings", "got engaged", "When did {x} get engaged?", "On what date did {x} say yes?"),
    Event("road signs", "passed the driving test", "When did {x} pass the driving test?",
          "On what date did {x} become a licensed motorist?"),
    Event("training dogs", "adopted a puppy", "When did {x} adopt a puppy?", "On what date did {x} get a young dog?"),
    Event("first aid", "broke a wrist", "When did {x} break a wrist?", "On what date did {x} have that accident?"),
    Event("stage fright", "gave a first concert", "When did {x} give a first concert?",
          "On what date did {x} perform in public?"),
    Event("board games", "won the chess cup", "When did {x} win the chess cup?", "On what date did {x} beat them all?"),
    Event("novels", "finished writing a book", "When did {x} finish writing a book?",
          "On what date was the manuscript of {x} complete?"),
    Event("sailing", "sold the boat", "When did {x} sell the boat?", "On what date did {x} part with the yacht?"),
    Event("trees", "planted an orchard", "When did {x} plant an orchard?", "On what date did {x} put fruit trees in?"),
    Event("babies", "had twins", "When did {x} have twins?", "On what date did {x} become a parent?"),
    Event("degrees", "handed in the thesis", "When did {x} hand in the thesis?", "On what date did {x} submit it all?"),
    Event("running shoes", "ran a marathon", "When did {x} run a marathon?", "On what date did {x} do that long race?"),
)
# fmt: on
WEEKDAYS: Final = _words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
MONTHS: Final = _words("January February March April May June July August September October November December")
DAYS_AGO: Final = {
    "yesterday": 1, "two days ago": 2, "three days ago": 3, "four days ago": 4, "five days ago": 5, "a week ago": 7,
    "ten days ago": 10, "two weeks ago": 14, "three weeks ago": 21,
}  # fmt: skip
TOPICS: Final = tuple(kind.topic for kind in (*PEOPLE, *PLACES, *EVENTS))
