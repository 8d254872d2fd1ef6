"""Where the tools of the deployment tests are; a test without its tools is skipped by name.

scripts/deploy_tools.sh installs those that Debian does not have below build/deploy-tools.
"""

import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("SLOTMATCH_BIN_DIR", ROOT / "build/release/bin")).resolve()
TOOLS = ROOT / "build/deploy-tools"
MODULES = TOOLS / "node_modules"
LIMIT_S = 240


def skip(reason):
    """Ends the script as a skipped ctest."""
    print("skipped: " + reason)
    sys.exit(77)


def program(name):
    """Path of a tool, or None."""
    own = TOOLS / "bin" / name
    return str(own) if own.exists() else shutil.which(name)


def need(*names):
    """Paths of the tools; the test is skipped when one is missing."""
    found = [program(name) for name in names]
    missing = [name for name, path in zip(names, found) if path is None]
    if missing:
        skip(f"{', '.join(missing)} not installed; ./dev deploy-check installs what it can")
    return found


def need_modules(*names):
    missing = [name for name in names if not (MODULES / name).is_dir()]
    if missing:
        skip(f"npm packages {', '.join(missing)} not installed; ./dev deploy-check installs them")


def run(*command, check=True, **keywords):
    """Output and error output of a command; a failure shows them."""
    done = subprocess.run([str(word) for word in command], text=True, check=False,
                          timeout=LIMIT_S, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          **({"cwd": ROOT} | keywords))
    if check and done.returncode != 0:
        raise AssertionError(f"{command[0]} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout
