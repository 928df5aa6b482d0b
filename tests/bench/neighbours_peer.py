"""Python's side of neighbours_bench.ts: exact search of random features of length 1 by faiss or
scikit-learn. Arguments: which, rows, width, queries, k. Prints queries a second and peak bytes."""
import resource
import sys
import time

import numpy as np

which = sys.argv[1]
rows, width, count, k = map(int, sys.argv[2:])
random = np.random.default_rng(0)


def features(rows):
    x = random.standard_normal((rows, width), dtype=np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return x


if which == "faiss":
    import faiss

    index = faiss.IndexFlatIP(width)
    for start in range(0, rows, 8192):
        index.add(features(min(8192, rows - start)))
    search = lambda queries: index.search(queries, k)
else:
    from sklearn.neighbors import NearestNeighbors

    bank = np.empty((rows, width), np.float32)
    for start in range(0, rows, 8192):
        bank[start:start + 8192] = features(min(8192, rows - start))
    # on features of length 1 the order is that of cosines, and the path the fastest that it has
    index = NearestNeighbors(n_neighbors=k, algorithm="brute", metric="euclidean").fit(bank)
    search = index.kneighbors

queries = features(count)
seconds = []
for _ in range(2):
    start = time.perf_counter()
    search(queries)
    seconds.append(time.perf_counter() - start)
print(count / min(seconds), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
