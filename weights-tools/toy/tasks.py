"""The data generator: seeded documents of every task, split into training and held-out by hash.

Whatever identifies a sample (the two summands, a key with its value, a tool with its arguments) is hashed;
one in ten is held out and never appears in training as a question with its answer.
"""

import hashlib
import json
import random

import tools as t
import words as w
from markup import Chat

HELD_OUT_SHARE = 10


def held_out(task, *identity):
    """True for the tenth of all samples that training never sees."""
    digest = hashlib.sha256(json.dumps([task, *map(str, identity)]).encode()).digest()
    return digest[0] % HELD_OUT_SHARE == 0


class Draw(random.Random):
    """A random generator that knows which side of the split it draws for."""

    def __init__(self, seed, evaluation=False):
        super().__init__(seed)
        self.evaluation = evaluation

    def until(self, make, task, identity):
        """Draws `make()` until `identity` of it is on this side of the split."""
        while True:
            sample = make()
            if held_out(task, *identity(sample)) == self.evaluation:
                return sample


# Stories --------------------------------------------------------------------------------------------------

def story_sentences(r):
    """A short story as sentences: a name, an animal and a place recur, so that later words are predictable."""
    name, animal, place = r.until(lambda: (r.choice(w.NAMES), r.choice(w.ANIMALS), r.choice(w.PLACES)),
                                  "story", lambda s: s)
    mood, thing, sky = r.choice(w.MOODS), r.choice(w.THINGS), r.choice(w.WEATHERS)
    noun = thing.split(" ", 1)[1]
    first = [f"One {sky} day, {name} went to {place}.",
             f"{name} was {mood} and met a {animal}.",
             f"The {animal} had {thing}."]
    middle = r.choice([
        [f'"Is this your {noun}?" asked {name}.', f'"Yes," said the {animal}.'],
        [f"{name} wanted to see the {noun}.", f"The {animal} gave the {noun} to {name}."],
        [f"But the {animal} lost the {noun}.", f"{name} looked for the {noun} and found it."]])
    last = r.choice([f"Then {name} and the {animal} went home from {place}.",
                     f"In the end, {name} and the {animal} were friends.",
                     f"So {name} and the {animal} played at {place} all day."])
    return first + middle + [last]


def story(r):
    return [(" ".join(story_sentences(r)) + "<|endoftext|>", 0.5)]


# Arithmetic -----------------------------------------------------------------------------------------------

def sum_pair(r):
    return r.until(lambda: (r.randint(10, 99), r.randint(10, 99)), "sum", lambda p: (min(p), max(p)))


def sum_thought(a, b):
    """The written addition: units, carry, tens."""
    units = a % 10 + b % 10
    carry = units // 10
    tens = a // 10 + b // 10 + carry
    plus = "+1" if carry else ""
    return f"{a % 10}+{b % 10}={units}. {a // 10}+{b // 10}{plus}={tens}. So {tens}{units % 10}."


def sum_question(r, a, b):
    return r.choice([f"What is {a}+{b}?", f"Add {a} and {b}.", f"How much is {a}+{b}?"])


def arithmetic(r):
    chat = Chat()
    for turn in range(r.randint(1, 4)):
        a, b = sum_pair(r)
        chat.user(sum_question(r, a, b)).answer(f"{a}+{b}={a + b}.", sum_thought(a, b))
    return chat.document()


# Dates ----------------------------------------------------------------------------------------------------

def date_sample(r):
    """(question, thought, answer) about days, months and written dates."""
    kind = r.randrange(3)
    if kind == 0:
        day, step = r.randrange(7), r.randint(1, 3)
        after = w.DAYS[(day + step) % 7]
        walk = ", ".join(w.DAYS[(day + i) % 7] for i in range(step + 1))
        return f"Which day is {step} after {w.DAYS[day]}?", f"{walk}.", f"It is {after}."
    if kind == 1:
        month = r.randrange(12)
        return (f"Which month comes after {w.MONTHS[month]}?", f"{w.MONTHS[month]} is month {month + 1}.",
                f"It is {w.MONTHS[(month + 1) % 12]}.")
    day, month, year = r.randint(1, 28), r.randrange(12), r.randint(1950, 2049)
    return (f"Write {day} {w.MONTHS[month]} {year} as a number.", f"{w.MONTHS[month]} is month {month + 1}.",
            f"{year}-{month + 1:02d}-{day:02d}")


def date(r):
    chat = Chat()
    for _ in range(r.randint(1, 3)):
        q, thought, a = r.until(lambda: date_sample(r), "date", lambda s: s[:1])
        chat.user(q).answer(a, thought)
    return chat.document()


