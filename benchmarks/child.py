"""One measured child process: runs a main function, or only imports what that run had imported.

    python child.py run MODULES.json isofield reconstruct IN -o OUT
    python child.py run MODULES.json poisson open3d IN OUT 8
    python child.py imports MODULES.json

The difference of the CPU times of the two is what the work itself costs, beyond the start of the
interpreter and the imports. Stands alone, because baselines run in an environment without isofield.
"""

import importlib
import json
import sys


def run(modules: str, program: str, words: list[str]) -> int:
    """Exit code of the program; the names of all modules it has loaded go to a file."""
    if program == "isofield":
        from isofield.cli import main
    else:
        from poisson import main
    code = main(words)
    with open(modules, "w") as stream:
        json.dump([name for name in sys.modules if name != "__main__"], stream)
    return code


def imports(modules: str) -> int:
    """Import what another run had loaded; names that can't be imported by themselves are skipped."""
    with open(modules) as stream:
        names = json.load(stream)
    for name in names:
        try:
            importlib.import_module(name)
        except Exception:
            continue
    return 0


if __name__ == "__main__":
    verb, modules, *rest = sys.argv[1:]
    sys.exit(run(modules, rest[0], rest[1:]) if verb == "run" else imports(modules))
