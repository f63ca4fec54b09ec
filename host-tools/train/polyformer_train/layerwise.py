"""The first pass of a conversion: layer by layer, each site becomes a polynomial, and the maps around it are refitted.

Attention: softmax ignores a number added to a row of scores, and (1 + (s - m) / t)^p is close to exp(s - m) up to a factor where
s - m is small. So a head's bilinear form is shifted by a linear function m of the query, divided by t, and cut to the head's rank
under the covariance of the inputs. Some gradient steps follow. Every map that writes a residual is a least-squares fit.

Outliers: a row whose variance is far above the median is fitted to the same direction with a smaller length. The norm that
follows divides by the length, so the exact answer is the same, and the range of 1/sqrt is narrow.
"""

import math

import torch

from .encoder import NORMS, Poly, Power
from .measure import Excess, Extent
from .polyfit import chosen, widened, widened_denominator, widened_variance

ROW_SHARE = 1e-4  # of activations outside the range on each side, before the margin


def head_start(layer, exact, x, mask, power):
    """Query and key maps of `layer` from those of `exact`: the shifted form of every head, cut to the head's rank."""
    heads, width = exact.size.heads, exact.size.width
    rank = width // heads
    keep = mask.bool()
    rows = torch.cat([x[keep], torch.ones(int(keep.sum()), 1, device=x.device)], 1).double()
    covariance = rows.T @ rows / len(rows)
    covariance += 1e-4 * covariance.diagonal().mean() * torch.eye(width + 1, dtype=torch.float64, device=x.device)
    root = torch.linalg.cholesky(covariance).T  # covariance = root^T root
    scores = exact.scores(x)
    weights = exact.weights(scores, mask)
    middle = (weights * scores).sum(-1)  # [batch, head, query]: the scores that matter
    one = torch.zeros(width + 1, dtype=torch.float64, device=x.device)
    one[-1] = 1.0
    chosen_times = []
    for h in range(heads):
        cut = slice(h * rank, (h + 1) * rank)
        q = torch.cat([exact.query.weight[cut], exact.query.bias[cut, None]], 1).double()
        k = torch.cat([exact.key.weight[cut], exact.key.bias[cut, None]], 1).double()
        shift = torch.linalg.solve(covariance, rows.T @ middle[:, h][keep].double() / len(rows))
        m = (torch.cat([x, torch.ones_like(x[..., :1])], -1).double() @ shift).float()
        time = _best_time(scores[:, h] - m.unsqueeze(-1), weights[:, h], mask, power)
        form = q.T @ k * rank**-0.5 / time + torch.outer(one - shift / time, one)
        u, s, v = torch.linalg.svd(root @ form @ root.T)
        factor = s[:rank].sqrt() * rank**0.25
        for linear, side in ((layer.query, u[:, :rank]), (layer.key, v[:rank].T)):
            new = (torch.linalg.solve_triangular(root, side, upper=True) * factor).T.float()
            linear.weight.data[cut], linear.bias.data[cut] = new[:, :-1], new[:, -1]
        chosen_times.append(time)
    return chosen_times


def _best_time(y, target, mask, power):
    """t of (1 + y / t)^power, by the squared distance of the weights."""
    keys, best = mask[:, None, :], (math.inf, power)
    for factor in (0.7, 1.0, 1.5, 2.0, 3.0, 4.5):
        z = ((1.0 + y / (factor * power)) * keys) ** power
        error = (((z / (z.sum(-1, keepdim=True) + 1e-9)) - target).square() * mask.unsqueeze(-1)).sum().item()
        best = min(best, (error, factor * power))
    return best[1]


def reciprocal_of(extent, name, o):
    """1/d on the measured denominators, widened."""
    lo, hi = widened_denominator(extent.of(name)[1], o.margin, o.epsilon, o.power)
    return Poly(chosen("reciprocal", lo, hi, extent.sample(name), *o.accuracy["reciprocal"])[0])


def root_of(extent, name, o, epsilon):
    """1/sqrt(v) on the measured variances, widened."""
    lo, hi = widened_variance(*extent.of(name), o.margin, epsilon)
    return Poly(chosen("inverse_sqrt", lo, hi, extent.sample(name), *o.accuracy["inverse_sqrt"])[0])


def activation_of(function, lo, hi, values, o):
    """The activation on the measured range, widened."""
    return Poly(chosen(function, *widened(lo, hi, o.margin), values, *o.accuracy["activation"])[0])


class Squares:
    """Weighted ridge regression y = W x + b toward a known map, from sums over batches."""

    def __init__(self, linear):
        width = linear.weight.shape[1] + 1
        self.linear, self.rows = linear, 0
        self.xx = torch.zeros(width, width, dtype=torch.float64, device=linear.weight.device)
        self.xy = torch.zeros(width, len(linear.weight), dtype=torch.float64, device=linear.weight.device)

    def add(self, x, y, weight=None):
        x = torch.cat([x, torch.ones_like(x[:, :1])], 1)
        wx = x if weight is None else x * weight.unsqueeze(1)
        self.xx += (wx.T @ x).double()
        self.xy += (wx.T @ y).double()
        self.rows += len(x)

    def solve(self, ridge=1e-3):
        """Sets the map to the minimum of squares + ridge * |W - W_0|^2, in units of the mean input power."""
        old = torch.cat([self.linear.weight, self.linear.bias[:, None]], 1).double().T
        strength = ridge * self.xx.diagonal().mean()
        system = self.xx + strength * torch.eye(len(self.xx), dtype=torch.float64, device=self.xx.device)
        new = torch.linalg.solve(system, self.xy + strength * old).T.float()
        self.linear.weight.data.copy_(new[:, :-1])
        self.linear.bias.data.copy_(new[:, -1])


