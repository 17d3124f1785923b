"""Muon for the matrices, AdamW for the rest; one state dictionary."""

import torch


def orthogonal(g, steps=5):
    """Newton–Schulz towards the nearest orthogonal matrix, batched over leading dimensions."""
    tall = g.shape[-2] > g.shape[-1]
    x = g.transpose(-1, -2) if tall else g
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        a = x @ x.transpose(-1, -2)
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.transpose(-1, -2) if tall else x


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised. Matrices of one shape go through Newton–Schulz together."""

    def __init__(self, params, lr, momentum=0.95, weight_decay=0.0):
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            shapes = {}
            for p in group["params"]:
                if p.grad is None:
                    continue
                buffer = self.state[p].setdefault("momentum", torch.zeros_like(p))
                buffer.lerp_(p.grad, 1 - group["momentum"])
                shapes.setdefault(p.shape, []).append((p, p.grad.lerp(buffer, group["momentum"])))
            for shape, pairs in shapes.items():
                updates = orthogonal(torch.stack([g for _, g in pairs]))
                scale = max(1, shape[-2] / shape[-1]) ** 0.5
                for (p, _), update in zip(pairs, updates):
                    p.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-group["lr"] * scale)


def build(toy, matrix_rate, other_rate):
    matrices, others = [], []
    for name, p in toy.named_parameters():
        outside = p.dim() < 2 or any(k in name for k in ("embed_tokens", "lm_head", ".gate.weight", "weights_proj"))
        (others if outside else matrices).append(p)
    return [Muon(matrices, lr=matrix_rate, weight_decay=0.01),
            torch.optim.AdamW(others, lr=other_rate, betas=(0.9, 0.95), weight_decay=0.0)]
