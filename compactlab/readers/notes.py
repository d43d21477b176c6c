"""Lines that people and shells leave between records and that are known to hold none."""

from __future__ import annotations

import re

_NOTE = re.compile(
    r"""\s*(?:
      (\#|//|;|%)(?!.*\d:\d\d).*                      # a comment; one with a clock may be a lost time stamp
    | \W*[A-Za-z]+\W{1,3}\d{1,6}\W*                    # === tick 3 ===
    | Linux\ \S+\ \d+\.\d+.*                           # uname -a
    | \d\d?:\d\d:\d\d\ up\ .*load\ average:.*          # uptime
    | \d+\.\d\d\ \d+\.\d\d(\ \d+\.\d\d\ \d+/\d+\ \d+)?   # /proc/uptime, /proc/loadavg
    | [A-Z]\w+(\(\w+\))?:\s+\d+(\ kB)?                 # /proc/meminfo
    | total\s+used\s+free\b.*                          # free
    | (Mem|Swap|-/\+\ buffers/cache):[\s\d.KMGTBi]*
    | [\w./-]+:\ (\S+:\ )?(line\ \d+:\ )?\S+:\ [A-Z][a-z'\ ]+   # cat: /proc/pagetypeinfo: Permission denied
    | \+\ .*                                           # sh -x
    | (\[?\S+@\S+.*|[\w.-]*)[$\#>](\ (?!.*\d:\d\d).*)?   # a prompt
    | \^C.*
    | Script\ (started|done)\b.*
    | Every\ \d.*                                      # watch
    )""",
    re.VERBOSE,
)


def is_note(line: str) -> bool:
    """Whether a line is known to be none of a record's.

    >>> is_note("cat: /proc/pagetypeinfo: Permission denied")
    True
    >>> is_note("Node 0, zone   Normal 1 2 three")
    False
    """
    return _NOTE.fullmatch(line) is not None
