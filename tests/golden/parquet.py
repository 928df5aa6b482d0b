"""What pyarrow and pandas read of a Parquet file.

python3 tests/golden/parquet.py rows.parquet > parquet.json

Prints JSON: `types`, pyarrow's type of each column, `rows`, its rows with null for nothing, and
`pandas`, pandas' type of each column.
"""

import json
import sys

import pandas
import pyarrow.parquet

table = pyarrow.parquet.read_table(sys.argv[1])
print(json.dumps({
    "versions": {"pyarrow": pyarrow.__version__, "pandas": pandas.__version__},
    "types": {field.name: str(field.type) for field in table.schema},
    "rows": table.to_pylist(),
    "pandas": {name: str(kind) for name, kind in pandas.read_parquet(sys.argv[1]).dtypes.items()},
}, indent=1, ensure_ascii=False))
