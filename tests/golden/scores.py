"""Curves, calibrations and comparisons of scores by scikit-learn, SciPy and NumPy.

    python scores.py scores.json

Writes labels and two detectors' scores (float32 values, ties among them) and what comes of them:
`roc` of the first (roc_curve), `threshold` and what it comes to for rates of false alarms (by trying
every score), `temperature` (minimize_scalar of the cross-entropy), `platt` (scikit-learn's
_sigmoid_calibration: P = 1 / (1 + exp(a f + b))), `differences` of ACC, AP and AUC of the resamples
whose images `draws` names, and their 2.5, 50 and 97.5 percentiles (numpy.percentile).
"""

import json
import sys

import numpy as np
from scipy.optimize import minimize_scalar
from sklearn.calibration import _sigmoid_calibration
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score, roc_curve

random = np.random.default_rng(17)
N, RESAMPLES = 60, 40


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


labels = random.integers(0, 2, N)
ability = 2.5 * (labels - 0.5)
logits = [np.round(4 * (ability + random.normal(0, 1, N)), 1), ability + random.normal(0, 1.5, N)]
scores = [sigmoid(values).astype(np.float32).astype(float) for values in logits]
a, b = scores
logit = np.log(a) - np.log1p(-a)

false_alarms, recall, thresholds = roc_curve(labels, a, drop_intermediate=False)


def threshold_for(rate):
    real, generated = a[labels == 0], a[labels == 1]
    fits = [t for t in [0.0, *a] if np.mean(real > t) <= rate]
    t = min(fits)
    return {"rate": rate, "falseAlarms": np.mean(real > t), "recall": np.mean(generated > t)}


def loss(log_temperature):
    return log_loss(labels, sigmoid(logit / np.exp(log_temperature)))


best = minimize_scalar(loss, bounds=(-5, 5), method="bounded", options={"xatol": 1e-12})
slope, offset = _sigmoid_calibration(logit, labels)

draws, differences = [], []
while len(draws) < RESAMPLES:
    draw = random.integers(0, N, N)
    drawn = labels[draw]
    if drawn.min() == drawn.max():
        continue
    draws.append(draw.tolist())
    measures = [
        [
            np.mean((s[draw] > 0.5) == (drawn == 1)),
            average_precision_score(drawn, s[draw]),
            roc_auc_score(drawn, s[draw]),
        ]
        for s in scores
    ]
    differences.append((np.array(measures[0]) - np.array(measures[1])).tolist())

golden = {
    "labels": labels.tolist(),
    "a": a.tolist(),
    "b": b.tolist(),
    "roc": {
        "falseAlarms": false_alarms.tolist(),
        "recall": recall.tolist(),
        "thresholds": thresholds[1:].tolist(),
    },
    "thresholds": [threshold_for(rate) for rate in (0, 0.01, 0.05, 0.1, 0.29, 0.5, 1)],
    "temperature": float(np.exp(best.x)),
    "temperatureLoss": float(best.fun),
    "platt": {"slope": -float(slope), "offset": -float(offset)},
    "draws": draws,
    "differences": differences,
    "percentiles": np.percentile(differences, [2.5, 50, 97.5], axis=0).T.tolist(),
}
with open(sys.argv[1], "w") as file:
    json.dump(golden, file)
    file.write("\n")
