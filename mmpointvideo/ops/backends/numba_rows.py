"""CPU kernels over the rows of tubes, compiled by numba; see :mod:`mmpointvideo.ops.tube_rows`.

Rows lie segment by segment; a segment is a (clip, pair), ``bounds`` its rows. Per-pair values are
(P, C), or (1, C) for all pairs. Kernels run over parts of segments.
"""

from __future__ import annotations

from numba import prange

from .numba_kernels import compiled, fma

_FAST = {'contract', 'nsz'}


@compiled(fastmath=_FAST)
def combine_forward(
    features, scale, shift, spread, offset, source, displacement, bounds, parts, mode, relu, out
):
    """Rows of ``scale * feature + shift`` and ``displacement @ spread + offset``, combined.

    ``mode``: 0 displacement alone, 1 product, 2 sum.
    """
    num_pairs, channels = offset.shape
    zero = out.dtype.type(0)
    for task in prange((len(bounds) - 1) * parts):
        segment, part = task // parts, task % parts
        pair = segment % num_pairs
        begin, length = bounds[segment], bounds[segment + 1] - bounds[segment]
        ax, ay, az, base = spread[pair, 0], spread[pair, 1], spread[pair, 2], offset[pair]
        for r in range(begin + length * part // parts, begin + length * (part + 1) // parts):
            x, y, z = displacement[r, 0], displacement[r, 1], displacement[r, 2]
            into = out[r]
            for c in range(channels):
                value = fma(x, ax[c], fma(y, ay[c], fma(z, az[c], base[c])))
                into[c] = zero if relu and value <= zero else value
            if mode:
                row, factor, level = features[source[r]], scale[pair], shift[pair]
                for c in range(channels):
                    value = fma(row[c], factor[c], level[c])
                    value = zero if relu and value <= zero else value
                    into[c] = into[c] * value if mode == 1 else into[c] + value


@compiled(fastmath=_FAST)
def combine_backward(
    grad,
    features,
    scale,
    shift,
    spread,
    offset,
    source,
    displacement,
    bounds,
    mode,
    relu,
    width,
    grad_features,
    grad_scale,
    grad_shift,
    grad_spread,
    grad_offset,
):
    """Add the gradients of :func:`combine_forward`; a task owns ``width`` channels."""
    num_pairs, channels = offset.shape
    zero = grad.dtype.type(0)
    for task in prange((channels + width - 1) // width):
        low, high = task * width, min(channels, (task + 1) * width)
        for segment in range(len(bounds) - 1):
            pair = segment % num_pairs
            ax, ay = spread[pair, 0, low:high], spread[pair, 1, low:high]
            az, base = spread[pair, 2, low:high], offset[pair, low:high]
            factor, level = scale[pair, low:high], shift[pair, low:high]
            bx, by = grad_spread[pair, 0, low:high], grad_spread[pair, 1, low:high]
            bz, sums = grad_spread[pair, 2, low:high], grad_offset[pair, low:high]
            slope, levels = grad_scale[pair, low:high], grad_shift[pair, low:high]
            for r in range(bounds[segment], bounds[segment + 1]):
                x, y, z = displacement[r, 0], displacement[r, 1], displacement[r, 2]
                g = grad[r, low:high]
                if mode == 0:
                    for c in range(high - low):
                        v = fma(x, ax[c], fma(y, ay[c], fma(z, az[c], base[c])))
                        gv = g[c] if (v > zero or not relu) else zero
                        bx[c] = fma(gv, x, bx[c])
                        by[c] = fma(gv, y, by[c])
                        bz[c] = fma(gv, z, bz[c])
                        sums[c] += gv
                    continue
                row = features[source[r], low:high]
                into = grad_features[source[r], low:high]
                for c in range(high - low):
                    v = fma(x, ax[c], fma(y, ay[c], fma(z, az[c], base[c])))
                    u = fma(row[c], factor[c], level[c])
                    gv = g[c] if (v > zero or not relu) else zero
                    gu = g[c] if (u > zero or not relu) else zero
                    if mode == 1:
                        gv *= zero if relu and u <= zero else u
                        gu *= zero if relu and v <= zero else v
                    bx[c] = fma(gv, x, bx[c])
                    by[c] = fma(gv, y, by[c])
                    bz[c] = fma(gv, z, bz[c])
                    sums[c] += gv
                    slope[c] = fma(gu, row[c], slope[c])
                    levels[c] += gu
                    into[c] = fma(gu, factor[c], into[c])


@compiled(fastmath=_FAST)
def part_moments(x, weight, bounds, parts, total, mean, spread):
    """Weighted count, mean and sum of squared deviations of every part of every segment.

    No weights (an empty array): every row counts once. The rows of a part should fit the cache.
    """
    channels = x.shape[1]
    weighted = len(weight) > 0
    zero, one = x.dtype.type(0), x.dtype.type(1)
    for task in prange((len(bounds) - 1) * parts):
        segment, part = task // parts, task % parts
        begin, length = bounds[segment], bounds[segment + 1] - bounds[segment]
        low, high = begin + length * part // parts, begin + length * (part + 1) // parts
        middle, squares = mean[task], spread[task]
        middle[:] = zero
        squares[:] = zero
        count = zero
        for r in range(low, high):
            w = weight[r] if weighted else one
            count += w
            row = x[r]
            for c in range(channels):
                middle[c] = fma(w, row[c], middle[c])
        total[task] = count
        if count > zero:
            inverse = one / count
            for c in range(channels):
                middle[c] *= inverse
        for r in range(low, high):
            w = weight[r] if weighted else one
            row = x[r]
            for c in range(channels):
                deviation = row[c] - middle[c]
                squares[c] = fma(w * deviation, deviation, squares[c])


@compiled()
def normalize_forward(x, scale, shift, bounds, parts, relu, out):
    """``out = scale * x + shift``, clipped at zero where wanted."""
    groups, channels = scale.shape
    zero = x.dtype.type(0)
    for task in prange((len(bounds) - 1) * parts):
        segment, part = task // parts, task % parts
        begin, length = bounds[segment], bounds[segment + 1] - bounds[segment]
        factor, offset = scale[segment % groups], shift[segment % groups]
        for r in range(begin + length * part // parts, begin + length * (part + 1) // parts):
            row, into = x[r], out[r]
            for c in range(channels):
                value = fma(row[c], factor[c], offset[c])
                into[c] = zero if relu and value <= zero else value


@compiled(fastmath=_FAST)
def normalize_sums(grad, x, scale, shift, mean, bounds, parts, relu, sums):
    """Sums of g and of g * (x - mean) of every part, into (2, parts of segments, C)."""
    groups, channels = scale.shape
    zero = x.dtype.type(0)
    for task in prange((len(bounds) - 1) * parts):
        segment, part = task // parts, task % parts
        group = segment % groups
        begin, length = bounds[segment], bounds[segment + 1] - bounds[segment]
        factor, offset, middle = scale[group], shift[group], mean[group]
        first, second = sums[0, task], sums[1, task]
        first[:] = zero
        second[:] = zero
        for r in range(begin + length * part // parts, begin + length * (part + 1) // parts):
            row, incoming = x[r], grad[r]
            for c in range(channels):
                passes = fma(row[c], factor[c], offset[c]) > zero or not relu
                value = incoming[c] if passes else zero
                first[c] += value
                second[c] = fma(value, row[c] - middle[c], second[c])


@compiled()
def normalize_backward(grad, x, scale, shift, slope, level, weight, bounds, parts, relu, out):
    """``out = scale * g + w * (slope * x + level)``."""
    groups, channels = scale.shape
    weighted = len(weight) > 0
    zero, one = x.dtype.type(0), x.dtype.type(1)
    for task in prange((len(bounds) - 1) * parts):
        segment, part = task // parts, task % parts
        group = segment % groups
        begin, length = bounds[segment], bounds[segment + 1] - bounds[segment]
        factor, offset = scale[group], shift[group]
        tilt, base = slope[group], level[group]
        for r in range(begin + length * part // parts, begin + length * (part + 1) // parts):
            w = weight[r] if weighted else one
            row, incoming, into = x[r], grad[r], out[r]
            for c in range(channels):
                passes = fma(row[c], factor[c], offset[c]) > zero or not relu
                value = incoming[c] if passes else zero
                through = w * fma(row[c], tilt[c], base[c])
                into[c] = fma(value, factor[c], through)


@compiled()
def maximum_forward(x, scale, shift, offsets, anchors, relu, out, chosen):
    """Largest ``scale * x + shift`` of every anchor's rows, and its place among them.

    ``anchors`` is the number of anchors of a segment.
    """
    groups, channels = scale.shape
    zero = x.dtype.type(0)
    for anchor in prange(len(offsets) - 1):
        group = anchor // anchors % groups
        factor, offset = scale[group], shift[group]
        begin, end = offsets[anchor], offsets[anchor + 1]
        best, place = out[anchor], chosen[anchor]
        row = x[begin]
        for c in range(channels):
            best[c] = fma(row[c], factor[c], offset[c])
            place[c] = 0
        for r in range(begin + 1, end):
            row, slot = x[r], place.dtype.type(r - begin)
            for c in range(channels):
                value = fma(row[c], factor[c], offset[c])
                larger = value > best[c] or value != value  # NaN stays NaN
                best[c] = value if larger else best[c]
                place[c] = slot if larger else place[c]
        if relu:
            for c in range(channels):
                best[c] = zero if best[c] <= zero else best[c]


@compiled(fastmath=_FAST)
def maximum_sums(grad, x, out, mean, offsets, chosen, anchors, parts, relu, sums):
    """As :func:`normalize_sums` for the gradient (A, C) of the maxima."""
    groups, channels = mean.shape
    zero = x.dtype.type(0)
    for task in prange((len(offsets) - 1) // anchors * parts):
        segment, part = task // parts, task % parts
        middle = mean[segment % groups]
        first, second = sums[0, task], sums[1, task]
        first[:] = zero
        second[:] = zero
        begin = segment * anchors
        for anchor in range(begin + anchors * part // parts, begin + anchors * (part + 1) // parts):
            incoming, value = grad[anchor], out[anchor]
            start, place = offsets[anchor], chosen[anchor]
            for c in range(channels):
                g = incoming[c] if (value[c] > zero or not relu) else zero
                first[c] += g
                second[c] = fma(g, x[start + place[c], c] - middle[c], second[c])


@compiled()
def maximum_backward(
    grad, x, out, scale, slope, level, weight, offsets, chosen, anchors, relu, through, grad_x
):
    """``grad_x = w * (slope * x + level)``, plus ``scale * grad`` in the chosen rows."""
    groups, channels = scale.shape
    weighted = len(weight) > 0
    zero, one = x.dtype.type(0), x.dtype.type(1)
    for anchor in prange(len(offsets) - 1):
        group = anchor // anchors % groups
        factor, tilt, base = scale[group], slope[group], level[group]
        start = offsets[anchor]
        for r in range(start, offsets[anchor + 1]):
            w = weight[r] if weighted else one
            row, into = x[r], grad_x[r]
            if through:
                for c in range(channels):
                    into[c] = w * fma(row[c], tilt[c], base[c])
            else:
                into[:] = zero
        incoming, value, place = grad[anchor], out[anchor], chosen[anchor]
        for c in range(channels):
            if value[c] > zero or not relu:
                grad_x[start + place[c], c] += factor[c] * incoming[c]
