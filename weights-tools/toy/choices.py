"""What transformers chooses: keys by index scores, experts by router scores. Choices are seen, forced and judged here.

Two programs that add in different orders may choose differently where two scores are closer than a rounding, and every
logit behind differs then. Such a choice is a near-tie if the reference alone says so: its Float64 scores rank the
other choice higher by no more than twice what its own Float32 scores are off in that row. Nothing of the judged
program enters but what it chose.
"""

import collections
import copy

import torch

#: How often the reference's own rounding in a row two scores of that row may be apart: each of them may be off by it.
ROUNDINGS = 2


class Choices(torch.overrides.TorchFunctionMode):
    """Runs of transformers' model that remember scores, and choose as told.

    Among equal values `topk` takes the lower position, as the engine does; torch leaves it open. Index scores are
    exactly 0 wherever no head looks, so ties decide which of such keys are attended to.

    `forced` maps ("keys", layer) to bool [rows, rows] and ("experts", layer) to bool [rows, experts].
    """

    def __init__(self, trunk, forced=None):
        super().__init__()
        self.trunk, self.forced, self.place = trunk, forced or {}, None
        self.wide = next(trunk.parameters()).dtype == torch.float64
        self.scores, self.chosen = {}, {}

    @torch.no_grad()
    def logits(self, ids):
        """[rows, vocabulary] of one document."""
        def entering(place):
            return lambda *_: setattr(self, "place", place)

        hooks = []
        for i, layer in enumerate(self.trunk.model.layers):
            hooks.append(layer.self_attn.indexer.register_forward_pre_hook(entering(("keys", i))))
            if hasattr(layer.mlp, "gate"):
                hooks.append(layer.mlp.gate.register_forward_pre_hook(entering(("experts", i))))
        try:
            with self:
                return self.trunk(ids[None]).logits[0]
        finally:
            for hook in hooks:
                hook.remove()

    def __torch_function__(self, function, types, arguments=(), options=None):
        options = options or {}
        if function in (torch.topk, torch.Tensor.topk):
            return self.topk(arguments[0], arguments[1] if len(arguments) > 1 else options["k"])
        if self.wide and function is torch.Tensor.float:
            return arguments[0].double()
        if self.wide and torch.float32 in (*arguments, *options.values()):
            def double(value):
                return torch.float64 if value is torch.float32 else value
            arguments, options = tuple(map(double, arguments)), {k: double(v) for k, v in options.items()}
        return function(*arguments, **options)

    def topk(self, values, count):
        order = values.sort(dim=-1, descending=True, stable=True).indices
        # The router asks for groups of experts before it asks for experts.
        if self.place and (self.place[0] == "keys" or (values.dim() == 2 and values.shape[-1] > 1)):
            scores, places = values.reshape(-1, values.shape[-1]), order.reshape(-1, values.shape[-1])
            self.scores[self.place] = scores
            self.chosen[self.place] = torch.zeros(scores.shape, dtype=torch.bool).scatter(
                1, places[:, :count], True) & (scores > float("-inf"))
            if self.place in self.forced:
                # What is forced comes first, in its own order; rows with fewer keys than `count` are filled up.
                first = self.forced[self.place].gather(1, places).to(torch.uint8)
                order = places.gather(1, first.sort(dim=-1, descending=True, stable=True).indices).view_as(order)
            self.place = None
        places = order[..., :count]
        return torch.return_types.topk((values.gather(-1, places), places))


def widened(trunk):
    """`trunk` in Float64, scores and norms too. Angles stay Float32's: they are what the model is defined with."""
    wide = copy.deepcopy(trunk).double()
    wide.set_experts_implementation("eager")  # torch's grouped product knows no Float64
    narrow = trunk.model.rotary_emb

    def angles(x, position_ids):
        with torch._C.DisableTorchFunction():
            cos, sin = narrow(torch.zeros(1), position_ids)
        return cos.double(), sin.double()

    wide.model.rotary_emb.forward = angles
    return wide


def choices_of(dump):
    """The choices in a dump of the program, as `Choices` takes them."""
    forced = {("keys", i): chosen.bool() for i, chosen in enumerate(dump["long.selected"])}
    for layer, logits, experts in zip(dump["long.router_layers"].tolist(), dump["long.router_logits"],
                                      dump["long.experts"]):
        forced["experts", layer] = torch.zeros(logits.shape, dtype=torch.bool).scatter(1, experts.long(), True)
    return forced


#: One row of one layer where the program chose otherwise: how much more the best refused scores than the worst chosen,
#: what the reference's Float32 scores are off in the row, and whether that excuses it.
Tie = collections.namedtuple("Tie", "kind layer row gap rounding excused")

#: Agreement with one document: the reference's logits, the difference from them and from its logits with the program's
#: choices, the rows chosen otherwise, and the difference that counts: the second if every such row is excused.
Agreement = collections.namedtuple("Agreement", "logits free forced ties counts")


def ties_of(place, ours, narrow, wide):
    """The rows of one layer whose choice differs from the reference's, each judged by its own two precisions."""
    scores, exact, theirs = narrow.scores[place], wide.scores[place], narrow.chosen[place]
    seen = scores > float("-inf")
    rounding = (scores.double() - exact).masked_fill(~seen, 0).abs().amax(-1)
    for row in (ours != theirs).any(-1).nonzero().flatten().tolist():
        chosen, refused = ours[row], seen[row] & ~ours[row]
        if (chosen & ~seen[row]).any() or chosen.sum() != theirs[row].sum():
            yield Tie(*place, row, float("inf"), rounding[row].item(), False)
            continue
        gap = (exact[row][refused].max() - exact[row][chosen].min()).item()
        swapped = ours[row] != theirs[row]
        # Equal in both precisions is equal: the lower position is right and nothing else.
        equal = scores[row][swapped].unique().numel() == 1 and exact[row][swapped].unique().numel() == 1
        yield Tie(*place, row, gap, rounding[row].item(), not equal and gap <= ROUNDINGS * rounding[row].item())


def agreement(trunk, wide, ids, dump):
    """How far a dump is from `trunk` in Float32; `wide` is its twin in Float64."""
    ours, free = choices_of(dump), Choices(trunk)
    logits = free.logits(ids)
    difference = (dump["long.logits"] - logits).abs().max().item()
    if all(torch.equal(ours[place], chosen) for place, chosen in free.chosen.items()):
        return Agreement(logits, difference, difference, [], difference)
    narrow, exact = Choices(trunk, ours), Choices(wide, ours)
    forced = (dump["long.logits"] - narrow.logits(ids)).abs().max().item()
    exact.logits(ids)
    ties = [tie for place in narrow.chosen for tie in ties_of(place, ours[place], narrow, exact)]
    counts = forced if all(tie.excused for tie in ties) else max(difference, forced)
    return Agreement(logits, difference, forced, ties, counts)
