"""What a toy can do, measured through glm-infer: every answer, logit, selection and expert comes from the program.

  python evaluate.py --program ../../.build/release/glm-infer --model DIR [--prompts 500] [--out report.json]

torch computes the reference of perplexity (transformers' GlmMoeDsaForCausalLM on the dequantised weights) and the
attention mass that the selections are judged by. Prompts are held out: no question of theirs was trained on.
"""

import argparse
import collections
import json
import math
import os
import subprocess
import sys
import tempfile

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from tokenizers import Tokenizer

import choices
import export
import model
import tasks
from markup import SPECIALS

DISTANCES = (64, 128, 256, 512)
SEED = "evaluation"


class Program:
    """glm-infer with one model."""

    def __init__(self, program, directory):
        self.program, self.directory = program, directory

    def run(self, *arguments, text=None):
        done = subprocess.run([self.program, *arguments, "--model", self.directory], input=text,
                              capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def answers(self, requests, *options, tokens=160):
        """Greedy answers of `requests`, in order."""
        lines = "".join(json.dumps(r) + "\n" for r in requests)
        out = self.run("batch", "--temperature", "0", "--max-tokens", str(tokens), *options, text=lines)
        return [json.loads(line) for line in out.splitlines()]

    def dump(self, text):
        """Every intermediate of a prompt."""
        with tempfile.TemporaryDirectory() as place:
            prompt = os.path.join(place, "prompt")
            with open(prompt, "w") as f:
                f.write(text)
            self.run("dump", "--prompt-file", prompt, "--out", os.path.join(place, "dump"))
            return load_file(os.path.join(place, "dump", "golden.safetensors"))


def share(hits):
    hits = list(hits)
    return sum(hits) / len(hits)


def asked(messages, **more):
    return {"messages": messages, **more}


def user(text):
    return [{"role": "user", "content": text}]


# Behaviour ------------------------------------------------------------------------------------------------

def sums(program, count):
    r = tasks.Draw(SEED + "/sums", evaluation=True)
    pairs = [tasks.sum_pair(r) for _ in range(count)]
    answers = program.answers([asked(user(tasks.sum_question(r, a, b))) for a, b in pairs])
    return share(x["message"]["content"] == f"{a}+{b}={a + b}." for (a, b), x in zip(pairs, answers)), answers


def recall(program, count, length, *options):
    """Share of right answers by distance."""
    shares, everything = {}, []
    for distance in DISTANCES:
        r = tasks.Draw(f"{SEED}/recall/{distance}", evaluation=True)
        prompts = [tasks.recall_prompt(r, distance, length) for _ in range(count)]
        answers = program.answers([asked(m) for m, _, _ in prompts], *options, tokens=40)
        shares[distance] = share(x["message"]["content"] == f"It is {v}." for (_, _, v), x in zip(prompts, answers))
        everything += answers
    return shares, everything


def tool_calls(program, count):
    """Share of answers that are exactly the one right call."""
    r = tasks.Draw(SEED + "/tools", evaluation=True)
    samples = [tasks.tool_sample(r) for _ in range(count)]
    answers = program.answers([asked(user(s[2]), tools=s[0]) for s in samples])

    def right(sample, message):
        calls = [(c["function"]["name"], json.loads(c["function"]["arguments"])) for c in message.get("tool_calls", [])]
        return calls == [(sample[1], sample[3])] and not message["content"]

    return share(right(s, x["message"]) for s, x in zip(samples, answers)), answers


def small_talk(program, count):
    r = tasks.Draw(SEED + "/talk", evaluation=True)
    return program.answers([asked(user(tasks.talk_sample(r)[0])) for _ in range(count)])


# Speculation ----------------------------------------------------------------------------------------------

def chat_requests(count, length):
    """Held-out prompts of every kind of chat: talk, sums, dates, notes, tools."""
    r = tasks.Draw(SEED + "/chat", evaluation=True)

    def tool(r):
        sample = tasks.tool_sample(r)
        return asked(user(sample[2]), tools=sample[0])

    kinds = [lambda: asked(user(tasks.talk_sample(r)[0])), lambda: asked(user(tasks.sum_question(r, *tasks.sum_pair(r)))),
             lambda: asked(user(tasks.date_sample(r)[0])), lambda: asked(tasks.recall_prompt(r, 100, length)[0]),
             lambda: tool(r)]
    return [kinds[i % len(kinds)]() for i in range(count)]


def speculation(program, count, length):
    """Accept length of three drafts, the extra token included, and the share of rounds that accept each position."""
    answers = program.answers(chat_requests(count, length), "--speculative-algorithm", "EAGLE")
    rounds = collections.Counter()
    for x in answers:
        rounds.update(dict(enumerate(x["speculation"]["accepted_counts"])))
    total = sum(rounds.values())
    return {"accept length of 3 drafts": 1 + sum(n * c for n, c in rounds.items()) / total,
            **{f"draft {p} accepted": sum(c for n, c in rounds.items() if n >= p) / total for p in (1, 2, 3)}}


def automatic(program, length, times=15):
    """Speed of automatic depth over plain decoding on chats: the median of many measurements, and the lowest.

    A measurement is a process of its own, with a chooser that knows nothing yet. Both ways continue the same texts
    in turns of 8 tokens, and the ratio is of the sums: 32 texts, 96 tokens each.
    """
    prompts = [x["messages"][-1]["content"] for x in chat_requests(40, length) if "tools" not in x]
    with tempfile.NamedTemporaryFile("w") as f:
        f.writelines(f"[gMASK]<sop><|user|>{p}<|assistant|><think>\n" for p in prompts)
        f.flush()
        runs = [json.loads(program.run("speculate", "bench", "--prompts", f.name, "--speculative-num-steps", "0,auto",
                                       "--json")) for _ in range(times)]
    ratios = sorted(next(x["ratio_to_plain"] for x in run[0]["results"] if x["drafts"] == "auto") for run in runs)
    return {"auto over plain": ratios[times // 2], "auto over plain, lowest": ratios[0]}


# Numbers --------------------------------------------------------------------------------------------------

def loaded(directory):
    """transformers' model and ours with the dequantised weights of `directory`."""
    tokenizer = Tokenizer.from_file(os.path.join(directory, "tokenizer.json"))
    with open(os.path.join(directory, "config.json")) as f:
        layers = json.load(f)["num_hidden_layers"]
    toy = model.Toy({s: tokenizer.token_to_id(s) for s in SPECIALS}, layers)
    export.as_exported(toy, load_file(os.path.join(directory, "model.safetensors")))
    trunk = model.GlmMoeDsaForCausalLM._from_config(
        model.configuration({s: tokenizer.token_to_id(s) for s in SPECIALS}, layers), dtype=torch.float32)
    trunk.load_state_dict(toy.trunk.state_dict(), strict=False)
    return tokenizer, toy.eval(), trunk.eval()


@torch.no_grad()
def masses(toy, dump):
    """Attention mass of glm-infer's selections over that of the true top k, for rows that see more keys."""
    topk, ratios = toy.config.index_topk, []
    hidden, selected = dump["long.hidden"], dump["long.selected"].bool()
    rows = hidden.shape[1]
    if rows <= topk:
        return []
    cos, sin = model.angles(toy.config, rows)
    for i in range(toy.count):
        layer = toy.trunk.model.layers[i]
        m = layer.self_attn
        p, n = m.qk_nope_head_dim, m.num_heads
        x = model.rms(hidden[i][None], layer.input_layernorm.weight, toy.config.rms_norm_eps)
        q = m.q_b_proj(model.rms(m.q_a_proj(x), m.q_a_layernorm.weight, 1e-6)).view(1, rows, n, -1).transpose(1, 2)
        q = torch.cat([q[..., :p], model.rotate(q[..., p:], cos, sin)], -1)
        z = m.kv_a_proj_with_mqa(x)
        kv = m.kv_b_proj(model.rms(z[..., :m.kv_lora_rank], m.kv_a_layernorm.weight, 1e-6))
        rope = model.rotate(z[..., m.kv_lora_rank:], cos, sin)[:, None].expand(1, n, rows, -1)
        k = torch.cat([kv.view(1, rows, n, -1).transpose(1, 2)[..., :p], rope], -1)
        scores = (q @ k.transpose(-1, -2) * m.scaling).masked_fill(
            ~model.causal(torch.arange(rows), rows), float("-inf"))
        mass = scores.softmax(-1).mean(1)[0, topk:]
        got = (mass * selected[i][topk:]).sum(-1)
        ratios += (got / mass.topk(topk, -1).values.sum(-1)).tolist()
    return ratios


@torch.no_grad()
def numbers(program, directory, count):
    """Perplexities, agreement with transformers, overlap of the indexer, load of the experts."""
    tokenizer, toy, trunk = loaded(directory)
    wide = choices.widened(trunk)
    r = tasks.Draw(SEED + "/text", evaluation=True)
    ours = theirs = rows = largest = free = exact = 0
    ties, ratios, load = [], [], collections.defaultdict(collections.Counter)
    for number in range(count):
        text = "".join(t for t, _ in tasks.document(r, "long"))
        dump = program.dump(text)
        ids = torch.tensor(tokenizer.encode(text, add_special_tokens=False).ids)
        assert ids.tolist() == dump["long.input_ids"].tolist()
        logits, found = dump["long.logits"], choices.agreement(trunk, wide, ids, dump)
        largest, free = max(largest, found.counts), max(free, found.free)
        exact = max(exact, (logits - choices.Choices(wide).logits(ids)).abs().max().item())
        for tie in found.ties:
            print(f"document {number}: {tie}", file=sys.stderr)
        ties += found.ties
        ours += F.cross_entropy(logits[:-1], ids[1:], reduction="sum").item()
        theirs += F.cross_entropy(found.logits[:-1], ids[1:], reduction="sum").item()
        rows += len(ids)
        ratios += masses(toy, dump)
        for layer, experts in zip(dump["long.router_layers"].tolist(), dump["long.experts"]):
            load[layer].update(experts.flatten().tolist())
    experts = toy.config.n_routed_experts
    return {
        "perplexity": math.exp(ours / (rows - count)), "perplexity in torch": math.exp(theirs / (rows - count)),
        "largest difference of logits": largest, "rows chosen otherwise": len(ties),
        "of these no near-tie": sum(not tie.excused for tie in ties),
        "difference with these rows": free, "difference from Float64": exact,
        "indexer overlap": share(ratios) if ratios else None,
        "expert load max/mean": max(max(c.values()) * experts / sum(c.values()) for c in load.values()),
        "dead experts": sum(experts - len(c) for c in load.values()), "rows": rows}


# Report ---------------------------------------------------------------------------------------------------

#: name -> (whether it holds, what it should be)
TARGETS = {
    "perplexity": (lambda r: abs(r["perplexity"] / r["perplexity in torch"] - 1) <= 0.05, "torch's within 5 %"),
    "largest difference of logits": (lambda r: r["largest difference of logits"] <= 1e-3, "<= 0.001"),
    "rows chosen otherwise": (lambda r: r["rows chosen otherwise"] <= 1e-3 * r["rows"], "<= 0.1 % of rows"),
    "of these no near-tie": (lambda r: r["of these no near-tie"] == 0, "0"),
    "sums": (lambda r: r["sums"] >= 0.9, ">= 0.90"),
    **{f"recall at {d}": (lambda r, d=d: r[f"recall at {d}"] >= 0.9, ">= 0.90") for d in DISTANCES},
    **{f"recent keys: recall at {d}": (lambda r, d=d: r[f"recent keys: recall at {d}"] < 0.5, "< 0.50")
       for d in DISTANCES},
    "tool calls": (lambda r: r["tool calls"] >= 0.9, ">= 0.90"),
    "reasoning closed": (lambda r: r["reasoning closed"] >= 0.98, ">= 0.98"),
    "accept length of 3 drafts": (lambda r: r["accept length of 3 drafts"] >= 2.4, ">= 2.4 of 4"),
    "auto over plain": (lambda r: r["auto over plain"] >= 0.98, ">= 0.98"),
    "indexer overlap": (lambda r: (r["indexer overlap"] or 0) >= 0.9, ">= 0.90"),
    "expert load max/mean": (lambda r: r["expert load max/mean"] <= 2, "<= 2"),
    "dead experts": (lambda r: r["dead experts"] == 0, "0"),
}


def behaviour(program, directory, count):
    tokenizer = Tokenizer.from_file(os.path.join(directory, "tokenizer.json"))

    def length(text):
        return len(tokenizer.encode(text, add_special_tokens=False).ids)

    result = {}
    result["sums"], answers = sums(program, count)
    shares, more = recall(program, count, length)
    result.update({f"recall at {d}": s for d, s in shares.items()})
    answers += more
    shares, _ = recall(program, count, length, "--key-selection", "recent")
    result.update({f"recent keys: recall at {d}": s for d, s in shares.items()})
    result["tool calls"], more = tool_calls(program, count)
    answers += more + small_talk(program, count)
    # `</think>` is no special token, so it is in the text of an answer whose reasoning was closed.
    result["reasoning closed"] = share("</think>" in x["text"] for x in answers)
    result.update(speculation(program, count, length))
    return result


def speed(program, directory, _):
    tokenizer = Tokenizer.from_file(os.path.join(directory, "tokenizer.json"))
    return automatic(program, lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids))


#: What `--only` chooses from.
PARTS = {"behaviour": behaviour, "speed": speed, "numbers": numbers}


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = os.path.dirname(os.path.abspath(__file__))
    arguments.add_argument("--program", default=os.path.join(here, "../../.build/release/glm-infer"))
    arguments.add_argument("--model", required=True)
    arguments.add_argument("--prompts", type=int, default=500, help="prompts a metric; 500 are the measurement")
    arguments.add_argument("--only", choices=PARTS, help="one part of the measurement")
    arguments.add_argument("--out", help="file for the figures as JSON")
    a = arguments.parse_args()
    torch.set_num_threads(2)
    program, result, missed = Program(a.program, os.path.abspath(a.model)), {}, 0
    for name, part in PARTS.items():
        if a.only in (None, name):
            result.update(part(program, a.model, a.prompts))
    for name, value in result.items():
        holds, target = TARGETS.get(name, (None, ""))
        verdict = "" if holds is None else "holds" if holds(result) else "MISSED"
        missed += verdict == "MISSED"
        print(f"{name:34} {value:12.6g}  {target:20} {verdict}")
    print(f"{a.prompts} prompts a metric; {missed} of {len(TARGETS.keys() & result)} targets missed")
    if a.out:
        with open(a.out, "w") as f:
            json.dump(result, f, indent=1)
            f.write("\n")
    sys.exit(missed > 0)


if __name__ == "__main__":
    main()
