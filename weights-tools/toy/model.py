"""The toy model: transformers' own GlmMoeDsaForCausalLM holds every weight; the forward pass is ours.

transformers' indexer runs without gradient and returns indices only, and its expert loop is slow, so training
uses `Forward`, which computes the same function (test_toy.py compares them) and can say what the indexer and
the attention of chosen query rows look like. The MTP block is one more decoder layer behind the trunk.
"""

import torch
import torch.nn.functional as F
from torch import nn
from transformers import GlmMoeDsaConfig, GlmMoeDsaForCausalLM

LAYERS = 4
SHAPE = dict(
    vocab_size=2048, hidden_size=128, intermediate_size=384, moe_intermediate_size=64,
    first_k_dense_replace=1, num_attention_heads=4, num_key_value_heads=4,
    n_routed_experts=16, num_experts_per_tok=4, n_shared_experts=1, q_lora_rank=128, kv_lora_rank=96,
    qk_nope_head_dim=32, qk_rope_head_dim=32, v_head_dim=32, index_n_heads=4, index_head_dim=64, index_topk=48,
    max_position_embeddings=4096, rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
    routed_scaling_factor=2.5, norm_topk_prob=True, n_group=1, topk_group=1, rms_norm_eps=1e-5,
    tie_word_embeddings=False, bos_token_id=None)


def configuration(ids, layers=LAYERS, **changes):
    """The trunk's configuration of `layers` layers; `ids` maps special tokens to their ids."""
    shape = dict(SHAPE, num_hidden_layers=layers, indexer_types=["full"] * layers,
                 pad_token_id=ids["<|endoftext|>"],
                 eos_token_id=[ids[s] for s in ("<|endoftext|>", "<|user|>", "<|observation|>")])
    return GlmMoeDsaConfig(**{**shape, **changes})


class Toy(nn.Module):
    """Trunk and MTP block. `trunk` has one layer more than the configuration says: the last is the MTP's."""

    def __init__(self, ids, layers=LAYERS, **changes):
        super().__init__()
        self.count = layers
        self.trunk = GlmMoeDsaForCausalLM._from_config(
            configuration(ids, layers + 1, **changes), dtype=torch.float32)
        h = self.trunk.config.hidden_size
        self.enorm, self.hnorm, self.mtp_norm = (nn.Parameter(torch.ones(h)) for _ in range(3))
        self.eh_proj = nn.Linear(2 * h, h, bias=False)
        self.reset()

    @torch.no_grad()
    def reset(self):
        """Widths decide the scale of a matrix; what writes to the residual stream starts small."""
        for name, p in self.named_parameters():
            if p.dim() < 2:
                continue
            if "embed_tokens" in name:
                p.normal_(0, 0.5)
            elif "lm_head" in name or ".gate.weight" in name:
                p.normal_(0, 0.02)
            else:
                p.normal_(0, p.shape[-1] ** -0.5)
                if "o_proj" in name or "down_proj" in name:
                    p.mul_(0.3)

    @property
    def config(self):
        return self.trunk.config


def rms(x, weight, eps):
    return F.rms_norm(x, (x.shape[-1],), weight, eps)


def rotate(x, cos, sin):
    """Interleaved pairs; the result is regrouped as transformers does, which no score notices."""
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def angles(config, length):
    r = config.qk_rope_head_dim
    inverse = 1.0 / config.rope_parameters["rope_theta"] ** (torch.arange(0, r, 2).float() / r)
    a = torch.arange(length).float()[:, None] * inverse
    return a.cos(), a.sin()


def index_queries(indexer, x, cq, cos, sin):
    """q [B, S, J heads, width] and head weights [B, S, J heads] of the lightning indexer."""
    b, s, _ = x.shape
    r = indexer.qk_rope_head_dim
    q = indexer.wq_b(cq).view(b, s, indexer.n_heads, indexer.head_dim)
    q = torch.cat([rotate(q[..., :r], cos[..., None, :], sin[..., None, :]), q[..., r:]], -1)
    return q, indexer.weights_proj(x) * indexer.n_heads ** -0.5