# Copying and JSON -----------------------------------------------------------------------------------------

def copying(r):
    """Random words said twice: what first teaches attention to look for an earlier occurrence."""
    chat = Chat()
    for _ in range(r.randint(1, 3)):
        line = " ".join(r.choice(w.KEYS if r.random() < 0.6 else w.VALUES) for _ in range(r.randint(3, 14)))
        chat.user(f"Repeat: {line}.").answer(f"{line}.")
    return chat.document()


def echo(r, most=24):
    """A line of random words again and again, without markup: every word after the first round is certain."""
    line = " ".join(r.choice(w.KEYS if r.random() < 0.6 else w.VALUES) for _ in range(r.randint(4, most)))
    times = r.randint(2, 4)
    return [(" " + line + ".", 0.15), *[(" " + line + ".", 1.0)] * (times - 1), ("<|endoftext|>", 0.15)]


def echo_long(r):
    """Lines of any length, so that no fixed distance helps to find where the line was before."""
    return echo(r, int(16 * 2 ** r.uniform(0, 3)))


def pairs(r, most=24):
    """Keys with their values in any order, again and again: a value that was there before is certain."""
    known = facts(r, r.randint(2, most))
    end = r.choice(["", ".", ","])
    seen, out = set(), []
    for key, value in known + r.choices(known, k=r.randint(2, 3) * len(known)):
        out += [(f" {key}", 0.02), (f" {value}", 1.0 if key in seen else 0.02)] + ([(end, 0.02)] if end else [])
        seen.add(key)
    return out + [("<|endoftext|>", 0.02)]


def record(r):
    """A question for a JSON object and the object."""
    name, age, city, thing = r.choice(w.NAMES), r.randint(10, 99), r.choice(w.CITIES), r.choice(w.KEYS)
    fields = [("name", name), ("age", age), ("city", city), ("likes", thing)]
    fields = r.sample(fields, r.randint(2, 4))
    return ("Write as JSON: " + ", ".join(f"{k} {v}" for k, v in fields) + ".", json.dumps(dict(fields)))


def json_task(r):
    chat = Chat()
    for _ in range(r.randint(1, 2)):
        q, a = r.until(lambda: record(r), "json", lambda s: s[:1])
        chat.user(q).answer(a)
    return chat.document()


# Recall ---------------------------------------------------------------------------------------------------

def fact(key, value):
    return f"Note: {key} {value}."


def facts(r, count):
    """`count` notes with different keys."""
    keys = r.sample(w.KEYS, count)
    return [r.until(lambda: (k, r.choice(w.VALUES)), "recall", lambda p: p) for k in keys]


def notes(r, pairs, sentences):
    """Notes in order, with `sentences` sentences of stories spread between them."""
    out, waiting = [fact(*pair) for pair in pairs], []
    for place in sorted((r.randrange(1, len(out) + 1) for _ in range(sentences)), reverse=True):
        waiting = waiting or story_sentences(r)[::-1]
        out.insert(place, waiting.pop(0))
    return " ".join(out)


def ask(chat, r, key, value):
    chat.user(f"What is {key}?")
    if r.random() < 0.9:
        chat.answer(f"It is {value}.", f"The note says {key} {value}.")
    else:
        chat.answer(f"It is {value}.")


