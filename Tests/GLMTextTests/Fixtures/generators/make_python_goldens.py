"""Writes python_goldens.json: what Python's json makes of JSON texts, and what the rules of the chat template, which are
given in Python's string methods, make of awkward assistant messages.

    python make_python_goldens.py FILE        (Python 3.11)
"""
import json
import random
import struct
import sys


def assistant_turn(message):
    """What the chat template writes for a message behind the last user message, in Python's own string methods."""
    content, reasoning = message["content"], message.get("reasoning_content")
    if not isinstance(reasoning, str):
        reasoning = ""
        if "</think>" in content:
            pieces = content.split("</think>")
            reasoning = pieces[0].rstrip("\n").split("<think>")[-1].lstrip("\n")
            content = pieces[-1].lstrip("\n")
    opening = "<think>" + reasoning.strip() if reasoning else ""
    return opening + "</think>" + content.strip()


def numbers():
    rng = random.Random(31)
    yield from """0 -0 1 -1 123456789012345678901234567890 1.0 -0.0 0.1 1e5 1E5 1e15 1e16 1e17 123456789012345678.0 1e22 1e23
    1e-3 1e-4 1e-5 0.0001 0.00001 1.5e-7 5e-324 1.7976931348623157e308 1e400 -1e400 1e-400 9007199254740993.0 100.0
    0.30000000000000004 2.5e+10 1234567.891 9999999999999998.0 99999999999999990.0 1e0 1.10 12.50e1""".split()
    for _ in range(500):
        value = struct.unpack("<d", struct.pack("<Q", rng.getrandbits(64)))[0]
        if value == value and abs(value) != float("inf"):
            yield "%.17e" % value
        yield "%.*f" % (rng.randint(0, 12), rng.uniform(-1e6, 1e6))
        yield repr(rng.uniform(0, 1) * 10.0 ** rng.randint(-7, 20))


def texts():
    yield from ['{"b": 1, "a": [true, false, null], "": {}}', '[]', '"é 中 👍 \\u00e9 \\ud83d\\udc4d"',
                '"\\u0000\\u0001\\u001f\\u007f\\u2028 \\b\\f\\n\\r\\t \\/ \\\\ \\""', '{"x":{"y":[1,2,{"z":[]}]}}', '"<b>&\'"']


def assistants():
    space = " \t\n\r\x0b\x0c\x1c\x1f\x85\xa0\u2003\u2028\u3000"
    yield from [{"content": c} for c in ["", " ", "x", " x ", space + "x" + space, "\u200bx\u200b", "a</think>b", "</think>b",
                "a</think>", "<think>a</think>b", "\n\n<think>\n\na\n\n</think>\n\nb\n", "<think>a</think>b</think>c",
                "<think>x<think>y</think>z", "\r\n</think>\r\nb", "<think>\n</think>\nb", "a</think>\u0301b", "no<think>close",
                "<think> \n a \n </think> b", "</think></think>"]]
    yield from [{"content": "c", "reasoning_content": r} for r in ["", " ", "r", " r \n", None, space + "r" + space]]
    yield {"content": "<think>a</think>b", "reasoning_content": ""}


def main():
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump({
            "texts": [[t, json.dumps(json.loads(t), ensure_ascii=False)] for t in [*dict.fromkeys(numbers()), *texts()]],
            "assistants": [{"message": {"role": "assistant", **m}, "turn": assistant_turn(m)} for m in assistants()],
        }, file, ensure_ascii=True, separators=(",", ":"))


if __name__ == "__main__":
    main()