def index_keys(indexer, x, cos, sin):
    """k [B, S, width]"""
    r = indexer.qk_rope_head_dim
    k = indexer.k_norm(indexer.wk(x))
    return torch.cat([rotate(k[..., :r], cos, sin), k[..., r:]], -1)


def index_scores(q, weights, k, scale):
    """sum over heads of weight * relu(q·k*scale): [B, T, S]"""
    s = F.relu(torch.einsum("bthd,bsd->bhts", q, k) * scale)
    return torch.einsum("bhts,bth->bts", s, weights)


def causal(positions, length):
    """True where a query at `positions` [B, T] may look: [B, T, length]."""
    return torch.arange(length) <= positions[..., None]


class Forward:
    """One pass over a batch. `topk` None is dense attention; `rows` query rows a sequence train the indexer."""

    def __init__(self, toy, topk=None, rows=0, generator=None):
        self.toy, self.topk, self.rows, self.generator = toy, topk, rows, generator
        self.index_loss, self.index_count = 0.0, 0
        self.loads = {}
        self.overlaps = []

    def trunk(self, ids):
        """Hidden states behind the last norm."""
        model = self.toy.trunk.model
        h = model.embed_tokens(ids)
        self.cos, self.sin = angles(self.toy.config, ids.shape[1])
        for i in range(self.toy.count):
            h = self.layer(i, h)
        return rms(h, model.norm.weight, model.norm.variance_epsilon)

    def draft(self, tokens, hidden):
        """One MTP step: the tokens that follow each position and the hidden states there."""
        toy = self.toy
        eps = toy.config.rms_norm_eps
        x = toy.eh_proj(torch.cat([rms(toy.trunk.model.embed_tokens(tokens), toy.enorm, eps),
                                   rms(hidden, toy.hnorm, eps)], -1))
        return rms(self.layer(toy.count, x), toy.mtp_norm, eps)

    def logits(self, hidden):
        return self.toy.trunk.lm_head(hidden)

    def layer(self, i, h):
        layer = self.toy.trunk.model.layers[i]
        eps = self.toy.config.rms_norm_eps
        h = h + self.attention(layer.self_attn, rms(h, layer.input_layernorm.weight, eps))
        x = rms(h, layer.post_attention_layernorm.weight, eps)
        return h + (self.experts(i, layer.mlp, x) if hasattr(layer.mlp, "experts") else layer.mlp(x))

    def attention(self, m, x):
        b, s, _ = x.shape
        cos, sin = self.cos[:s], self.sin[:s]
        p, n = m.qk_nope_head_dim, m.num_heads
        cq = rms(m.q_a_proj(x), m.q_a_layernorm.weight, 1e-6)
        q = m.q_b_proj(cq).view(b, s, n, -1).transpose(1, 2)
        q = torch.cat([q[..., :p], rotate(q[..., p:], cos, sin)], -1)
        z = m.kv_a_proj_with_mqa(x)
        c = rms(z[..., :m.kv_lora_rank], m.kv_a_layernorm.weight, 1e-6)
        kv = m.kv_b_proj(c).view(b, s, n, -1).transpose(1, 2)
        rope = rotate(z[..., m.kv_lora_rank:], cos, sin)[:, None].expand(b, n, s, -1)
        k, v = torch.cat([kv[..., :p], rope], -1), kv[..., p:]
        selected = self.select(m.indexer, x, cq) if self.topk is not None and self.topk < s else None
        if self.rows:
            self.teach(m, x.detach(), cq.detach(), q.detach(), k.detach(), selected)
        if selected is None:
            o = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=m.scaling)
        else:
            o = F.scaled_dot_product_attention(q, k, v, attn_mask=selected[:, None], scale=m.scaling)
        return m.o_proj(o.transpose(1, 2).reshape(b, s, -1))

    @torch.no_grad()
    def select(self, indexer, x, cq):
        """The mask of the `topk` highest index scores of every query: bool [B, S, S]."""
        b, s, _ = x.shape
        cos, sin = self.cos[:s], self.sin[:s]
        scores = index_scores(*index_queries(indexer, x, cq, cos, sin), index_keys(indexer, x, cos, sin),
                              indexer.softmax_scale)
        allowed = causal(torch.arange(s), s)
        scores = scores.masked_fill(~allowed, float("-inf"))
        mask = torch.zeros_like(scores, dtype=torch.bool)
        mask[:, :self.topk] = True
        chosen = scores[:, self.topk:].topk(self.topk, -1, sorted=False).indices
        mask[:, self.topk:].scatter_(-1, chosen, True)
        return mask & allowed

    def teach(self, m, x, cq, q, k, selected):
        """KL(attention summed over heads ‖ softmax of index scores), over the keys the attention may see.

        Source: DeepSeek-V3.2, dense warm-up (all keys) and sparse training (selected keys). Queries are a
        sample of the rows; nothing of it reaches the trunk.
        """
        b, s, _ = x.shape
        at = torch.randint(0, s, (b, self.rows), generator=self.generator)
        take = lambda t: t.gather(1, at[..., None].expand(-1, -1, t.shape[-1]))
        allowed = causal(at, s) if selected is None else take(selected)
        with torch.no_grad():
            rows = q.gather(2, at[:, None, :, None].expand(-1, q.shape[1], -1, q.shape[-1]))
            scores = rows @ k.transpose(-1, -2) * m.scaling
            scores = scores.masked_fill(~allowed[:, None], float("-inf"))
            target = scores.softmax(-1).mean(1)
        cos, sin = self.cos[at], self.sin[at]
        guess = index_scores(*index_queries(m.indexer, take(x), take(cq), cos, sin),
                             index_keys(m.indexer, x, self.cos[:s], self.sin[:s]), m.indexer.softmax_scale)
        guess = guess.masked_fill(~allowed, float("-inf"))
        log = guess.log_softmax(-1).masked_fill(~allowed, 0)
        self.index_loss = self.index_loss + F.kl_div(log, target, reduction="sum") / (b * self.rows)
        self.index_count += 1
        with torch.no_grad():
            self.overlaps.append(overlap(guess, target, at, self.toy.config.index_topk))

    def experts(self, i, m, x):
        shape, flat = x.shape, x.reshape(-1, x.shape[-1])
        gate, count = m.gate, m.gate.num_experts
        affinity = F.linear(flat, gate.weight).sigmoid()
        chosen = (affinity.detach() + gate.e_score_correction_bias).topk(gate.top_k, -1, sorted=False).indices
        weights = affinity.gather(1, chosen)
        weights = weights / (weights.sum(-1, keepdim=True) + 1e-20) * gate.routed_scaling_factor
        order = chosen.flatten().argsort(stable=True)
        loads = torch.bincount(chosen.flatten(), minlength=count)
        self.loads[i] = self.loads.get(i, 0) + loads
        pieces = flat.index_select(0, order // gate.top_k).split(loads.tolist())
        out = []
        up, down = m.experts.gate_up_proj.unbind(0), m.experts.down_proj.unbind(0)
        for e, piece in enumerate(pieces):
            g, u = F.linear(piece, up[e]).chunk(2, -1)
            out.append(F.linear(F.silu(g) * u, down[e]))
        routed = torch.cat(out) * weights.flatten()[order, None]
        total = torch.zeros_like(flat).index_add(0, order // gate.top_k, routed)
        return (total + m.shared_experts(flat)).view(shape)


def overlap(scores, target, positions, topk):
    """Mean over the rows beyond `topk`: attention mass of the indexer's top k over that of the true top k."""
    rows = positions >= topk
    if not rows.any() or scores.shape[-1] <= topk:
        return None
    s, p = scores[rows], target[rows]
    got = p.gather(1, s.topk(topk, -1).indices).sum(-1)
    best = p.topk(topk, -1).values.sum(-1)
    return (got / best).mean().item()


@torch.no_grad()
def balance(toy, loads, rate):
    """Auxiliary-loss-free balance: the bias of an expert with too little to do rises by `rate`."""
    for i, load in loads.items():
        load = load.float()
        toy.trunk.model.layers[i].mlp.gate.e_score_correction_bias += rate * (load.mean() - load).sign()
