"""Known vulnerabilities of what the locks pin: `python -m deploy.audit PIP-AUDIT LOCK…`.

Exit 0: none is known; 1: some are; 3: nobody could be asked, or not about everything. pip-audit alone says "No known
vulnerabilities found" when it could ask nobody.
"""

from __future__ import annotations

import json
import subprocess
import sys

KNOWN, NOT_ASKED = 1, 3


def verdict(told: str) -> tuple[str, int]:
    """What pip-audit's JSON says, in sentences, and the exit code."""
    try:
        packages = json.loads(told)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return "NOT ASKED: pip-audit gave no answer; what is known of these versions is not known here", NOT_ASKED
    lines = [
        f"{one['name']} {one['version']}: {found['id']}, mended in {', '.join(found['fix_versions']) or 'none yet'}"
        for one in packages
        for found in one.get("vulns", ())
    ]
    skipped = [one["name"] for one in packages if "skip_reason" in one]
    if skipped or not packages:
        lines.append(f"NOT ASKED about {len(skipped)} of {len(packages)} packages: nobody who knows could be reached")
    if any("vulns" in one and one["vulns"] for one in packages):
        return "\n".join(lines), KNOWN
    if skipped or not packages:
        return "\n".join(lines), NOT_ASKED
    return f"{len(packages)} packages, no known vulnerability", 0


def main(program: str, locks: list[str]) -> int:
    """Ask about each lock by itself: they may pin the same package differently."""
    codes = []
    for lock in locks:
        asked = [program, "--format", "json", "--disable-pip", "--require-hashes", "--progress-spinner", "off"]
        done = subprocess.run([*asked, "--requirement", lock], capture_output=True, text=True, check=False)
        words, code = verdict(done.stdout)
        if code == NOT_ASKED and done.stderr:
            words += f" ({done.stderr.strip().splitlines()[-1][:200]})"
        print(f"{lock}: {words}", file=sys.stderr if code else sys.stdout)
        codes.append(code)
    return KNOWN if KNOWN in codes else max(codes, default=0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