def recall(r, shortest=20, longest=140, most=24, questions=14):
    """Notes among sentences, `shortest` to `longest` tokens of them, then questions in any order."""
    length = r.randint(shortest, longest)
    pairs = facts(r, r.randint(2, min(most, length // 6)))
    sentences = (length - 6 * len(pairs)) // 10 if r.random() < 0.7 else 0
    chat = Chat()
    chat.user(notes(r, pairs, sentences) + " Remember.").answer("I will.")
    for key, value in r.sample(pairs, min(len(pairs), r.randint(2, questions))):
        ask(chat, r, key, value)
    return chat.document()


def recall_short(r):
    return recall(r, 15, 70, 10, 6)


def recall_long(r):
    """The distances of the evaluation: up to 580 tokens between a note and its question."""
    return recall(r, 150, 580, 48, 9)


def recall_prompt(r, distance, length):
    """A prompt whose answer lies `distance` tokens (at least; by `length`) before its end.

    Returns (messages, key, value). Notes about other keys lie before and after the asked one.
    """
    pairs = facts(r, 40)
    key, value = pairs[0]
    others = iter(pairs[1:])
    before = [fact(*next(others)) for _ in range(r.randint(0, 3))]
    after, waiting = [], []

    def text():
        return " ".join(before + [fact(key, value)] + after) + " Remember."

    def gap():
        whole = f"<|user|>{text()}<|assistant|></think>I will.<|user|>What is {key}?<|assistant|></think>It is"
        head = f"<|user|>{' '.join(before + [f'Note: {key}'])}"
        return length(whole) - length(head) - 1

    while gap() < distance:
        waiting = waiting or story_sentences(r)
        after.append(fact(*next(others)) if r.random() < 0.15 and len(after) < 36 else waiting.pop(0))
    return ([{"role": "user", "content": text()}, {"role": "assistant", "content": "I will."},
             {"role": "user", "content": f"What is {key}?"}], key, value)


# Tools ----------------------------------------------------------------------------------------------------

def tool_sample(r):
    """(tools, name, question, arguments, thought, result, second thought, answer)"""
    index = r.randrange(len(t.REGISTRY))
    definition, make = t.REGISTRY[index]
    name = definition["function"]["name"]
    sample = r.until(lambda: make(r), "tool", lambda s: (name, s[0]))
    offered = [definition] + r.sample([d for d, _ in t.REGISTRY if d is not definition], r.choice([0, 0, 1, 2]))
    r.shuffle(offered)
    return (offered, name, *sample)


def tool_chat(r):
    offered, name, question, arguments, thought, result, reading, answer = tool_sample(r)
    chat = Chat(tools=offered)
    chat.user(question).calls(thought, [(name, arguments)], result).answer(answer, reading)
    known = {d["function"]["name"]: make for d, make in t.REGISTRY}
    if r.random() < 0.6:
        other = r.choice([d["function"]["name"] for d in offered])
        question, arguments, thought, result, reading, answer = r.until(
            lambda: known[other](r), "tool", lambda s: (other, s[0]))
        chat.user(question).calls(thought, [(other, arguments)], result).answer(answer, reading)
    return chat.document()


# Small talk -----------------------------------------------------------------------------------------------

def talk_sample(r):
    kind = r.randrange(4)
    if kind == 0:
        name = r.choice(w.NAMES)
        return f"Hello, I am {name}.", f"The user is {name}.", f"Hello, {name}! How can I help you?"
    if kind == 1:
        sentences = story_sentences(r)
        name = next(n for n in w.NAMES if n in " ".join(sentences[:2]))
        return (f"Tell me a story about {name}.", f"The user wants a story about {name}.", " ".join(sentences))
    if kind == 2:
        word = r.choice(w.KEYS)
        return f"Spell {word}.", f"The word is {word}.", "-".join(word)
    return r.choice([("Who are you?", "The user asks who I am.", "I am a small language model."),
                     ("Hello!", "The user greets me.", "Hello! How can I help you?"),
                     ("Thank you!", "The user thanks me.", "You are welcome!"),
                     ("What can you do?", "The user asks what I can do.",
                      "I can add numbers, remember notes, write JSON, call tools and tell stories.")])


def talk(r):
    chat = Chat()
    for _ in range(r.randint(1, 2)):
        q, thought, a = talk_sample(r)
        chat.user(q).answer(a, thought) if r.random() < 0.7 else chat.user(q).answer(a)
    return chat.document()


# Mixture --------------------------------------------------------------------------------------------------

#: (task, weight) of each stage; a document longer than a row is drawn again.
MIXTURES = {
    "short": [(copying, 3), (recall_short, 5), (arithmetic, 3), (date, 1.5), (json_task, 1.5), (story, 1.5), (talk, 1)],
    "middle": [(copying, 1), (recall, 3), (arithmetic, 2.5), (date, 1), (json_task, 1), (story, 1), (talk, 1),
               (tool_chat, 3)],
    "induction": [(copying, 4), (echo, 4), (recall_short, 4), (recall, 1), (arithmetic, 1.5), (date, 0.5),
                  (json_task, 1.5), (story, 0.5), (talk, 0.5), (tool_chat, 1)],
    "pairs": [(pairs, 8), (echo_long, 3), (recall_short, 4), (recall, 2), (arithmetic, 1.5), (date, 0.5),
              (json_task, 0.7), (story, 0.4), (talk, 0.5), (tool_chat, 1.5)],
    "long": [(pairs, 1), (echo_long, 0.5), (copying, 0.5), (recall_short, 1), (recall, 1), (recall_long, 4),
             (arithmetic, 4), (date, 1.5), (json_task, 1.5), (story, 0.7), (talk, 2), (tool_chat, 3.5)],
}


def document(r, stage):
    tasks, weights = zip(*MIXTURES[stage])
    return r.choices(tasks, weights)[0](r)
