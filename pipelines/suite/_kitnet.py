"""KitNET-style: an ensemble of small autoencoders and one that watches their errors. Ours, after the paper.

Mirsky, Doitshman, Elovici and Shabtai, "Kitsune: An Ensemble of Autoencoders for Online Network Intrusion Detection"
(NDSS 2018), and its defaults: features grouped by correlation, ten in a group at most, hidden layers of 0.75, tied
weights, sigmoids, plain stochastic descent at 0.1 in order of time, inputs scaled to 0..1 by what was learned. Kitsune
counts packets by damped statistics that flow logs cannot give; here the features are those of the windows.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from baseline.features.table import FloatArray, IntArray

LARGEST_GROUP = 10
HIDDEN = 0.75
RATE = 0.1


@dataclass(slots=True)
class Autoencoder:
    """One hidden layer; ``weights`` (visible, hidden) serve both ways."""

    weights: FloatArray
    hidden: FloatArray
    visible: FloatArray

    @classmethod
    def born(cls, width: int, rng: np.random.Generator) -> Autoencoder:
        """With small random weights."""
        inner = int(np.ceil(HIDDEN * width))
        return cls(rng.uniform(-1 / width, 1 / width, (width, inner)), np.zeros(inner), np.zeros(width))

    def learn(self, row: FloatArray) -> float:
        """One step of descent; the error before it."""
        inner = _sigmoid(row @ self.weights + self.hidden)
        wrong = row - _sigmoid(inner @ self.weights.T + self.visible)
        back = (wrong @ self.weights) * inner * (1 - inner)
        self.weights += RATE * (np.outer(row, back) + np.outer(wrong, inner))
        self.hidden += RATE * back
        self.visible += RATE * wrong
        return float(np.sqrt(np.mean(wrong**2)))

    def errors(self, rows: FloatArray) -> FloatArray:
        """Root mean squared errors (n,) of rows (n, width)."""
        again = _sigmoid(_sigmoid(rows @ self.weights + self.hidden) @ self.weights.T + self.visible)
        return np.asarray(np.sqrt(np.mean((rows - again) ** 2, axis=1)), dtype=np.float64)


@dataclass(slots=True)
class KitNet:
    """Fitted once on what is learned, in order of time."""

    groups: list[IntArray]
    parts: list[Autoencoder]
    output: Autoencoder
    low: FloatArray
    high: FloatArray
    part_low: FloatArray = field(default_factory=lambda: np.zeros(0))
    part_high: FloatArray = field(default_factory=lambda: np.zeros(0))

    def scores(self, rows: FloatArray) -> FloatArray:
        """How badly the outputs are reproduced, (n,)."""
        scaled = _scaled(rows, self.low, self.high)
        parts = np.column_stack(
            [part.errors(scaled[:, own]) for part, own in zip(self.parts, self.groups, strict=True)]
        )
        return self.output.errors(_scaled(parts, self.part_low, self.part_high))


def fit(rows: FloatArray, *, seed: int) -> KitNet:
    """Learn from rows (n, width) in order of time, each once."""
    rng = np.random.default_rng(seed)
    low, high = rows.min(axis=0), rows.max(axis=0)
    scaled = _scaled(rows, low, high)
    groups = grouped(scaled)
    parts = [Autoencoder.born(len(own), rng) for own in groups]
    net = KitNet(groups, parts, Autoencoder.born(len(groups), rng), low, high)
    errors = np.array([[part.learn(row[own]) for part, own in zip(parts, groups, strict=True)] for row in scaled])
    net.part_low, net.part_high = errors.min(axis=0), errors.max(axis=0)
    for row in _scaled(errors, net.part_low, net.part_high):
        net.output.learn(row)
    return net


def grouped(rows: FloatArray) -> list[IntArray]:
    """Columns that move together, LARGEST_GROUP at most: single linkage on 1 - correlation, cut where needed."""
    from scipy.cluster.hierarchy import linkage, to_tree
    from scipy.spatial.distance import squareform

    width = rows.shape[1]
    if width == 1:
        return [np.zeros(1, dtype=np.int64)]
    centred = rows - rows.mean(axis=0)
    norms = np.sqrt((centred**2).sum(axis=0))
    alike = (centred.T @ centred) / np.maximum(np.outer(norms, norms), 1e-12)
    apart = np.clip(1 - alike, 0.0, 2.0)
    np.fill_diagonal(apart, 0.0)
    open_nodes, found = [to_tree(linkage(squareform(apart, checks=False), method="single"))], []
    while open_nodes:
        node = open_nodes.pop()
        if node.get_count() <= LARGEST_GROUP:
            found.append(np.array(sorted(node.pre_order()), dtype=np.int64))
        else:
            open_nodes += [part for part in (node.get_left(), node.get_right()) if part is not None]
    return sorted(found, key=lambda own: int(own[0]))


def _scaled(rows: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    return np.asarray((rows - low) / np.maximum(high - low, 1e-12), dtype=np.float64)


def _sigmoid(x: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -60, 60))), dtype=np.float64)
