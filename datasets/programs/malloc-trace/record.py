"""Record the requests of shop.py anew: python record.py, with gcc, on Linux with glibc.

Writes trace.npz and the sums in dataset.json. Only sizes and lifetimes are kept, and where glibc put an object
counted from the begin of its heap; the environment of the program is empty but for what is named here.
"""

import hashlib
import json
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from compactlab.allocators import traces

FOLDER = Path(__file__).parent
with TemporaryDirectory() as folder:
    library, log = Path(folder) / "malloc_trace.so", Path(folder) / "trace.bin"
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", FOLDER / "malloc_trace.c", "-o", library], check=True)
    environment = {
        "PYTHONMALLOC": "malloc",
        "PYTHONHASHSEED": "0",
        "MALLOC_TRACE": str(log),
        "LD_PRELOAD": str(library),
    }
    bare = ["-S", "-s", "-B"]  # nothing but the language itself
    subprocess.run(["python3", *bare, "shop.py"], check=True, cwd=FOLDER, env=environment)
    trace = traces.read(log)

small = {"op": np.uint8, "granted": np.uint32, "size": np.uint32}
np.savez_compressed(
    FOLDER / "trace.npz",
    **{name: trace[name].values.astype(small.get(name, np.int32)) for name in trace.data_vars},
)
described = FOLDER / "dataset.json"
entry = json.loads(described.read_text(encoding="utf-8"))
entry["files"] = {
    file.name: {"sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "bytes": file.stat().st_size}
    for file in sorted(FOLDER.iterdir())
    if file.is_file() and file != described
}
described.write_text(json.dumps(entry, indent=1) + "\n", encoding="utf-8")
print(f"{trace.sizes['request']:,} requests")