class Pass:
    """One pass over the layers. `batches` is a list of (ids, mask); `options` as convert.py has them."""

    def __init__(self, student, teacher, batches, options):
        self.student, self.teacher, self.options = student, teacher, options
        self.masks = [m.float() for _, m in batches]
        with torch.no_grad():
            self.exact = [teacher.embed(i, m.float()) for i, m in batches]
        self.ours = list(self.exact)

    def layer(self, i, log):
        """Converts layer i and moves on. Returns what was measured: the error of the layer's output, relative."""
        student, exact, o = self.student.layers[i], self.teacher.layers[i], self.options
        targets = self._targets(exact)
        student.attention = Power(o.power, o.epsilon)
        some = self._some()
        with torch.no_grad():
            head_start(student, exact, *some, o.power)
            self._scale_heads(student, *some)
        error = self._train_attention(student, exact, targets)
        self._fix_attention(student, i, targets)
        self._fix_feed_forward(student, exact, i, targets)
        off = sum(((a - b)[m.bool()]).square().sum() for a, b, m in zip(self.ours, self.exact, self.masks))
        all_ = sum(b[m.bool()].square().sum() for b, m in zip(self.exact, self.masks))
        share = (off / all_).item()
        log(f"layer {i}: attention off by {error:.4f}, output off by {share:.4f} of its power")
        return {"attention": error, "output": share}

    @staticmethod
    def _scale_heads(student, x, mask, middle=0.4):
        """Multiplies every head's queries, so that the median mean of powers is `middle`."""
        a, rank = student.attention, student.size.width // student.size.heads
        powers = (student.scores(x) * mask[:, None, None, :]) ** a.power
        means = powers.sum(-1) / mask.sum(1)[:, None, None]
        for h in range(student.size.heads):
            factor = (middle / means[:, h][mask.bool()].median()) ** (1.0 / a.power)
            for part in (student.query.weight, student.query.bias):
                part.data[h * rank : (h + 1) * rank] *= factor

    @torch.no_grad()
    def _targets(self, exact):
        """Of each batch: the sum before the first norm, its norm, the sum before the second norm."""
        out = []
        for x, mask in zip(self.exact, self.masks):
            r = x + exact.output(exact.context(x, mask))
            h = exact.norm_attention(r)
            out.append((r, h, h + exact.down(exact.active(h))))
        return out

    def _some(self, tokens=12_000):
        """A sample of the inputs as one padded batch, for the start of the heads."""
        rows, masks, count = [], [], 0
        width = max(m.shape[1] for m in self.masks)
        for k in torch.randperm(len(self.masks), device="cpu", generator=torch.Generator("cpu").manual_seed(3)).tolist():
            x, m = self.exact[k][:16], self.masks[k][:16]
            rows.append(torch.nn.functional.pad(x, (0, 0, 0, width - x.shape[1])))
            masks.append(torch.nn.functional.pad(m, (0, width - m.shape[1])))
            count += int(m.sum())
            if count > tokens:
                break
        return torch.cat(rows), torch.cat(masks)

    def _train_attention(self, student, exact, targets):
        """Gradient steps on the four maps of attention; the division and the norm stay exact."""
        o = self.options
        maps = [student.query, student.key, student.value, student.output]
        optimiser = torch.optim.Adam([p for m in maps for p in m.parameters()], lr=o.layer_rate, betas=(0.9, 0.98))
        ranges = Excess({"x.attention.denominator": (0.1, 1.5)})
        order = torch.Generator("cpu").manual_seed(o.seed)
        running = None
        for step in range(o.layer_steps):
            k = torch.randint(len(self.masks), (1,), generator=order, device="cpu").item()
            for group in optimiser.param_groups:
                group["lr"] = o.layer_rate * (1.0 - step / o.layer_steps)
            x, mask, target = self.ours[k], self.masks[k], targets[k][1]
            rows = mask.unsqueeze(-1)
            with torch.no_grad():
                wanted = exact.weights(exact.scores(self.exact[k]), mask)
            weights = student.weights(student.scores(x), mask, ranges, "x", rows)
            context = (weights @ student.heads(student.value(x))).transpose(1, 2).reshape(x.shape)
            h = student.after_attention(x, context)
            count = mask.sum()
            share = ((h - target).square() * rows).sum() / (target.square() * rows).sum()
            focus = ((weights - wanted).square() * mask[:, None, :, None]).sum() / count / student.size.heads
            loss = share + focus + ranges.take()
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_([p for g in optimiser.param_groups for p in g["params"]], 1.0)
            optimiser.step()
            running = share.item() if running is None else 0.97 * running + 0.03 * share.item()
        return running if running is not None else math.nan

    @torch.no_grad()
    def _fix_attention(self, student, i, targets):
        o, extent = self.options, Extent()
        for x, mask in zip(self.ours, self.masks):
            student.context(x, mask, extent, "x", mask.unsqueeze(-1))
        student.attention.reciprocal = reciprocal_of(extent, "x.attention.denominator", o).train()
        contexts = [student.context(x, m) for x, m in zip(self.ours, self.masks)]
        sums = [t[0] for t in targets]
        self._refit(student.output, lambda c: c, contexts, self.ours, sums)
        self.ours = self._norm(student, NORMS[0], [x + student.output(c) for x, c in zip(self.ours, contexts)])

    @torch.no_grad()
    def _fix_feed_forward(self, student, exact, i, targets):
        o = self.options
        step = max(1, sum(m.numel() for m in self.masks) * student.size.feed_forward // 2_000_000)
        values = torch.cat([exact.up(t[1])[m.bool()].flatten()[::step] for t, m in zip(targets, self.masks)])
        lo, hi = (torch.quantile(values[:8_000_000], q).item() for q in (ROW_SHARE, 1.0 - ROW_SHARE))
        fit = Squares(student.up)
        for h, t, m in zip(self.ours, targets, self.masks):
            keep = m.bool()
            fit.add(h[keep], exact.up(t[1][keep]).clamp(lo, hi))
        fit.solve()
        extent = Extent()
        for h, m in zip(self.ours, self.masks):
            extent.see("x", student.up(h), m.unsqueeze(-1))
        student.activation = activation_of(student.size.activation, *extent.of("x"), extent.sample("x"), o).train()
        self._refit(student.down, student.active, self.ours, self.ours, [t[2] for t in targets])
        self.ours = self._norm(student, NORMS[1], [h + student.down(student.active(h)) for h in self.ours])
        self.exact = [exact.norm_feed_forward(t[2]) for t in targets]

    def _refit(self, linear, before, inputs, residuals, sums):
        """residual + linear(before(input)) has the direction of `sums`, and at most `outlier` times the median variance."""
        variances = [s.var(-1, unbiased=False) for s in sums]
        cap = self.options.outlier * torch.cat([v[m.bool()] for v, m in zip(variances, self.masks)]).median()
        fit = Squares(linear)
        for x, residual, s, v, m in zip(inputs, residuals, sums, variances, self.masks):
            keep = m.bool()
            short = (cap / v).sqrt().clamp_max(1.0)
            y = s * short.unsqueeze(-1) - residual
            fit.add(before(x[keep]), y[keep], 1.0 / (v * short.square())[keep])
        fit.solve()

    def _norm(self, student, which, sums):
        """Fixes 1/sqrt of a norm on the variances of these sums; the norm's outputs."""
        norm, o, extent = getattr(student, which), self.options, Extent()
        for x, m in zip(sums, self.masks):
            norm(x, extent, which, m.unsqueeze(-1))
        norm.root = root_of(extent, f"{which}.variance", o, norm.epsilon).train()
        return [norm(x) for x in sums]

    @torch.no_grad()
    def skip(self, layers):
        """Moves past layers that were converted before."""
        for ours, exact in zip(self.student.layers[:layers], self.teacher.layers[:layers]):
            ours.train()
            self.ours = [ours(x, m) for x, m in zip(self.ours, self.masks)]
            self.exact = [exact(x, m) for x, m in zip(self.exact, self.masks)]

    @torch.no_grad()
    def refit_classifier(self):
        """One linear map from the student's pooled row to the original's logits."""
        fit = Squares(self.student.classifier)
        for x, y, m in zip(self.ours, self.exact, self.masks):
            fit.add(self.student.pool(x, m), self.teacher.answer(self.teacher.pool(y, m)))
        fit.solve(1e-2)
