# The server's configuration; it is read in the folder that `run` made for it.
from os import environ
from pathlib import Path

UPSTREAM_URL = environ["UPSTREAM_URL"]
STORE_PATH = Path.cwd() / "public/store"
CACHE_PATH = Path.cwd()
ALLOW_DEFAULTS = True
BRANCHES = {
    "24.10": {
        "name": "24.10",
        "enabled": True,
        "snapshot": False,
        "versions": environ["VERSIONS"].split(),
        "path": "releases/{version}",
        "path_packages": "releases/packages-{branch}",
        "pubkey": environ["UPSTREAM_KEY"],
        "branch_off_rev": 27990,
        "repos": ["base", "packages", "luci", "routing", "telephony"],
        "extra_keys": [],
        "extra_repos": {},
        "package_changes": [{"source": "auc", "target": "owut", "revision": 26792}],
    }
}
