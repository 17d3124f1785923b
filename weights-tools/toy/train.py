"""Trains the toy, or goes on from its last checkpoint.

  python train.py --run DIR [--schedule schedule.json] [--seed 1] [--processes 2]

DIR must hold tokenizer/tokenizer.json (bpe.py writes it). A batch is a function of (seed, step), nothing else is
random, so a run that was stopped continues exactly as if it had not been. The schedule is read again every
REPORT steps: stages with their row lengths, the step where attention becomes sparse, and the step where the
learning rate starts to decay (warm-up, stable, decay: any checkpoint can be decayed). Every process runs one
thread on its share of the rows; gradients meet once a step, so that a busy machine delays a step only once.
"""

import argparse
import json
import os
import time

import torch
import torch.distributed as distributed
import torch.multiprocessing as multiprocessing
import torch.nn.functional as F
from tokenizers import Tokenizer

import model
import optimizers
import tasks

REPORT = 20
KEEP = 100  # steps between checkpoints
DRAFT_STEPS = 3
INDEX_ROWS = 48


def schedule(path):
    with open(path) as f:
        return json.load(f)


def stage(plan, step):
    return [s for s in plan["stages"] if step >= s["from"]][-1]


def rate(plan, step):
    """Factor of the learning rates: warm-up, stable, decay to a tenth... of nothing at the last step."""
    factor = min(1.0, (step + 1) / plan["warmup"])
    if plan.get("decay_from") is not None and step >= plan["decay_from"]:
        factor *= max(0.0, 1 - (step - plan["decay_from"]) / plan["decay_steps"])
    return factor


def last_step(plan):
    return plan["decay_from"] + plan["decay_steps"] if plan.get("decay_from") is not None else plan["most_steps"]


class Batches:
    """Rows of packed documents and the weight of every target."""

    def __init__(self, tokenizer, seed):
        self.tokenizer, self.seed = tokenizer, seed

    def encode(self, document):
        ids, weights = [], []
        for text, weight in document:
            part = self.tokenizer.encode(text, add_special_tokens=False).ids
            ids += part
            weights += [weight] * len(part)
        weights[0] = 0.0  # what begins a document does not follow from the one before
        return ids, weights

    def row(self, r, kind, length):
        """Whole documents up to `length`, the rest of the row without weight."""
        ids, weights, misses = [], [], 0
        while length - len(ids) > 16 and misses < 8:
            more, their = self.encode(tasks.document(r, kind))
            if len(ids) + len(more) > length:
                misses += 1
                continue
            ids += more
            weights += their
        return ids + [0] * (length - len(ids)), weights + [0.0] * (length - len(weights))

    def at(self, step, plan, rank=0, world=1):
        """ids [B, S + 1] and weights of the same shape: the share of process `rank`."""
        s = stage(plan, step)
        count = plan["tokens"] // s["length"] // world
        r = tasks.Draw(f"{self.seed}/{step}/{rank}")
        rows = [self.row(r, s["mixture"], s["length"] + 1) for _ in range(count)]
        return torch.tensor([i for i, _ in rows]), torch.tensor([w for _, w in rows])


def weighted(logits, targets, weights):
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    return (loss * weights.flatten()).sum() / (weights.sum() + 1e-6)


def losses(toy, ids, weights, plan, step, generator):
    """Language loss, draft losses by step, indexer loss; and the pass, for its statistics."""
    sparse = plan.get("sparse_from") is not None and step >= plan["sparse_from"]
    now = {**plan, **stage(plan, step)}
    taught = step >= now["index_from"]
    run = model.Forward(toy, toy.config.index_topk if sparse else None, INDEX_ROWS if taught else 0, generator)
    hidden = run.trunk(ids[:, :-1])
    language = weighted(run.logits(hidden), ids[:, 1:], weights[:, 1:])
    some = slice(step % 3, None, 3)  # a third of the rows drafts
    part, their, u, drafts = ids[some], weights[some], hidden[some], []
    if step >= now["draft_from"]:
        for k in range(1, DRAFT_STEPS + 1):
            u = run.draft(part[:, k:-1], u[:, : part.shape[1] - 1 - k])
            drafts.append(weighted(run.logits(u), part[:, k + 1:], their[:, k + 1:]))
    return language, drafts, run


class Trainer:
    def __init__(self, a, rank=0):
        self.a, self.rank = a, rank
        torch.set_num_threads(1)
        torch.manual_seed(a.seed)
        tokenizer = Tokenizer.from_file(os.path.join(a.run, "tokenizer", "tokenizer.json"))
        self.ids = {t: tokenizer.token_to_id(t) for t in model_specials()}
        self.toy = model.Toy(self.ids)
        self.batches = Batches(tokenizer, a.seed)
        self.plan = schedule(a.schedule)
        self.optimizers = optimizers.build(self.toy, self.plan["matrix_rate"], self.plan["other_rate"])
        self.step, self.tokens = 0, 0
        self.resume()

    @property
    def path(self):
        return os.path.join(self.a.run, "last.pt")

    def resume(self):
        if os.path.exists(self.a.start or self.path):
            state = torch.load(self.a.start or self.path)
            self.toy.load_state_dict(state["toy"])
            for o, s in zip(self.optimizers, state["optimizers"]):
                o.load_state_dict(s)
            self.step, self.tokens = state["step"], state["tokens"]

    def save(self, name="last.pt"):
        if self.rank > 0:
            return
        state = dict(toy=self.toy.state_dict(), optimizers=[o.state_dict() for o in self.optimizers],
                     step=self.step, tokens=self.tokens, plan=self.plan, seed=self.a.seed)
        place = os.path.join(self.a.run, name)
        torch.save(state, place + ".partial")
        os.replace(place + ".partial", place)

    def once(self):
        plan, step = self.plan, self.step
        factor = rate(plan, step)
        for o, kind in zip(self.optimizers, ("matrix_rate", "other_rate")):
            for group in o.param_groups:
                group["lr"] = stage(plan, step).get(kind, plan[kind]) * factor
        ids, weights = self.batches.at(step, plan, self.rank, self.a.processes)
        generator = torch.Generator().manual_seed((self.a.seed * 1_000_003 + step) * 64 + self.rank)
        language, drafts, run = losses(self.toy, ids, weights, plan, step, generator)
        loss = language + plan["draft_weight"] * sum(drafts) + plan["index_weight"] * run.index_loss
        loss.backward()
        self.meet(run)
        torch.nn.utils.clip_grad_norm_(self.toy.parameters(), 1.0)
        for o in self.optimizers:
            o.step()
            o.zero_grad(set_to_none=True)
        model.balance(self.toy, run.loads, plan["balance_rate"] * max(factor, 0.1))
        self.step += 1
        self.tokens += ids[:, 1:].numel() * self.a.processes
        overlaps = [o for o in run.overlaps if o is not None]
        return dict(step=self.step, language=language.item(), drafts=[d.item() for d in drafts],
                    index=float(torch.as_tensor(run.index_loss).detach()) / max(run.index_count, 1), rate=factor, tokens=self.tokens,
                    overlap=sum(overlaps) / len(overlaps) if overlaps else None,
                    load=max((l.max() / l.float().mean()).item() for l in run.loads.values()))

    def meet(self, run):
        """Means of the gradients and sums of the expert loads over the processes."""
        if self.a.processes == 1:
            return
        with_gradient = [p for p in self.toy.parameters() if p.grad is not None]
        flat = torch.cat([p.grad.flatten() for p in with_gradient])
        distributed.all_reduce(flat)
        place = 0
        for p in with_gradient:
            p.grad.copy_(flat[place:place + p.numel()].view_as(p)).div_(self.a.processes)
            place += p.numel()
        for i in sorted(run.loads):
            distributed.all_reduce(run.loads[i])

    def reread(self):
        """The schedule as process 0 reads it, for all."""
        plan = [schedule(self.a.schedule)]
        if self.a.processes > 1:
            distributed.broadcast_object_list(plan, src=0)
        self.plan = plan[0]

    def log(self):
        """The log of this run up to the step it goes on from."""
        path = os.path.join(self.a.run, "log.jsonl")
        kept = []
        if os.path.exists(path):
            with open(path) as f:
                kept = [line for line in f if json.loads(line)["step"] <= self.step]
        with open(path, "w") as f:
            f.writelines(kept)
        return open(path, "a")

    def train(self):
        log = self.log() if self.rank == 0 else None
        began = time.time()
        while self.step < last_step(self.plan):
            report = self.once()
            if self.step % REPORT == 0:
                self.reread()
            if self.rank > 0:
                continue
            if self.step % 5 == 0:
                log.write(json.dumps({**report, "seconds": round(time.time() - began, 1)}) + "\n")
                log.flush()
            if self.step % REPORT == 0:
                print({k: round(v, 3) if isinstance(v, float) else v for k, v in report.items()},
                      round(time.time() - began), flush=True)
            if self.step % KEEP == 0:
                self.save()
            if self.step in self.plan.get("keep", []) or self.step == self.plan.get("decay_from"):
                self.save(f"step-{self.step}.pt")
        self.save()
        self.save(f"final-{self.step}.pt")


def model_specials():
    from markup import SPECIALS
    return SPECIALS


def work(rank, a):
    if a.processes > 1:
        distributed.init_process_group("gloo", init_method=f"file://{a.meeting}", rank=rank, world_size=a.processes)
    Trainer(a, rank).train()


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--run", required=True, help="folder of the tokenizer, checkpoints and log")
    here = os.path.dirname(os.path.abspath(__file__))
    arguments.add_argument("--schedule", default=os.path.join(here, "schedule.json"))
    arguments.add_argument("--start", help="checkpoint to go on from instead of the run's last one")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--processes", type=int, default=2, help="part of the seed: it shares the rows out")
    a = arguments.parse_args()
    a.meeting = os.path.join(os.path.abspath(a.run), f"meeting-{os.getpid()}")
    if a.processes == 1:
        work(0, a)
    else:
        multiprocessing.spawn(work, (a,), nprocs=a.processes)
        os.unlink(a.meeting) if os.path.exists(a.meeting) else None


if __name__ == "__main__":
    main()
