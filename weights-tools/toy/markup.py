"""GLM's chat markup as (text, weight) segments, and documents made of them.

A document is a list of segments; a segment's weight scales the loss of its tokens. Segments meet only at
special tokens, so that encoding them one by one equals encoding the joined text.
"""

import json

SPECIALS = ["<|endoftext|>", "[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>", "<|system|>", "<|user|>",
            "<|assistant|>", "<|observation|>", "<think>", "</think>", "<tool_call>", "</tool_call>",
            "<tool_response>", "</tool_response>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>",
            "/nothink"]
#: Added to the vocabulary but shown when special tokens are hidden, as in GLM's tokenizer.
VISIBLE = set(SPECIALS[10:])
PROMPT_WEIGHT = 0.15

TOOLS_BEFORE = ("<|system|>\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
                "You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n")
TOOLS_AFTER = ("</tools>\n\nFor each function call, output the function name and arguments within the following "
               "XML format:\n<tool_call>{function-name}<arg_key>{arg-key-1}</arg_key><arg_value>{arg-value-1}"
               "</arg_value><arg_key>{arg-key-2}</arg_key><arg_value>{arg-value-2}</arg_value>...</tool_call>")


def tools_block(tools):
    lines = "".join(json.dumps(t, ensure_ascii=False) + "\n" for t in tools)
    return TOOLS_BEFORE + lines + TOOLS_AFTER


def call(name, arguments):
    pairs = "".join(f"<arg_key>{k}</arg_key><arg_value>{v if isinstance(v, str) else json.dumps(v)}</arg_value>"
                    for k, v in arguments.items())
    return f"<tool_call>{name}{pairs}</tool_call>"


class Chat:
    """Builds a conversation; `prompt()` is what a model is asked, `document()` what it is trained on."""

    def __init__(self, tools=None, system=None):
        self.segments = [("[gMASK]<sop>" + (tools_block(tools) if tools else "")
                          + (f"<|system|>{system}" if system else ""), PROMPT_WEIGHT)]
        self.tools = tools
        self.messages = [{"role": "system", "content": system}] if system else []

    def user(self, text):
        self.segments.append((f"<|user|>{text}<|assistant|>", PROMPT_WEIGHT))
        self.messages.append({"role": "user", "content": text})
        return self

    def answer(self, text, thought=None, weight=1.0):
        """Final words of a turn. The turn is closed by `<|user|>`, which the next `user` repeats: one is cut."""
        self.segments.append((("<think>" + thought if thought else "") + "</think>" + text, weight))
        self.messages.append({"role": "assistant", "content": text})
        return self

    def calls(self, thought, calls, result):
        text = "".join(call(n, a) for n, a in calls)
        self.segments.append((f"<think>{thought}</think>{text}<|observation|>", 1.0))
        self.segments.append((f"<tool_response>{result}</tool_response><|assistant|>", PROMPT_WEIGHT))
        return self

    def document(self):
        """Each answer is followed by the `<|user|>` that stops it, at full weight."""
        out = []
        for text, weight in self.segments:
            if text.startswith("<|user|>") and out and out[-1][1] == 1.0:
                out.append(("<|user|>", 1.0))
                out.append((text[len("<|user|>"):], weight))
            else:
                out.append((text, weight))
        if out[-1][1] == 1.0:
            out.append(("<|user|>", 1.0))
        return out
