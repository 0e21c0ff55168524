#!/usr/bin/env python3
"""Accuracy of a linear classifier, counted without Chorus: count_accuracy.py DATA.npz MODEL.npz prints JSON.

DATA has `image` [samples, 1, 28, 28] and `labels`, MODEL `weight` [classes, 784] and `bias` [classes]. Only Python's standard library:
the arrays are read from the .npy files by hand, scores are sums in float64, every number is counted by its definition.
"""
import array
import json
import struct
import sys
import zipfile


def read(path):
    """{name: flat list of numbers} of an .npz."""
    arrays = {}
    with zipfile.ZipFile(path) as file:
        for name in file.namelist():
            data = file.read(name)
            assert data[:6] == b"\x93NUMPY"
            size, start = (struct.unpack_from("<H", data, 8)[0], 10) if data[6] == 1 else (struct.unpack_from("<I", data, 8)[0], 12)
            header = data[start:start + size].decode()
            code = {"<f4": "f", "<i8": "q"}[header.split("'descr': '")[1].split("'")[0]]
            arrays[name.removesuffix(".npy")] = array.array(code, data[start + size:]).tolist()
    return arrays


def average_precision(scores, hits):
    """Mean over the hits of the share of hits among all samples with at least their score."""
    ranked = sorted(scores, reverse=True)
    total = 0.0
    for score, hit in zip(scores, hits):
        if hit:
            above = sum(1 for s in ranked if s >= score)
            right = sum(1 for s, h in zip(scores, hits) if h and s >= score)
            total += right / above
    return total / sum(hits)


def main():
    data, model = read(sys.argv[1]), read(sys.argv[2])
    labels, classes, size = data["labels"], len(model["bias"]), 28 * 28
    rows = [model["weight"][c * size:(c + 1) * size] for c in range(classes)]
    scores = []
    for i in range(len(labels)):
        x = data["image"][i * size:(i + 1) * size]
        scores.append([sum(a * b for a, b in zip(row, x)) + bias for row, bias in zip(rows, model["bias"])])
    top1 = top5 = 0
    predicted = []
    for line, label in zip(scores, labels):
        order = sorted(range(classes), key=lambda c: -line[c])
        predicted.append(order[0])
        top1 += order[0] == label
        top5 += label in order[:5]
    f1 = []
    for c in set(labels):
        right = sum(p == c and t == c for p, t in zip(predicted, labels))
        precision = right / max(predicted.count(c), 1)
        recall = right / labels.count(c)
        f1.append(2 * precision * recall / (precision + recall) if right else 0.0)
    areas = [average_precision([line[c] for line in scores], [t == c for t in labels]) for c in sorted(set(labels))]
    print(json.dumps({"samples": len(labels), "top1_count": top1, "top5_count": top5, "f1": sum(f1) / len(f1), "mAP": sum(areas) / len(areas),
                      "predicted": predicted}))


main()
