"""The tools the toy knows: definition, question, arguments, what it thinks, result, answer."""

import json

import words as w


def define(name, description, properties, required):
    return {"type": "function", "function": {
        "name": name, "description": description,
        "parameters": {"type": "object", "properties": properties, "required": required}}}


def text(about):
    return {"type": "string", "description": about}


def number(about):
    return {"type": "integer", "description": about}


WEATHER = define("get_weather", "Get the weather in a city", {"city": text("City name")}, ["city"])
TIME = define("get_time", "Get the local time in a city", {"city": text("City name")}, ["city"])
CONVERT = define("convert_money", "Convert money into another currency",
                 {"amount": number("How much"), "to": text("Currency")}, ["amount", "to"])
MULTIPLY = define("multiply", "Multiply two numbers", {"a": number("First"), "b": number("Second")}, ["a", "b"])
MESSAGE = define("send_message", "Send a message to a person",
                 {"to": text("Name"), "text": text("Message")}, ["to", "text"])
PRICE = define("get_price", "Get the price of an item", {"item": text("Item"), "city": text("City name")},
               ["item", "city"])
ALARM = define("set_alarm", "Set an alarm", {"day": text("Day of the week"), "hour": number("Hour")}, ["day", "hour"])
TRANSLATE = define("translate", "Translate a word", {"word": text("Word"), "language": text("Language")},
                   ["word", "language"])


def weather(r):
    city = r.choice(w.CITIES)
    sky, degrees = r.choice(w.WEATHERS), r.randint(0, 35)
    q = r.choice([f"What is the weather in {city}?", f"How is the weather in {city}?",
                  f"Tell me the weather in {city}.", f"What is the weather like in {city} today?"])
    return (q, {"city": city}, f"The user wants the weather in {city}. I will call get_weather.",
            json.dumps({"city": city, "sky": sky, "degrees": degrees}),
            f'The tool says "sky": "{sky}", "degrees": {degrees}.',
            f"It is {sky} in {city}, with {degrees} degrees.")


def time(r):
    city, hour, minute = r.choice(w.CITIES), r.randint(0, 23), r.randint(0, 59)
    q = r.choice([f"What time is it in {city}?", f"Tell me the time in {city}.", f"Which time is it in {city} now?"])
    clock = f"{hour:02d}:{minute:02d}"
    return (q, {"city": city}, f"The user wants the time in {city}. I will call get_time.",
            json.dumps({"city": city, "time": clock}), f"The tool says {clock}.", f"It is {clock} in {city}.")


def convert(r):
    amount, to = r.randint(10, 99), r.choice(w.CURRENCIES)
    result = r.randint(10, 999)
    q = r.choice([f"How much is {amount} in {to}?", f"Convert {amount} to {to}.", f"Change {amount} into {to}, please."])
    return (q, {"amount": amount, "to": to}, f"The user wants {amount} in {to}. I will call convert_money.",
            json.dumps({"to": to, "result": result}), f"The tool says {result}.", f"That is {result} {to}.")


def multiply(r):
    a, b = r.randint(10, 99), r.randint(10, 99)
    q = r.choice([f"What is {a} times {b}?", f"Multiply {a} by {b}.", f"How much is {a} times {b}?"])
    return (q, {"a": a, "b": b}, f"The user wants {a} times {b}. I will call multiply.",
            json.dumps({"result": a * b}), f"The tool says {a * b}.", f"{a} times {b} is {a * b}.")


def message(r):
    who, word = r.choice(w.NAMES), r.choice(w.VALUES) + " " + r.choice(w.KEYS)
    q = r.choice([f"Tell {who}: {word}.", f"Send {who} the message: {word}.", f"Write to {who}: {word}."])
    return (q, {"to": who, "text": word}, f"The user wants to tell {who}: {word}. I will call send_message.",
            json.dumps({"sent": True}), "The message was sent.", f"I told {who}: {word}.")


def price(r):
    item, city, cost = r.choice(w.ITEMS), r.choice(w.CITIES), r.randint(2, 99)
    q = r.choice([f"What does {item} cost in {city}?", f"How much is {item} in {city}?",
                  f"Tell me the price of {item} in {city}."])
    return (q, {"item": item, "city": city}, f"The user wants the price of {item} in {city}. I will call get_price.",
            json.dumps({"item": item, "price": cost}), f"The tool says {cost}.", f"In {city}, {item} costs {cost}.")


def alarm(r):
    day, hour = r.choice(w.DAYS), r.randint(1, 23)
    q = r.choice([f"Wake me on {day} at {hour}.", f"Set an alarm on {day} at {hour}.",
                  f"I need an alarm at {hour} on {day}."])
    return (q, {"day": day, "hour": hour}, f"The user wants an alarm on {day} at {hour}. I will call set_alarm.",
            json.dumps({"set": True}), "The alarm is set.", f"Your alarm is set on {day} at {hour}.")


def translate(r):
    word, language = r.choice(w.KEYS), r.choice(w.LANGUAGES)
    foreign = r.choice(w.KEYS)
    q = r.choice([f"What is {word} in {language}?", f"Translate {word} to {language}.",
                  f"How do you say {word} in {language}?"])
    return (q, {"word": word, "language": language},
            f"The user wants {word} in {language}. I will call translate.",
            json.dumps({"word": foreign}), f"The tool says {foreign}.", f"In {language}, {word} is {foreign}.")


REGISTRY = [(WEATHER, weather), (TIME, time), (CONVERT, convert), (MULTIPLY, multiply), (MESSAGE, message),
            (PRICE, price), (ALARM, alarm), (TRANSLATE, translate)]
